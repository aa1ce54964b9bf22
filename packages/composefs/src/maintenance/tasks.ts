// What a worker does of a check: objects against their names.

import { isStoreError, type StoreErrorJson, utf8 } from "@bootc-store/core";
import { defineTask, Dir, hashFile, throwIfCancelled, type VerityAlgorithm } from "@bootc-store/linux";

export interface CheckObjectsInput {
  /** Descriptor of `objects/`, which stays open until this is done. */
  readonly objects: number;
  readonly algorithm: VerityAlgorithm;
  /** Directories and the names in them to look at. */
  readonly shards: readonly { readonly name: string; readonly files: readonly string[] }[];
}

/** An object that is not what its name says, or cannot be read. */
export type ObjectProblem = { readonly id: string } & (
  | { readonly actual: string }
  | { readonly error: StoreErrorJson }
);

/** The problems in the order of the input; objects that are right are not mentioned. */
export const checkObjects = defineTask(
  import.meta.url,
  "checkObjects",
  (input: CheckObjectsInput, { signal }): ObjectProblem[] => {
    const objects = Dir.borrow(input.objects, "objects");
    const want = { verity: { verity: { algorithm: input.algorithm } } };
    const problems: ObjectProblem[] = [];
    for (const { name, files } of input.shards) {
      using shard = objects.openDir(utf8(name));
      for (const rest of files) {
        throwIfCancelled(signal);
        const id = `${name}${rest}`;
        try {
          using file = shard.openFile(utf8(rest));
          const { verity } = hashFile(file, want, signal).digests;
          if (verity !== id) problems.push({ id, actual: verity });
        } catch (error) {
          if (!isStoreError(error) || error.code === "core/cancelled") throw error;
          problems.push({ id, error: error.toJSON() });
        }
      }
    }
    return problems;
  },
);
