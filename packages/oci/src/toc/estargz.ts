// eStargz: a gzip stream of many members whose last tar entry is a table of contents, found by a footer: an empty
// member with the table's offset in its extra field. The table is a hint: what counts is the tar.
//
//   footer, 51 bytes: gzip header with FEXTRA, XLEN 26, "SG" 22, 16 hexadecimal digits at 16, "STARGZ", empty block
//   of the older stargz, 47 bytes: XLEN 22, 16 hexadecimal digits at 12, "STARGZ"

import { parseDigestOptional } from "@bootc-store/core";

import { collect } from "../collect.ts";
import { decompress } from "../decompress/decompress.ts";
import { ociErrors } from "../errors.ts";
import { checkDigest, type Descriptor } from "../image/descriptor.ts";
import { readTar } from "../tar/reader.ts";
import { chunkOf } from "../transport/chunks.ts";
import { parseToc, type Toc, TOC_LIMIT } from "./toc.ts";
import type { ReadRange } from "./zstd-chunked.ts";

const DIGEST = "containerd.io/snapshot/stargz/toc.digest";
const TOC_NAME = "stargz.index.json";

const refuse = (problem: string): Error => ociErrors.error("toc-invalid", `eStargz: ${problem}`);

export function isEstargz(layer: Descriptor): boolean {
  return layer.annotations?.[DIGEST] !== undefined;
}

/** Where the table begins in a blob of this size. Throws `oci/toc-invalid`. */
export async function readEstargzFooter(size: number, read: ReadRange): Promise<number> {
  for (const [length, extra, at] of [
    [51, 26, 16],
    [47, 22, 12],
  ] as const) {
    if (size < length) continue;
    const footer = Buffer.from(await read(size - length, length));
    const starts =
      footer.readUInt16BE(0) === 0x1f8b && (footer[3] as number) === 4 && footer.readUInt16LE(10) === extra;
    const named = length === 47 || footer.toString("latin1", 12, 14) === "SG";
    if (!starts || !named || footer.toString("latin1", at + 16, at + 22) !== "STARGZ") continue;
    const digits = footer.toString("latin1", at, at + 16);
    const offset = /^[0-9a-f]{16}$/.test(digits) ? Number.parseInt(digits, 16) : Number.NaN;
    if (Number.isSafeInteger(offset) && offset < size - length) return offset;
    throw refuse("the footer says a place outside of the blob");
  }
  throw refuse("the blob has no footer");
}

/** The table of contents of a layer; checked against the digest of its annotation. */
export async function readEstargzToc(layer: Descriptor, read: ReadRange): Promise<Toc> {
  const digest = parseDigestOptional(layer.annotations?.[DIGEST] ?? "");
  if (digest === undefined) throw refuse("the layer does not say the table's digest");
  const offset = await readEstargzFooter(layer.size, read);
  const size = layer.size - offset;
  if (size > TOC_LIMIT) throw refuse(`a table of more than ${TOC_LIMIT} bytes`);
  const bytes = decompress(chunkOf(await read(offset, size)), {
    compression: "gzip",
    limits: { maxSize: TOC_LIMIT },
  });
  for await (const item of readTar(bytes)) {
    if (item.kind !== "entry") continue;
    if (item.entry.name !== TOC_NAME || item.content === undefined) break;
    const json = await collect(item.content.read(), TOC_LIMIT, "table of contents");
    checkDigest(json, digest, "table of contents");
    return parseToc(json);
  }
  throw refuse("there is no table where the footer says");
}
