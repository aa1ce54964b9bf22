import { concatBytes } from "@bootc-store/core";

import { ociErrors } from "./errors.ts";

/** All bytes of a stream. Throws `oci/document-too-large` above `limit`. */
export async function collect(
  chunks: AsyncIterable<Uint8Array>,
  limit: number,
  what: string,
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    size += chunk.length;
    if (size > limit) {
      throw ociErrors.error("document-too-large", `${what}: more than ${limit} bytes`, {
        context: { limit },
      });
    }
    parts.push(chunk);
  }
  return parts.length === 1 ? (parts[0] as Uint8Array) : concatBytes(parts);
}
