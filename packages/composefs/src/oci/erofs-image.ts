// EROFS images: made of a tree, stored as objects, named by their digest in images/.

import { imageOfTree, writeImage } from "@bootc-store/erofs";
import type { Tree } from "@bootc-store/tree";

import { composefsErrors } from "../errors.ts";
import type { ErofsVersion } from "../format/meta-json.ts";
import type { Repository } from "../repository/repository.ts";
import { readObjectLink, readRef, writeObjectLink, writeRef } from "../streams/links.ts";

/** The bytes of a tree's image in that format, as composefs-rs writes it. */
export function encodeImage(tree: Tree, version: ErofsVersion): Uint8Array {
  return writeImage(imageOfTree(tree), { writer: "composefs-rs", version });
}

/** Stores an image, and names it if a ref is given. Returns its id. */
export function storeImage(repository: Repository, bytes: Uint8Array, ref?: string): string {
  repository.assertWritable();
  const { id } = repository.objects.put(bytes);
  repository.flush();
  writeObjectLink(repository, "images", id, id);
  if (ref !== undefined) writeRef(repository, "images", ref, id);
  return id;
}

/**
 * The id that a name stands for: a digest, `refs/…`, or the name of a ref. Throws `composefs/image-missing`.
 */
export function resolveImage(repository: Repository, name: string): string {
  const entry = name.startsWith("refs/") ? readRef(repository, "images", name.slice(5)) : name;
  const direct = entry === undefined ? undefined : readObjectLink(repository, "images", entry);
  if (direct !== undefined) return direct;
  const byRef = name.includes("/") ? undefined : readRef(repository, "images", name);
  const found = byRef === undefined ? undefined : readObjectLink(repository, "images", byRef);
  if (found !== undefined) return found;
  throw composefsErrors.error("image-missing", `image not found: ${name}`, { context: { ref: name } });
}

/** The bytes of an image. Throws `composefs/image-missing`, `composefs/limit-exceeded`. */
export function readImageBytes(repository: Repository, name: string, limit = 2 ** 30): Uint8Array {
  using file = repository.objects.open(resolveImage(repository, name));
  return file.readAll({ limit });
}
