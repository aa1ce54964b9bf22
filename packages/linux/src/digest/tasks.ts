import { type ByteString, isStoreError, type StoreErrorJson } from "@bootc-store/core";
import { Dir } from "../dir.ts";
import { File } from "../file.ts";
import { defineTask } from "../pool/task.ts";
import { throwIfCancelled } from "../signal.ts";
import { hashFile } from "./hash-file.ts";
import type { HashSpecs } from "./hasher.ts";

/** A file of a batch: by path in the batch's directory, or open already (then it stays open). */
export type FileToHash = ({ readonly path: ByteString } | { readonly fd: number }) & {
  /** Instead of the batch's, for instance because the prefix is this file's own. */
  readonly want?: HashSpecs;
};

export interface HashFilesInput {
  /** Descriptor of the directory of all paths, which must stay open until the batch is done. */
  readonly dir?: number;
  readonly label?: string;
  readonly files: readonly FileToHash[];
  readonly want: HashSpecs;
}

/** A file's digests, or why it has none. */
export type FileHashResult =
  | { readonly size: number; readonly digests: { readonly [key: string]: string } }
  | { readonly error: StoreErrorJson };

/**
 * Digests of a batch of files, each read once, in the order given. A file that cannot be read is a result with an
 * error, so that one of them does not cost the others.
 */
export const hashFiles = defineTask(import.meta.url, "hashFiles", (input: HashFilesInput, { signal }) => {
  const dir = input.dir === undefined ? undefined : Dir.borrow(input.dir, input.label);
  return input.files.map((item): FileHashResult => {
    throwIfCancelled(signal);
    try {
      const want = item.want ?? input.want;
      if ("fd" in item)
        return hashFile(File.borrow(item.fd, input.label ?? `descriptor ${item.fd}`), want, signal);
      if (dir === undefined) throw new TypeError("a path was given to hash, and no directory");
      using file = dir.openFile(item.path);
      return hashFile(file, want, signal);
    } catch (error) {
      if (isStoreError(error) && error.code !== "core/cancelled") return { error: error.toJSON() };
      throw error;
    }
  });
});
