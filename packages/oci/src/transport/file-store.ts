// Files by name, whether they lie in a directory or in a tar: what layouts and archives are read from.

import { type ByteString, isStoreError } from "@bootc-store/core";
import type { Dir } from "@bootc-store/linux";

import { fileChunks } from "./chunks.ts";
import type { BlobContent } from "./port.ts";

export interface FileStore extends AsyncDisposable {
  /** For messages. */
  readonly label: string;
  /** `undefined` where there is no such file. Throws `linux/limit-exceeded` or `oci/document-too-large`. */
  readOptional(path: ByteString, limit: number): Promise<Uint8Array | undefined>;
  openOptional(path: ByteString): BlobContent | undefined;
}

/** The files of a directory, which this closes. */
export class DirStore implements FileStore {
  readonly #dir: Dir;
  readonly label: string;

  constructor(dir: Dir, label: string) {
    this.#dir = dir;
    this.label = label;
  }

  async readOptional(path: ByteString, limit: number): Promise<Uint8Array | undefined> {
    return this.#dir.readFileOptional(path, { limit });
  }

  openOptional(path: ByteString): BlobContent | undefined {
    const dir = this.#dir;
    const found = this.#stat(path);
    if (found === undefined) return undefined;
    return {
      size: found.size,
      file: { dir, name: path },
      async *read({ reuse = false } = {}) {
        using file = dir.openFile(path);
        yield* fileChunks(file, 0, undefined, reuse);
      },
    };
  }

  #stat(path: ByteString): { readonly size: number } | undefined {
    try {
      return this.#dir.statOptional(path);
    } catch (error) {
      if (isStoreError(error, "linux/not-a-directory")) return undefined;
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#dir[Symbol.dispose]();
  }
}
