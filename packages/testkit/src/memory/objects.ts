import { createHash } from "node:crypto";

import type { Content } from "@bootc-store/backend";
import { defineErrors } from "@bootc-store/core";

export const memoryErrors = defineErrors("memory", {
  "object-missing": { kind: "not-found", meaning: "Content that is referred to is not in the store." },
  "layer-mismatch": {
    kind: "corrupt",
    meaning: "A layer does not have the diff id that it was announced with.",
  },
  "content-size": { kind: "corrupt", meaning: "A content has another size than was said." },
  "tree-missing": { kind: "not-found", meaning: "There is no tree of that id." },
  "layer-missing": { kind: "not-found", meaning: "An image's layer is not in the store." },
  "store-locked": { kind: "conflict", meaning: "Another operation holds the store's lock." },
});

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Content by its SHA-256. */
export class MemoryObjects {
  readonly #objects = new Map<string, Uint8Array>();

  /** Says whether it is new. */
  put(bytes: Uint8Array): { key: string; created: boolean } {
    const key = sha256(bytes);
    const created = !this.#objects.has(key);
    if (created) this.#objects.set(key, bytes.slice());
    return { key, created };
  }

  has(key: string): boolean {
    return this.#objects.has(key);
  }

  get(key: string): Uint8Array {
    const bytes = this.#objects.get(key);
    if (bytes === undefined)
      throw memoryErrors.error("object-missing", `no object ${key}`, { context: { digest: key } });
    return bytes;
  }

  delete(key: string): boolean {
    return this.#objects.delete(key);
  }

  /** Puts other bytes where an object is, to see that a check finds it. */
  corrupt(key: string, bytes: Uint8Array): void {
    this.#objects.set(key, bytes);
  }

  keys(): string[] {
    return [...this.#objects.keys()].sort();
  }

  content(key: string): Content {
    const bytes = this.get(key);
    return {
      size: bytes.length,
      sha256: key,
      async *read() {
        yield bytes;
      },
    };
  }
}
