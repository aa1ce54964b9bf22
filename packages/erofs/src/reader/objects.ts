// The objects that an image needs. It is checked as one that is read, but nothing is kept of it.

import { type ByteString, bytesOf, toHex } from "@bootc-store/core";

import { S_IFLNK, S_IFREG, typeOf } from "../image/node.ts";
import { LAYOUT_CHUNKED } from "../layout.ts";
import { checkMetacopy, payloadOf } from "./external.ts";
import { RawImage, type RawInode } from "./raw.ts";
import { contentOf, type ImageBuilder, isWhiteoutInode, walkImage, xattrOf } from "./walker.ts";

/**
 * Digests of the files that are not in the image, hexadecimal, in the order of a walk; of a file without a digest its path in the
 * object store without slashes. Throws what {@link readImage} throws.
 */
export function imageObjects(bytes: Uint8Array): ReadonlySet<string> {
  const image = new RawImage(bytes);
  const builder = new ObjectsBuilder(image);
  walkImage(image, {}, builder);
  return builder.objects;
}

/** Of a leaf only whether it is a whiteout is known later on. */
class ObjectsBuilder implements ImageBuilder<undefined, boolean> {
  readonly objects = new Set<string>();
  readonly #image: RawImage;

  constructor(image: RawImage) {
    this.#image = image;
  }

  directory(): undefined {
    return undefined;
  }

  isWhiteout(leaf: boolean): boolean {
    return leaf;
  }

  add(): void {}

  leaf(raw: RawInode): boolean {
    const type = typeOf(raw);
    if (type === S_IFLNK) this.#image.target(raw);
    const whiteout = isWhiteoutInode(raw);
    if (type === S_IFREG && !whiteout) this.#addFile(raw);
    return whiteout;
  }

  #addFile(raw: RawInode): void {
    const metacopy = xattrOf(raw, "trusted.overlay.metacopy") ?? "";
    if (metacopy !== "") {
      checkMetacopy(raw, metacopy);
      this.objects.add(toHex(bytesOf(metacopy.slice(4) as ByteString)));
      return;
    }
    const path = payloadOf(raw, false);
    if (path !== undefined) this.objects.add(path.replaceAll("/", ""));
    else if (raw.layout !== LAYOUT_CHUNKED && raw.size > 0n) contentOf(this.#image, raw, false);
  }
}
