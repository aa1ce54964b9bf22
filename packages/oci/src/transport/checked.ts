// What a descriptor promises is checked as the bytes pass: never more of them than it says, no fewer at the end, and
// then the digest. Whoever acts on content before its end must be able to take it back.

import { createHash } from "node:crypto";

import { type Digest, printDigest } from "@bootc-store/core";

import { collect } from "../collect.ts";
import { ociErrors } from "../errors.ts";
import { type Descriptor, digestMismatch } from "../image/descriptor.ts";
import type { BlobContent } from "./port.ts";

/** The chunks, which must have this size and digest. Throws `oci/content-size`, `oci/digest-mismatch` at the end. */
export async function* checkedChunks(
  chunks: AsyncIterable<Uint8Array>,
  wanted: { readonly digest: Digest; readonly size?: number },
  what = "blob",
): AsyncGenerator<Uint8Array> {
  const { digest, size } = wanted;
  const hash = createHash(digest.algorithm);
  let count = 0;
  for await (const chunk of chunks) {
    count += chunk.length;
    if (size !== undefined && count > size) throw wrongSize(digest, size, `more than ${size}`, what);
    hash.update(chunk);
    yield chunk;
  }
  if (size !== undefined && count !== size) throw wrongSize(digest, size, String(count), what);
  const found = hash.digest("hex");
  if (found !== digest.hex) throw digestMismatch(digest, found, `${what} ${printDigest(digest)}`);
}

function wrongSize(digest: Digest, size: number, found: string, what: string): Error {
  return ociErrors.error(
    "content-size",
    `${what} ${printDigest(digest)}: it has ${found} bytes, its descriptor says ${size}`,
    { context: { digest: printDigest(digest), expected: size } },
  );
}

/** The content, checked as it is read. Refused at once if its place already knows another size. */
export function checkedBlob(
  content: BlobContent,
  descriptor: Descriptor,
  reuse = false,
): AsyncGenerator<Uint8Array> {
  if (content.size !== undefined && content.size !== descriptor.size) {
    throw wrongSize(descriptor.digest, descriptor.size, String(content.size), "blob");
  }
  return checkedChunks(content.read({ reuse }), descriptor);
}

/** The whole content, checked. Throws `oci/document-too-large` above `limit`. */
export async function collectChecked(
  content: BlobContent,
  descriptor: Descriptor,
  limit: number,
): Promise<Uint8Array> {
  if (descriptor.size > limit) {
    throw ociErrors.error(
      "document-too-large",
      `blob ${printDigest(descriptor.digest)}: ${descriptor.size} bytes, ${limit} are allowed`,
      { context: { digest: printDigest(descriptor.digest), limit } },
    );
  }
  return await collect(checkedBlob(content, descriptor), limit, `blob ${printDigest(descriptor.digest)}`);
}

/** The error for a blob that is not there. */
export function blobNotFound(descriptor: { readonly digest: Digest }, where: string): Error {
  return ociErrors.error("blob-not-found", `${where}: there is no blob ${printDigest(descriptor.digest)}`, {
    context: { digest: printDigest(descriptor.digest) },
  });
}
