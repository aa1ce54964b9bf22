import { renderError, isStoreError } from "@bootc-store/core";
import { defineTask, hashFile, throwIfCancelled } from "@bootc-store/linux";
import { createHash } from "node:crypto";

import { type Checksum, sha256 } from "../format/checksum.ts";
import { contentPrefix } from "../format/file-info.ts";
import { readContent } from "../objects/content.ts";
import type { ObjectPlaces } from "../objects/places.ts";
import { ObjectReader } from "../objects/reader.ts";

/** What is wrong with an object. */
export type ObjectProblem =
  | { readonly kind: "missing" }
  | { readonly kind: "mismatch"; readonly actual: Checksum }
  | { readonly kind: "invalid"; readonly message: string };

export interface VerifyFilesInput {
  readonly places: ObjectPlaces;
  readonly checksums: readonly Checksum[];
}

/** Reads and hashes content objects; what is wrong with each, in the order given. */
export const verifyFiles = defineTask(
  import.meta.url,
  "verifyFiles",
  async (input: VerifyFilesInput, { signal }): Promise<(ObjectProblem | undefined)[]> => {
    using reader = new ObjectReader(input.places);
    const found: (ObjectProblem | undefined)[] = [];
    for (const checksum of input.checksums) {
      throwIfCancelled(signal);
      found.push(await verifyFile(reader, checksum));
    }
    return found;
  },
);

/** What is wrong with a content object, if anything. */
export async function verifyFile(
  reader: ObjectReader,
  checksum: Checksum,
): Promise<ObjectProblem | undefined> {
  try {
    const object = reader.openFileOptional(checksum);
    if (object === undefined) return { kind: "missing" };
    using _open = object;
    const prefix = contentPrefix(object.info);
    let actual: Checksum;
    if (object.stored.kind === "symlink") actual = sha256(prefix);
    else if (object.stored.kind === "plain") {
      actual = hashFile(object.stored.file, { ostree: { algorithm: "sha256", prefix } }).digests.ostree;
    } else {
      const state = createHash("sha256").update(prefix);
      for await (const piece of readContent(object, `${checksum}.filez`)) state.update(piece);
      actual = state.digest("hex");
    }
    return actual === checksum ? undefined : { kind: "mismatch", actual };
  } catch (error) {
    if (isStoreError(error) && (error.kind === "corrupt" || error.kind === "unsupported")) {
      return { kind: "invalid", message: renderError(error) };
    }
    throw error;
  }
}
