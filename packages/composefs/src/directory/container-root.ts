// A directory that holds the files of an image, taken as if it were one: the same tree as from layers, the same id.

import { type ByteString, toHex, utf8 } from "@bootc-store/core";
import { type ImageDirectory, isDirectory, treeOfImage } from "@bootc-store/erofs";
import { computeVerity, type Dir, type File, type Pool } from "@bootc-store/linux";
import type { Tree } from "@bootc-store/tree";

import type { ComposefsAlgorithm } from "../algorithm.ts";
import type { ErofsVersion } from "../format/meta-json.ts";
import type { ContentFiles } from "../oci/boot-entries.ts";
import { encodeImage, storeImage } from "../oci/erofs-image.ts";
import { transformForBoot, transformForOci, type XattrMode } from "../oci/transform.ts";
import type { Repository } from "../repository/repository.ts";
import { readDirectory } from "./read-directory.ts";
import type { Placed } from "./tasks.ts";

export interface ContainerRootOptions {
  readonly pool: Pool;
  readonly xattrs?: XattrMode;
  readonly signal?: AbortSignal;
  /** Makes the image for booting instead of the plain one. */
  readonly bootable?: boolean;
  /** False takes the directory as it is, with all attributes, instead of as the root of a container. Default true. */
  readonly containerRoot?: boolean;
}

export interface WriteDirectoryOptions extends ContainerRootOptions {
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
  const tree = await treeOfDirectory(dir, algorithm, options);
  return toHex(computeVerity(encodeImage(tree, version), { algorithm }));
}

/** The tree that the image of a directory would have. Writes nothing. */
export async function treeOfDirectory(
  dir: Dir,
  algorithm: ComposefsAlgorithm,
  options: ContainerRootOptions,
): Promise<Tree> {
  const { root } = await readDirectory(dir, { ...options, xattrs: "all", algorithm });
  const tree = treeOfImage(root);
  transform(tree, new FilesByDigest(dir, root), options);
  return tree;
}

function transform(tree: Tree, contents: ContentFiles, options: ContainerRootOptions): void {
  if (options.containerRoot !== false) transformForOci(tree, options.xattrs);
  if (options.bootable === true) transformForBoot(tree, contents);
}

/** Files of a directory by the digest of their content. */
class FilesByDigest implements ContentFiles {
  readonly #dir: Dir;
  readonly #root: ImageDirectory;
  #paths: Map<string, ByteString> | undefined;

  constructor(dir: Dir, root: ImageDirectory) {
    this.#dir = dir;
    this.#root = root;
  }

  open(digest: string): File {
    this.#paths ??= pathsByDigest(this.#root);
    return this.#dir.openFile(this.#paths.get(digest) ?? utf8(digest));
  }
}

function pathsByDigest(root: ImageDirectory): Map<string, ByteString> {
  const paths = new Map<string, ByteString>();
  const stack: (readonly [ImageDirectory, string])[] = [[root, ""]];
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    for (const [name, { node }] of next[0].children) {
      const path = `${next[1]}${name}`;
      if (node.external?.digest !== undefined) paths.set(toHex(node.external.digest), path as ByteString);
      if (isDirectory(node)) stack.push([node, `${path}/`]);
    }
  }
  return paths;
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
  const { algorithm, imageFormats } = repository;
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
  transform(tree, repository.objects, options);
  const id = storeImage(repository, encodeImage(tree, imageFormats[0]), options.name);
  return { id, placed };
}
