// fs-verity on objects.

import { enableVerity, type File, measureVerity } from "@bootc-store/linux";
import { isStoreError } from "@bootc-store/core";

import type { ComposefsAlgorithm } from "../algorithm.ts";
import { composefsErrors } from "../errors.ts";

/** Whether objects must have fs-verity, or get it where that works. */
export type VerityPolicy = "require" | "try";

export class Sealer {
  readonly #algorithm: ComposefsAlgorithm;
  readonly #policy: VerityPolicy;
  #seals = true;

  constructor(algorithm: ComposefsAlgorithm, policy: VerityPolicy) {
    this.#algorithm = algorithm;
    this.#policy = policy;
  }

  /** False once the file system said that it has no fs-verity. */
  get seals(): boolean {
    return this.#seals;
  }

  /**
   * Enables fs-verity on a file that nobody has open for writing; where the file system cannot, only a secure repository minds.
   * In that one it is also measured.
   */
  seal(file: File, id: string): void {
    if (this.#seals) this.#enable(file);
    if (this.#policy === "require") this.check(file, id);
  }

  #enable(file: File): void {
    try {
      enableVerity(file, { algorithm: this.#algorithm });
    } catch (error) {
      if (this.#policy === "try" && isStoreError(error, "linux/call-unsupported")) {
        this.#seals = false;
        return;
      }
      throw composefsErrors.error("verity-required", "fs-verity could not be enabled on an object", {
        cause: error,
      });
    }
  }

  /** Throws unless the kernel measures this digest. */
  check(file: File, id: string): void {
    const measured = measureVerity(file);
    if (measured.state !== "enabled") {
      throw composefsErrors.error("verity-missing", `object ${id} has no fs-verity`, {
        context: { digest: id },
      });
    }
    if (measured.algorithm !== this.#algorithm || measured.digest !== id) {
      throw composefsErrors.error("object-mismatch", `object ${id} is measured as ${measured.digest}`, {
        context: { digest: id },
      });
    }
  }
}
