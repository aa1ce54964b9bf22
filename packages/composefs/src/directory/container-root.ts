// A directory that holds the files of an image, taken as if it were one: the same tree as from layers, the same id.

import { toHex, utf8 } from "@bootc-store/core";
import { treeOfImage } from "@bootc-store/erofs";
import { computeVerity, type Dir, type Pool } from "@bootc-store/linux";

import type { ComposefsAlgorithm } from "../algorithm.ts";
import type { ErofsVersion } from "../format/meta-json.ts";
import { encodeImage, storeImage } from "../oci/erofs-image.ts";
import { transformForBoot, transformForOci, type XattrMode } from "../oci/transform.ts";
import type { Repository } from "../repository/repository.ts";
import { readDirectory } from "./read-directory.ts";
import type { Placed } from "./tasks.ts";

export interface ContainerRootOptions {
  readonly pool: Pool;
  readonly xattrs?: XattrMode;
  readonly signal?: AbortSignal;
}

export interface WriteDirectoryOptions extends ContainerRootOptions {
  /** Makes the image for booting instead of the plain one. */
  readonly bootable?: boolean;
  /** A name below `images/refs/` for the image. */
  readonly name?: string;
}

export interface WrittenDirectory {
  /** Id of the image, hexadecimal. */
  readonly id: string;
  readonly placed: Placed;
}

/** The id that the image of a directory has, in that format. Writes nothing. */
export async function idOfDirectory(
  dir: Dir,
  algorithm: ComposefsAlgorithm,
  version: ErofsVersion,
  options: ContainerRootOptions,
): Promise<string> {
  const { root } = await readDirectory(dir, { ...options, xattrs: "all", algorithm });
  const tree = treeOfImage(root);
  transformForOci(tree, options.xattrs);
  return toHex(computeVerity(encodeImage(tree, version), { algorithm }));
}

/** Puts a directory's content into a repository and makes its image in the repository's own format. */
export async function writeDirectory(
  repository: Repository,
  dir: Dir,
  options: WriteDirectoryOptions,
): Promise<WrittenDirectory> {
  return await repository.writing(async () => await writeParts(repository, dir, options));
}

async function writeParts(
  repository: Repository,
  dir: Dir,
  options: WriteDirectoryOptions,
): Promise<WrittenDirectory> {
  const { algorithm, meta } = repository;
  repository.dir.ensureDir(utf8("objects"), { mode: 0o777 });
  using objects = repository.dir.openDir(utf8("objects"));
  const { root, placed } = await readDirectory(dir, {
    ...options,
    xattrs: "all",
    algorithm,
    store: () => objects,
    requireVerity: repository.objects.verity === "require",
  });
  const tree = treeOfImage(root);
  transformForOci(tree, options.xattrs);
  if (options.bootable === true) transformForBoot(tree, repository.objects);
  const id = storeImage(repository, encodeImage(tree, meta.erofs.default), options.name);
  return { id, placed };
}
