import { type ByteString, displayName, type Finding, isStoreError, utf8 } from "@bootc-store/core";

import { S_IFCHR, S_IFDIR, S_IFLNK, typeOf } from "../image/node.ts";
import { BLOCK_SIZE, LAYOUT_INLINE, SLOT_SIZE } from "../layout.ts";
import { RawImage, type RawInode } from "./raw.ts";
import { readImage } from "./reader.ts";

/**
 * What is wrong with an image, as `cfsctl fsck` looks at it: damage of any kind, which ends the check, and what the reader
 * would bear but the format does not have. Nothing is thrown for what is in the bytes. In the order of a walk.
 *
 * @param id by which the image is known: its digest or name
 */
export function* checkImage(bytes: Uint8Array, id: string): Generator<Finding, void, undefined> {
  const finding = (code: string, message: string, path?: string): Finding => ({
    code: `erofs/${code}`,
    severity: "error",
    subject: { kind: "image", id, ...(path === undefined ? {} : { path }) },
    message,
    repair: "rebuild",
  });
  let image: RawImage;
  try {
    readImage(bytes);
    image = new RawImage(bytes);
  } catch (error) {
    if (!isStoreError(error)) throw error;
    yield finding(error.code.slice("erofs/".length), error.message);
    return;
  }
  const root = image.inode(image.rootNid);
  if (image.version !== 2) {
    const names = new Set(image.entries(root).map(({ name }) => name));
    for (let byte = 0; byte < 256; byte++) {
      const name = utf8(byte.toString(16).padStart(2, "0"));
      if (!names.has(name)) {
        yield finding(
          "image-stub-missing",
          `the root has no name ${name}, so the object store would show`,
          `/${name}`,
        );
      }
    }
  }
  const stack: { readonly inode: RawInode; readonly path: string }[] = [{ inode: root, path: "" }];
  for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
    const below: typeof stack = [];
    for (const { name, nid } of image.entries(top.inode)) {
      if (name === "." || name === "..") continue;
      const inode = image.inode(nid);
      const path = `${top.path}/${displayName(name)}`;
      const problem = problemOf(image, inode, top.inode === root);
      if (problem !== undefined) yield finding(problem[0], problem[1], path);
      if (typeOf(inode) === S_IFDIR) below.push({ inode, path });
    }
    stack.push(...below.reverse());
  }
}

function problemOf(image: RawImage, inode: RawInode, inRoot: boolean): readonly [string, string] | undefined {
  const type = typeOf(inode);
  if (image.version === 2) {
    return hasXattr(inode, "trusted.overlay.overlay.whiteout")
      ? ["image-whiteout-escaped", "a whiteout is escaped, which this format does not do"]
      : undefined;
  }
  if (type === S_IFCHR && inode.u === 0 && !inRoot) {
    return ["image-whiteout-native", "a whiteout is not escaped, so overlay would hide what is below it"];
  }
  if (type === S_IFLNK && inode.layout === LAYOUT_INLINE) {
    const end = ((inode.nid * SLOT_SIZE) % BLOCK_SIZE) + inode.headSize + Number(inode.size);
    if (end > BLOCK_SIZE) {
      return ["image-symlink-crosses", "a symlink crosses a block, which kernels before 6.12 refuse"];
    }
  }
  return undefined;
}

function hasXattr({ xattrs }: RawInode, name: string): boolean {
  const has = (pair: readonly [ByteString, ByteString]): boolean => pair[0] === name;
  return xattrs.inline.some(has) || xattrs.shared.some(has);
}
