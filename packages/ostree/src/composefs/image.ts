// A commit's tree as a composefs image whose files are the repository's objects: what ostree puts beside a deployment and
// what `ostree.composefs.digest.v0` in a commit's metadata is the digest of.

import { type ByteString, fromHex, throwIfAborted, utf8 } from "@bootc-store/core";
import { C_DEFAULT_FORMAT, type ImageDirectory, type ImageNode, writeImage } from "@bootc-store/erofs";
import { computeVerity, type Pool } from "@bootc-store/linux";
import { type Metadata, metadataOf } from "@bootc-store/tree";

import { ostreeErrors } from "../errors.ts";
import type { Checksum } from "../format/checksum.ts";
import { decodeDirtree, type Dirtree } from "../format/dirtree.ts";
import { decodeDirmeta } from "../format/file-info.ts";
import { inHashOrder } from "../gvariant/hash-order.ts";
import { type Dict, lookupVariant, variant } from "../gvariant/index.ts";
import type { ObjectPlaces } from "../objects/places.ts";
import type { ObjectReader } from "../objects/reader.ts";
import type { Repo } from "../repo/repo.ts";
import type { Transaction } from "../repo/transaction.ts";
import { type ReadFile, readFiles } from "./read-files-task.ts";

/** The key of a commit's metadata: 32 bytes. */
export const COMPOSEFS_DIGEST = "ostree.composefs.digest.v0";

export interface ComposefsImageOptions {
  /** False leaves the digests of files out, so that nothing but metadata is read. */
  readonly verity?: boolean;
  readonly signal?: AbortSignal;
}

/** Where a tree and its files are: a repository, or one with what a transaction has written. */
interface Source {
  readonly pool: Pool;
  readonly places: ObjectPlaces;
  readonly reader: ObjectReader;
}

/** Directories that a system is mounted on, which every image has. */
const MOUNT_POINTS = ["usr", "etc", "boot", "var", "sysroot"].map((name) => utf8(name));
const BATCH_FILES = 256;
/** Directories in one another, more than any path can have. */
const MAX_DEPTH = 2048;
/** Names in one image; trees that share directories could have more than any machine can hold. */
const MAX_NAMES = 1 << 22;
const NEVER = { sec: 0n, nsec: 0 };

/**
 * The image of a commit's tree, byte for byte the one that ostree makes: the format of libcomposefs, no times, every file
 * with bytes by the path of its object, and the five directories of a system even where the commit has none.
 */
export async function composefsImage(
  from: Repo | Transaction,
  root: { readonly tree: Checksum; readonly meta: Checksum },
  options: ComposefsImageOptions = {},
): Promise<Uint8Array> {
  return await new ImageOfTree(sourceOf(from), options).write(root);
}

/** The digest that a commit of this tree has in its metadata: what fs-verity measures of the image. */
export async function composefsDigest(
  from: Repo | Transaction,
  root: { readonly tree: Checksum; readonly meta: Checksum },
  options: { readonly signal?: AbortSignal } = {},
): Promise<Uint8Array> {
  return imageDigest(await composefsImage(from, root, options));
}

export function imageDigest(image: Uint8Array): Uint8Array {
  return computeVerity(image, { algorithm: "sha256" });
}

/** Metadata with the digest in it, in the order that ostree gives it. */
export function withComposefsDigest(metadata: Dict, digest: Uint8Array): Dict {
  return inHashOrder([...metadata, [COMPOSEFS_DIGEST, variant("ay", digest)]]);
}

/** The digest in a commit's metadata. Throws `ostree/object-invalid` for one of another length. */
export function recordedDigest(metadata: Dict): Uint8Array | undefined {
  const found = lookupVariant(metadata, COMPOSEFS_DIGEST);
  // As ostree has it, a value of another type is none.
  if (found?.type !== "ay") return undefined;
  const digest = found.value as Uint8Array;
  if (digest.length === 32) return digest;
  throw ostreeErrors.error("object-invalid", "Expected composefs fs-verity in metadata has the wrong size", {
    context: { length: digest.length },
  });
}

function sourceOf(from: Repo | Transaction): Source {
  const { reader } = from;
  return "repo" in from
    ? { pool: from.repo.pool, places: from.places, reader }
    : { pool: from.pool, places: from.places(), reader };
}

class ImageOfTree {
  readonly #source: Source;
  readonly #verity: boolean;
  readonly #signal: AbortSignal | undefined;
  readonly #trees = new Map<Checksum, Dirtree>();
  readonly #metas = new Map<Checksum, Metadata>();
  readonly #files = new Map<Checksum, ImageNode | undefined>();
  readonly #running: Promise<void>[] = [];
  #batch: Checksum[] = [];
  #names = 0;

  constructor(source: Source, { verity = true, signal }: ComposefsImageOptions) {
    this.#source = source;
    this.#verity = verity;
    this.#signal = signal;
  }

  async write(root: { readonly tree: Checksum; readonly meta: Checksum }): Promise<Uint8Array> {
    try {
      this.#gather(root.tree, 0);
      this.#flush();
      for (const running of this.#running) await running;
    } finally {
      // Workers use descriptors of the source, so none may be left behind.
      await Promise.allSettled(this.#running);
    }
    const image = this.#directory(root.tree, root.meta);
    for (const name of MOUNT_POINTS) {
      if (image.children.has(name)) continue;
      image.children.set(name, { node: directoryOf(metadataOf("directory")), alias: false });
    }
    return writeImage(image, C_DEFAULT_FORMAT);
  }

  /** Has every file that is anywhere below read once, however many names it has. */
  #gather(checksum: Checksum, depth: number): void {
    throwIfAborted(this.#signal);
    if (depth > MAX_DEPTH)
      throw ostreeErrors.error("tree-cycle", `${checksum}: too many directories in one another`);
    if (this.#trees.has(checksum)) return;
    const bytes = this.#source.reader.readMetadata(checksum, "dirtree");
    const tree = decodeDirtree(bytes, `${checksum}.dirtree`);
    for (const file of tree.files.values()) {
      if (this.#files.has(file)) continue;
      this.#files.set(file, undefined);
      this.#batch.push(file);
      if (this.#batch.length >= BATCH_FILES) this.#flush();
    }
    for (const child of tree.dirs.values()) this.#gather(child.tree, depth + 1);
    this.#trees.set(checksum, tree);
  }

  #flush(): void {
    const checksums = this.#batch;
    if (checksums.length === 0) return;
    this.#batch = [];
    const running = this.#read(checksums);
    running.catch(() => {});
    this.#running.push(running);
  }

  async #read(checksums: readonly Checksum[]): Promise<void> {
    const { pool, places } = this.#source;
    const files = await pool.run(
      readFiles,
      { places, checksums, verity: this.#verity },
      this.#signal === undefined ? {} : { signal: this.#signal },
    );
    for (const [at, checksum] of checksums.entries())
      this.#files.set(checksum, fileNode(checksum, files[at] as ReadFile));
  }

  #directory(tree: Checksum, meta: Checksum): ImageDirectory {
    const made = directoryOf(this.#meta(meta));
    const { files, dirs } = this.#trees.get(tree) as Dirtree;
    this.#names += files.size + dirs.size;
    if (this.#names > MAX_NAMES)
      throw ostreeErrors.error("tree-too-large", `${tree}: the tree has more than ${MAX_NAMES} names`);
    for (const [name, checksum] of files) {
      // ostree knows no hard links: each name is a file of its own.
      const node = this.#files.get(checksum) as ImageNode;
      made.children.set(name, { node: { ...node }, alias: false });
    }
    for (const [name, child] of dirs) {
      made.children.set(name, { node: this.#directory(child.tree, child.meta), alias: false });
    }
    return made;
  }

  #meta(checksum: Checksum): Metadata {
    let metadata = this.#metas.get(checksum);
    if (metadata === undefined) {
      const bytes = this.#source.reader.readMetadata(checksum, "dirmeta");
      const { mode, uid, gid, xattrs } = decodeDirmeta(bytes, `${checksum}.dirmeta`);
      metadata = { ...metadataOf("directory"), mode, uid, gid, xattrs };
      this.#metas.set(checksum, metadata);
    }
    return metadata;
  }
}

function directoryOf({ mode, uid, gid, xattrs }: Metadata): ImageDirectory {
  const children = new Map();
  return { mode, uid, gid, nlink: 2, rdev: 0, size: 0n, mtime: NEVER, xattrs: [...xattrs], children };
}

function fileNode(checksum: Checksum, { info, size, target, digest }: ReadFile): ImageNode {
  const { mode, uid, gid } = info;
  const xattrs: [ByteString, ByteString][] = [];
  for (let at = 0; at < info.xattrs.length; at += 2)
    xattrs.push([info.xattrs[at] as ByteString, info.xattrs[at + 1] as ByteString]);
  const node: ImageNode = { mode, uid, gid, nlink: 1, rdev: 0, size: BigInt(size), mtime: NEVER, xattrs };
  if (target !== undefined) return { ...node, size: BigInt(target.length), target };
  if (size === 0) return node;
  const payload = `${checksum.slice(0, 2)}/${checksum.slice(2)}.file` as ByteString;
  return { ...node, external: { payload, ...(digest === undefined ? {} : { digest: fromHex(digest) }) } };
}
