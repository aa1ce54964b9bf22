// What a worker does with contents that are files: a batch of them becomes objects, without passing through the program.

import type { ByteString } from "@bootc-store/core";
import { defineTask, Dir, throwIfCancelled } from "@bootc-store/linux";

import type { ComposefsAlgorithm } from "../algorithm.ts";
import { type AdoptOptions, type HowStored, ObjectStore, type VerityPolicy } from "./store.ts";

export interface AdoptFilesInput extends AdoptOptions {
  /** Descriptor of the repository. It and those below stay open until this is done. */
  readonly repository: number;
  readonly algorithm: ComposefsAlgorithm;
  readonly verity: VerityPolicy;
  /** Descriptors of the directories that the files are below. */
  readonly dirs: readonly number[];
  /** Of each file which of the directories, its path there, and how many bytes it must have. */
  readonly files: readonly (readonly [dir: number, name: ByteString, size: number])[];
}

export interface AdoptFilesOutput {
  readonly ids: readonly string[];
  readonly how: readonly HowStored[];
}

/** Throws what {@link ObjectStore.adopt} does, at the first file that cannot become an object. */
export const adoptFiles = defineTask(
  import.meta.url,
  "adoptFiles",
  (input: AdoptFilesInput, { signal }): AdoptFilesOutput => {
    const objects = new ObjectStore(Dir.borrow(input.repository), input.algorithm, input.verity);
    const dirs = input.dirs.map((fd) => Dir.borrow(fd));
    const ids: string[] = [];
    const how: HowStored[] = [];
    try {
      for (const [at, name, size] of input.files) {
        throwIfCancelled(signal);
        const dir = dirs[at];
        if (dir === undefined) throw new RangeError(`a file in the directory ${at}, which was not given`);
        using file = dir.openFile(name);
        const stored = objects.adopt(file, size, () => {}, input);
        ids.push(stored.id);
        how.push(stored.how);
      }
    } finally {
      objects.close();
    }
    return { ids, how };
  },
);
