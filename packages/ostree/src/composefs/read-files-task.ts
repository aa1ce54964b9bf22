import type { ByteString } from "@bootc-store/core";
import { computeVerity, defineTask, measureVerity, throwIfCancelled, VerityHasher } from "@bootc-store/linux";

import { type PlainInfo, plainInfo } from "../commit/batch.ts";
import { ostreeErrors } from "../errors.ts";
import type { Checksum } from "../format/checksum.ts";
import { readContent } from "../objects/content.ts";
import type { ObjectPlaces } from "../objects/places.ts";
import { type FileObject, ObjectReader } from "../objects/reader.ts";

export interface ReadFilesInput {
  readonly places: ObjectPlaces;
  readonly checksums: readonly Checksum[];
  /** Whether contents are to be measured; else only what is said of them is read. */
  readonly verity: boolean;
}

/** What an image holds of a content object. */
export interface ReadFile {
  readonly info: PlainInfo;
  readonly size: number;
  readonly target?: ByteString;
  /** The fs-verity digest of the content, of SHA-256 and blocks of 4096 bytes; an empty content has none. */
  readonly digest?: string;
}

const VERITY = { algorithm: "sha256" } as const;
/** Contents up to this size are measured in one piece. */
const IN_MEMORY = 1 << 20;
const buffer = Buffer.allocUnsafeSlow(IN_MEMORY);

/** Reads content objects for an image, in the order given. */
export const readFiles = defineTask(
  import.meta.url,
  "readFiles",
  async ({ places, checksums, verity }: ReadFilesInput, { signal }): Promise<ReadFile[]> => {
    using reader = new ObjectReader(places);
    const files: ReadFile[] = [];
    for (const checksum of checksums) {
      throwIfCancelled(signal);
      using object = reader.openFile(checksum);
      const { info, size } = object;
      files.push({
        info: plainInfo(info),
        size,
        ...(info.target === undefined ? {} : { target: info.target }),
        ...(verity && size > 0 ? { digest: await measure(object, `${checksum}.file`) } : {}),
      });
    }
    return files;
  },
);

async function measure(object: FileObject, format: string): Promise<string> {
  const { stored, size } = object;
  if (stored.kind === "plain") {
    // What the kernel has measured need not be read again.
    const known = measureVerity(stored.file);
    if (known.state === "enabled" && known.algorithm === VERITY.algorithm) return known.digest;
    if (size <= IN_MEMORY) {
      const count = stored.file.readFull(buffer.subarray(0, size), 0);
      if (count !== size) throw shorter(format, size, count);
      return computeVerity(buffer.subarray(0, size), VERITY).toString("hex");
    }
  }
  const hasher = new VerityHasher(VERITY);
  let count = 0;
  for await (const piece of readContent(object, format)) {
    hasher.update(piece);
    count += piece.length;
  }
  if (count !== size) throw shorter(format, size, count);
  return hasher.finish().toString("hex");
}

function shorter(format: string, size: number, count: number): Error {
  return ostreeErrors.error("object-invalid", `${format}: it ends after ${count} of ${size} bytes`, {
    context: { format },
  });
}
