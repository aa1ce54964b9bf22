// Where the content of a file is that is not in the image, by two attributes of overlay.

import type { ByteString } from "@bootc-store/core";

import { SLOT_SIZE } from "../layout.ts";
import { invalid, type RawInode } from "./raw.ts";
import { xattrOf } from "./walker.ts";

/** Bytes of a digest and the number of its hash function. */
const DIGEST_SIZES: { readonly [size: number]: number } = { 32: 1, 64: 2 };

/** Throws unless the value is that of `trusted.overlay.metacopy` with an fs-verity digest, from its fifth byte on. */
export function checkMetacopy(raw: RawInode, metacopy: ByteString): void {
  const algorithm = DIGEST_SIZES[metacopy.length - 4];
  const right =
    algorithm !== undefined &&
    metacopy.charCodeAt(0) === 0 &&
    metacopy.charCodeAt(1) === metacopy.length &&
    metacopy.charCodeAt(2) === 0 &&
    metacopy.charCodeAt(3) === algorithm;
  if (right) return;
  throw invalid("xattr › trusted.overlay.metacopy", raw.nid * SLOT_SIZE, "it holds no fs-verity digest");
}

/** Path below the object store. Where nothing else says that the content is there, it must look like an object's. */
export function payloadOf(raw: RawInode, certain: boolean): ByteString | undefined {
  const redirect = xattrOf(raw, "trusted.overlay.redirect");
  const path = redirect?.startsWith("/") === true ? (redirect.slice(1) as ByteString) : redirect;
  if (path === undefined || certain) return path;
  return /(?:^|\/)[0-9a-f]{2}\/(?:[0-9a-f]{62}|[0-9a-f]{126})$/.test(path) ? path : undefined;
}
