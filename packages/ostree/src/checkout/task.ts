import type { ByteString } from "@bootc-store/core";
import { defineTask, Dir, throwIfCancelled } from "@bootc-store/linux";

import type { Checksum } from "../format/checksum.ts";
import type { ObjectPlaces } from "../objects/places.ts";
import { ObjectReader } from "../objects/reader.ts";
import { checkoutFile, type FileRules, type HowCheckedOut, type Labels } from "./file.ts";

export type FileToPlace = readonly [name: ByteString, checksum: Checksum, labels?: Labels];

export interface CheckoutGroup {
  /** Relative to the destination; empty for itself. */
  readonly dir: ByteString | "";
  readonly files: readonly FileToPlace[];
}

export interface CheckoutFilesInput {
  readonly places: ObjectPlaces;
  /** Descriptor of the destination. */
  readonly into: number;
  readonly rules: FileRules;
  readonly groups: readonly CheckoutGroup[];
}

/** Checks out files into directories that are there; says how often what was done. */
export const checkoutFiles = defineTask(
  import.meta.url,
  "checkoutFiles",
  async (input: CheckoutFilesInput, { signal }): Promise<{ [how in HowCheckedOut]: number }> => {
    using reader = new ObjectReader(input.places);
    const top = Dir.borrow(input.into, "");
    const counts = { linked: 0, cloned: 0, copied: 0, kept: 0 };
    for (const { dir, files } of input.groups) {
      throwIfCancelled(signal);
      using into = dir === "" ? top.duplicate() : top.openDir(dir);
      for (const [name, checksum, labels] of files)
        counts[await checkoutFile(reader, into, name, checksum, input.rules, labels)]++;
    }
    return counts;
  },
);
