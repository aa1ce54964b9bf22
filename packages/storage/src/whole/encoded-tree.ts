// A tree as composefs encodes it, and the id that follows. An EROFS image of a composefs repository and what ostree makes of
// a commit are taken as they are; anything else is brought into the form that an image of a container gets.

import type { Content, ContentSource, Image, SourcedTree } from "@bootc-store/backend";
import {
  type ComposefsAlgorithm,
  type ComposefsBackend,
  erofsIdsOf,
  readImageBytes,
  transformForBoot,
  transformForOci,
} from "@bootc-store/composefs";
import { type ByteString, isStoreError, throwIfAborted, toHex } from "@bootc-store/core";
import { type ImageFormat, imageOfTree, readImage, treeOfImage, writeImage } from "@bootc-store/erofs";
import { computeVerity, type Dir, type File, hashFiles, type Pool, VerityHasher } from "@bootc-store/linux";
import { layerEntries, segmentItems } from "@bootc-store/oci";
import { composefsImage, type OstreeBackend, revParse } from "@bootc-store/ostree";
import {
  composefsRsRules,
  copyTree,
  type ExternalContent,
  type File as TreeFile,
  type FileContent,
  LayerMerge,
  setContent,
  type Tree,
  walkInodes,
} from "@bootc-store/tree";

import { storageErrors } from "../errors.ts";
import type { ExistingStores } from "./existing-stores.ts";
import { directoryIn, findTree, type FindTreeOptions, type FoundTree } from "./find-tree.ts";

/** Who wrote an image, in which of its versions, and with which digests. */
export type EncodedFormat = ImageFormat & { readonly algorithm: ComposefsAlgorithm };

export interface EncodedTree {
  readonly source: FoundTree["source"];
  /** The fs-verity digest of the image, hexadecimal. */
  readonly id: string;
  readonly format: EncodedFormat;
  /** Whether the image itself was read; else it is what would be made. */
  readonly stored: boolean;
  /** Whether the tree gives the id in this format; not so of an image that another program has laid out otherwise. */
  readonly exact: boolean;
  readonly tree: Tree;
  readonly contents: ContentSource;
}

export interface EncodedTreeOptions extends FindTreeOptions {
  readonly pool: Pool;
  /** The image for booting. */
  readonly bootable?: boolean;
}

/** Files of at most so many bytes are in the image itself. */
const INLINE_MAX = 64;

/**
 * Two trees that texts mean, as {@link findTree} has it, but that of a name a composefs image comes first. What has no
 * format of its own gets that of the other, else that of the root's composefs repository. Two commits are taken as ostree
 * makes images of them, one beside something else as a directory would be. Throws `storage/tree-not-found`.
 */
export async function encodedTrees(
  stores: ExistingStores,
  before: string,
  after: string,
  options: EncodedTreeOptions,
): Promise<[EncodedTree, EncodedTree]> {
  const first = await storedImage(stores, before, options);
  const second = await storedImage(stores, after, options);
  if (first !== undefined && second !== undefined) return [first, second];
  const format = (first ?? second)?.format ?? usualFormat(stores);
  if (first === undefined && second === undefined) {
    const commits = [commitOf(stores, before), commitOf(stores, after)] as const;
    if (stores.ostree !== undefined && commits[0] !== undefined && commits[1] !== undefined) {
      return [
        await imageOfCommit(stores.ostree, commits[0], options),
        await imageOfCommit(stores.ostree, commits[1], options),
      ];
    }
  }
  return [
    first ?? (await madeImage(stores, before, format, options)),
    second ?? (await madeImage(stores, after, format, options)),
  ];
}

/** The id of a tree in a format. External contents are encoded with their keys as the paths of their objects. */
export function idOfTree(tree: Tree, format: EncodedFormat): string {
  return idOfBytes(encode(tree, format), format.algorithm);
}

function encode(tree: Tree, format: EncodedFormat): Uint8Array {
  const payloadOf = ({ content }: TreeFile): ByteString | undefined =>
    content.kind === "external" ? (content.key as ByteString) : undefined;
  return writeImage(imageOfTree(tree, { payloadOf }), format);
}

function idOfBytes(bytes: Uint8Array, algorithm: ComposefsAlgorithm): string {
  return toHex(computeVerity(bytes, { algorithm }));
}

function usualFormat({ composefs }: ExistingStores): EncodedFormat {
  const repository = composefs?.repository;
  return {
    writer: "composefs-rs",
    version: repository?.imageFormats[0] ?? 1,
    algorithm: repository?.algorithm ?? "sha512",
  };
}

/** The EROFS image that a text means, if composefs has one. */
async function storedImage(
  { composefs }: ExistingStores,
  text: string,
  options: EncodedTreeOptions,
): Promise<EncodedTree | undefined> {
  const name = nameIn(text, "composefs");
  if (composefs === undefined || name === undefined) return undefined;
  const id = await imageId(composefs, name, options);
  if (id === undefined) return undefined;
  throwIfAborted(options.signal);
  const { repository } = composefs;
  let bytes: Uint8Array;
  try {
    bytes = readImageBytes(repository, id);
  } catch (error) {
    if (isStoreError(error, "composefs/image-missing", "composefs/reference-invalid")) return undefined;
    throw error;
  }
  return { ...ofBytes(bytes, repository.algorithm), source: "composefs", stored: true, contents: composefs };
}

/** The name, where the text means something in that store, or in any. */
function nameIn(text: string, kind: FoundTree["source"]): string | undefined {
  if (directoryIn(text) !== undefined) return undefined;
  if (text.startsWith(`${kind}:`)) return text.slice(kind.length + 1);
  return /^(?:containers-storage|composefs|ostree):/.test(text) ? undefined : text;
}

/** `undefined` where an image is there whose EROFS image of the kind that is asked for is not. */
async function imageId(
  composefs: ComposefsBackend,
  name: string,
  options: EncodedTreeOptions,
): Promise<string | undefined> {
  await using image = await composefs.openImage(name, options);
  if (image === undefined) return name;
  const ids = [...(await erofsIdsOf(composefs.repository, image.config.digest))];
  return ids.find(([key]) => key.includes(".boot") === (options.bootable === true))?.[1];
}

/** An image's tree, and the format in which encoding it gives the image again. */
function ofBytes(
  bytes: Uint8Array,
  algorithm: ComposefsAlgorithm,
  /** Whose format it is where it could be either's. */
  usual: EncodedFormat["writer"] = "composefs-rs",
): Pick<EncodedTree, "id" | "tree" | "format" | "exact"> {
  const id = idOfBytes(bytes, algorithm);
  const { version, root } = readImage(bytes);
  const tree = treeOfImage(root);
  const ours: EncodedFormat = { writer: "composefs-rs", version, algorithm };
  const formats: readonly EncodedFormat[] =
    version === 2
      ? [ours]
      : [
          ours,
          { writer: "c", minVersion: 0, maxVersion: 1, algorithm },
          { writer: "c", minVersion: version, maxVersion: version, algorithm },
        ];
  const found = formats
    .toSorted((a, b) => Number(b.writer === usual) - Number(a.writer === usual))
    .find((format) => idOfTree(tree, format) === id);
  return { id, tree, format: found ?? ours, exact: found !== undefined };
}

function commitOf({ ostree }: ExistingStores, text: string): string | undefined {
  const name = nameIn(text, "ostree");
  if (ostree === undefined || name === undefined) return undefined;
  try {
    return revParse(ostree.repo, name);
  } catch (error) {
    if (isStoreError(error, "ostree/ref-not-found", "ostree/object-not-found", "ostree/ref-invalid"))
      return undefined;
    throw error;
  }
}

/** A commit's image as ostree makes it. */
async function imageOfCommit(
  ostree: OstreeBackend,
  checksum: string,
  options: EncodedTreeOptions,
): Promise<EncodedTree> {
  const { repo } = ostree;
  const { tree, meta } = repo.readCommit(checksum);
  const { signal } = options;
  const bytes = await composefsImage(repo, { tree, meta }, signal === undefined ? {} : { signal });
  const contents: ContentSource = {
    openContent: ({ key }) => ostree.openContent({ key: key.replace(/\.file$/, "").replace("/", "") }),
  };
  return { ...ofBytes(bytes, "sha256", "c"), source: "ostree", stored: false, contents };
}

/** What composefs would make of something that is no EROFS image. */
async function madeImage(
  stores: ExistingStores,
  text: string,
  format: EncodedFormat,
  options: EncodedTreeOptions,
): Promise<EncodedTree> {
  const layered = await layeredImage(stores, text, options);
  if (layered !== undefined) {
    await using image = layered.image;
    using kept = new Kept();
    const found = await mergeLayers(image, format.algorithm, kept, options);
    return await madeOf({ ...found, source: layered.source }, format, options);
  }
  return await madeOf(await findTree(stores, text, options), format, options);
}

/** Layers say more than a merged tree does. */
async function layeredImage(
  stores: ExistingStores,
  text: string,
  options: EncodedTreeOptions,
): Promise<{ readonly image: Image; readonly source: "containers-storage" | "composefs" } | undefined> {
  for (const source of ["composefs", "containers-storage"] as const) {
    const name = nameIn(text, source);
    const store = source === "composefs" ? stores.composefs : stores.containersStorage;
    const image = name === undefined ? undefined : await store?.openImage(name, options);
    if (image !== undefined) return { image, source };
  }
  return undefined;
}

/** Directories beyond the layers that they are of. */
class Kept implements Disposable {
  readonly #dirs = new Map<Dir, Dir>();

  keep(dir: Dir): Dir {
    const known = this.#dirs.get(dir) ?? dir.duplicate();
    this.#dirs.set(dir, known);
    return known;
  }

  [Symbol.dispose](): void {
    for (const dir of this.#dirs.values()) dir[Symbol.dispose]();
  }
}

async function mergeLayers(
  image: Image,
  algorithm: ComposefsAlgorithm,
  kept: Kept,
  { signal }: EncodedTreeOptions,
): Promise<SourcedTree> {
  const merge = new LayerMerge(composefsRsRules);
  const files: Content[] = [];
  const content = async (found: Content): Promise<FileContent> => {
    if (found.size > INLINE_MAX && found.file !== undefined) {
      files.push({ ...found, file: { ...found.file, dir: kept.keep(found.file.dir) } });
      return { kind: "external", key: String(files.length - 1) };
    }
    return await measured(found, algorithm);
  };
  for (const index of image.layers.keys()) {
    const layer = await image.openLayer(index, signal === undefined ? {} : { signal });
    const entries = layerEntries(segmentItems(layer.segments()), {
      content,
      sparse: "refuse",
      sizeWithoutContent: "refuse",
    });
    for await (const entry of entries) {
      throwIfAborted(signal);
      merge.add(entry);
    }
    merge.endLayer();
  }
  return {
    tree: merge.tree,
    contents: {
      openContent({ key }) {
        const found = files[Number(key)];
        if (found === undefined) throw new RangeError(`no content ${key}`);
        return found;
      },
    },
  };
}

/** A content that comes as a stream, as it is in an image. */
async function measured(found: Content, algorithm: ComposefsAlgorithm): Promise<FileContent> {
  if (found.size <= INLINE_MAX) {
    const parts: Uint8Array[] = [];
    for await (const part of found.read()) parts.push(Buffer.from(part));
    return { kind: "inline", bytes: Buffer.concat(parts) };
  }
  const hasher = new VerityHasher({ algorithm });
  for await (const part of found.read()) hasher.update(part);
  return objectOf(toHex(hasher.finish()), algorithm);
}

function objectOf(hex: string, algorithm: ComposefsAlgorithm): ExternalContent {
  return { kind: "external", key: `${hex.slice(0, 2)}/${hex.slice(2)}`, verity: { algorithm, hex } };
}

async function madeOf(
  found: FoundTree,
  format: EncodedFormat,
  options: EncodedTreeOptions,
): Promise<EncodedTree> {
  const tree = copyTree(found.tree);
  const byDigest = await nameByDigest(tree, found.contents, format.algorithm, options);
  const open = (digest: string): File => {
    const content = byDigest.get(digest);
    if (content?.file === undefined)
      throw storageErrors.error("tree-not-found", `the content ${digest} is in no file of its own`);
    return content.file.dir.openFile(content.file.name);
  };
  // What is no root of a system is taken as it is.
  if (tree.root.get("usr" as ByteString)?.kind === "directory") {
    transformForOci(tree);
    if (options.bootable === true) transformForBoot(tree, { open });
  }
  const contents: ContentSource = {
    openContent({ key }) {
      const content = byDigest.get(key.replace("/", ""));
      if (content === undefined) throw new RangeError(`no content ${key}`);
      return content;
    },
  };
  const { source } = found;
  return { source, id: idOfTree(tree, format), format, stored: false, exact: true, tree, contents };
}

const BATCH = 256;

/** Gives every file the content that an image has of it, and says where each digest's bytes are. */
async function nameByDigest(
  tree: Tree,
  contents: ContentSource,
  algorithm: ComposefsAlgorithm,
  { pool, signal }: EncodedTreeOptions,
): Promise<Map<string, Content>> {
  const found = new Map<string, Content>();
  const waiting = new Map<Dir, { readonly leaf: TreeFile; readonly content: Content }[]>();
  const name = (leaf: TreeFile, hex: string, content: Content): void => {
    found.set(hex, content);
    setContent(leaf, leaf.size, objectOf(hex, algorithm));
  };
  const hash = async (dir: Dir): Promise<void> => {
    const batch = waiting.get(dir) ?? [];
    waiting.delete(dir);
    const files = batch.map(({ content }) => ({ path: content.file?.name as ByteString }));
    const want = { verity: { verity: { algorithm } } };
    const results = await pool.run(
      hashFiles,
      { dir: dir.fd, files, want },
      signal === undefined ? {} : { signal },
    );
    for (const [at, { leaf, content }] of batch.entries()) {
      const result = results[at];
      const hex = result !== undefined && "digests" in result ? result.digests["verity"] : undefined;
      // Read again here, so that what is wrong with it is thrown.
      if (hex === undefined) setContent(leaf, leaf.size, await measured(content, algorithm));
      else name(leaf, hex, content);
    }
  };
  for (const leaf of walkInodes(tree)) {
    throwIfAborted(signal);
    if (leaf.kind !== "file" || leaf.content.kind === "sparse") continue;
    if (leaf.content.kind === "inline") continue;
    if (leaf.content.verity?.algorithm === algorithm) continue;
    const content = contents.openContent(leaf.content, leaf.size);
    const dir = content.file?.dir;
    if (leaf.size <= INLINE_MAX || dir === undefined) {
      const made = await measured(content, algorithm);
      setContent(leaf, leaf.size, made);
      if (made.kind === "external" && made.verity !== undefined) found.set(made.verity.hex, content);
      continue;
    }
    const batch = waiting.get(dir) ?? [];
    batch.push({ leaf, content });
    waiting.set(dir, batch);
    if (batch.length >= BATCH) await hash(dir);
  }
  for (const dir of waiting.keys()) await hash(dir);
  return found;
}
