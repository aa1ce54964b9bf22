// What only several stores together show. Each store by itself may be whole, and still they do not agree.
//
// | code | means | is mended from |
// | --- | --- | --- |
// | storage/commit-image-gone | a merge commit whose image no other store has any more | nothing |
// | storage/content-differs | one thing holds other bytes in two stores | the store in which it is what its name says |
// | storage/labels-lost | a merge commit without the labels of its image's policy | the image in composefs |
//
// Links between stores that lead nowhere are findings of `detectRoot`.

import type { Content, Image, Layer, VerifyOptions } from "@bootc-store/backend";
import type { ComposefsBackend } from "@bootc-store/composefs";
import type { ContainersStorage } from "@bootc-store/containers-storage";
import {
  type BackendKind,
  type ByteString,
  displayName,
  type Finding,
  isStoreError,
  type OperationOptions,
  printDigest,
  throwIfAborted,
  toHex,
} from "@bootc-store/core";
import { type Dir, readExtents, VerityHasher } from "@bootc-store/linux";
import { segmentItems, type TarItem } from "@bootc-store/oci";
import {
  commitReader,
  listImages,
  type OstreeBackend,
  policyOf,
  type RepoFinding,
  type StoredImage,
} from "@bootc-store/ostree";
import { type File, type Inode, lookupOptional, SELINUX_XATTR, type Tree, walkTree } from "@bootc-store/tree";

import type { ExistingStores } from "./existing-stores.ts";
import { erofsIdOf } from "./find-tree.ts";
import { listRootImages } from "./images.ts";

export interface VerifyBetweenOptions extends VerifyOptions {
  /** Stores that are not whole by themselves: of what differs, theirs is wrong, which is then no damage beyond their own. */
  readonly damaged?: ReadonlySet<BackendKind>;
}

/** Findings between stores: at depth `references` what is there, at `content` also what it holds. */
export async function* verifyBetween(
  stores: ExistingStores,
  options: VerifyBetweenOptions = {},
): AsyncGenerator<Finding> {
  const { depth = "content", damaged = new Set() } = options;
  if (depth === "structure") return;
  const { containersStorage, composefs, ostree } = stores;
  // Of two that are both damaged neither says what is wrong with the other.
  const comparable = (...kinds: readonly BackendKind[]): boolean =>
    depth === "content" && kinds.some((kind) => !damaged.has(kind));
  if (ostree !== undefined) {
    yield* commitsWithoutImage(stores, ostree, options);
    for (const image of imagesOf(ostree)) {
      throwIfAborted(options.signal);
      yield* readable(lostLabels(ostree, image));
      if (composefs !== undefined && comparable("composefs", "ostree"))
        yield* readable(differingCommit(composefs, ostree, image, options));
    }
  }
  if (
    containersStorage !== undefined &&
    composefs !== undefined &&
    comparable("composefs", "containers-storage")
  )
    yield* differingLayers(containersStorage, composefs, options);
}

/** None where a commit of one cannot be read, which is a finding of ostree's own. */
function imagesOf({ repo }: OstreeBackend): readonly StoredImage[] {
  try {
    return listImages(repo);
  } catch (error) {
    if (!isStoreError(error) || error.kind === "bug") throw error;
    return [];
  }
}

/** What cannot be read is the finding of the store that it is in. */
async function* readable(findings: AsyncIterable<Finding>): AsyncGenerator<Finding> {
  try {
    yield* findings;
  } catch (error) {
    if (!isStoreError(error) || error.kind === "bug" || error.kind === "cancelled") throw error;
  }
}

async function* commitsWithoutImage(
  stores: ExistingStores,
  ostree: OstreeBackend,
  options: OperationOptions,
): AsyncGenerator<Finding> {
  const others = [stores.containersStorage, stores.composefs].filter((each) => each !== undefined);
  if (others.length === 0) return;
  let images: Awaited<ReturnType<typeof listRootImages>>;
  try {
    images = await listRootImages(stores, options);
  } catch (error) {
    // An index that cannot be read says nothing of what is gone.
    if (!isStoreError(error) || error.kind === "bug" || error.kind === "cancelled") throw error;
    return;
  }
  for (const image of imagesOf(ostree)) {
    const row = images.find(({ stores: { ostree: commit } }) => commit === image.commit);
    const { "containers-storage": stored, composefs } = row?.stores ?? {};
    if (stored !== undefined || composefs !== undefined) continue;
    // Many a system never had its image anywhere else; where a layer is left, it had.
    let left = false;
    for (const { diffId } of image.layers) {
      const digest = /^sha256:([0-9a-f]{64})$/.exec(diffId ?? "")?.[1];
      if (digest === undefined) continue;
      for (const store of others)
        left ||= await store.hasLayer({ algorithm: "sha256", hex: digest }, options);
    }
    yield {
      code: "storage/commit-image-gone",
      severity: left ? "warning" : "note",
      subject: { backend: "ostree", kind: "commit", id: image.commit, path: `refs/heads/${image.ref}` },
      message: left
        ? `the image of commit ${image.commit} is gone from the other stores, which have some of its layers`
        : `the image of commit ${image.commit} is in no other store`,
      expected: image.manifestDigest,
      repair: "refetch",
    };
  }
}

async function* lostLabels(ostree: OstreeBackend, image: StoredImage): AsyncGenerator<RepoFinding> {
  const policy = await policyOf(commitReader(ostree.repo, image.commit));
  if (policy === undefined) return;
  const { tree } = await ostree.readTree(image.commit);
  const lost: ByteString[] = [];
  for (const { path, inode } of walkTree(tree)) {
    if (inode.metadata.xattrs.get(SELINUX_XATTR) !== undefined) continue;
    const named = path.replace(/^\/?usr\/etc(?=\/|$)/, "/etc") as ByteString;
    if (policy.labelOf(named, inode.kind) !== undefined) lost.push(path);
  }
  const [first] = lost;
  if (first === undefined) return;
  yield {
    code: "storage/labels-lost",
    // Objects that came in layers have the labels that they came with, or none.
    severity: image.base === undefined ? "error" : "warning",
    subject: { backend: "ostree", kind: "commit", id: image.commit, path: displayName(first) },
    message: `commit ${image.commit} has an SELinux policy and ${lost.length} files without a label`,
    commits: [image.commit],
    repair: "rebuild",
  };
}

/** Whether the merge commit holds what the image does. Directories, links and attributes are ostree's own matter. */
async function* differingCommit(
  composefs: ComposefsBackend,
  ostree: OstreeBackend,
  image: StoredImage,
  options: VerifyBetweenOptions,
): AsyncGenerator<RepoFinding> {
  if (!/^sha256:[0-9a-f]{64}$/.test(image.manifestDigest)) return;
  await using stored = await composefs.openImage(image.manifestDigest, options);
  if (stored === undefined) return;
  const { tree } = await composefs.readTree(await erofsIdOf(composefs, image.manifestDigest, options));
  const commit = await ostree.readTree(image.commit, options);
  for (const { path, inode } of walkTree(commit.tree)) {
    throwIfAborted(options.signal);
    if (inode.kind !== "file") continue;
    const other = fileAt(tree, path.replace(/^\/?usr\/etc(?=\/|$)/, "etc"));
    if (other === undefined || (await sameFile(ostree, inode, composefs, other))) continue;
    const shown = displayName(path);
    const message = `${shown} holds other bytes in commit ${image.commit} than in its image in composefs`;
    yield {
      code: "storage/content-differs",
      message,
      ...(options.damaged?.has("composefs") === true
        ? {
            severity: "warning",
            subject: { backend: "composefs", kind: "image", id: image.manifestDigest, path: shown },
          }
        : {
            severity: options.damaged?.has("ostree") === true ? "warning" : "error",
            subject: { backend: "ostree", kind: "commit", id: image.commit, path: shown },
            commits: [image.commit],
          }),
      repair: "rebuild",
    };
  }
}

function fileAt(tree: Tree, path: string): File | undefined {
  const found: Inode | undefined = lookupOptional(tree, path as ByteString);
  return found?.kind === "file" ? found : undefined;
}

async function sameFile(
  ostree: OstreeBackend,
  a: File,
  composefs: ComposefsBackend,
  b: File,
): Promise<boolean> {
  if (a.size !== b.size) return false;
  if (a.content.kind !== "external") return true;
  const left = ostree.openContent(a.content);
  if (b.content.kind === "external") return await sameContent(left, composefs.openContent(b.content));
  if (b.content.kind === "sparse") return true;
  return Buffer.from(b.content.bytes).equals(await bytesOf(left));
}

/** Every layer that is in both stores, file by file. */
async function* differingLayers(
  storage: ContainersStorage,
  composefs: ComposefsBackend,
  options: VerifyBetweenOptions,
): AsyncGenerator<Finding> {
  const seen = new Set<string>();
  const { signal } = options;
  for (const { id, layer } of await storage.images(options)) {
    throwIfAborted(signal);
    let image: Image | undefined;
    let chain: Awaited<ReturnType<ContainersStorage["chain"]>>;
    try {
      chain = await storage.chain(layer, options);
      image = await storage.openImage(id, options);
    } catch (error) {
      if (!isStoreError(error) || error.kind === "bug" || error.kind === "cancelled") throw error;
      continue;
    }
    if (image === undefined) continue;
    await using opened = image;
    for (const [index, { diffId }] of opened.layers.entries()) {
      const record = chain[index]?.record;
      if (record === undefined || seen.has(record.id)) continue;
      seen.add(record.id);
      yield* readable(differingLayer(opened, index, record.id, composefs, diffId, options));
    }
  }
}

async function* differingLayer(
  image: Image,
  index: number,
  id: string,
  composefs: ComposefsBackend,
  diffId: Image["layers"][number]["diffId"],
  options: VerifyBetweenOptions,
): AsyncGenerator<Finding> {
  const other = await composefs.openLayer(diffId, options);
  if (other === undefined) return;
  const layer = await image.openLayer(index, options);
  // What lies between the entries comes in pieces of any size, so that only entries can be paired.
  const theirs = entriesOf(other);
  try {
    for await (const { entry, content: a } of entriesOf(layer)) {
      throwIfAborted(options.signal);
      const next = await theirs.next();
      // One tar, one order: with another one there is nothing to compare.
      if (next.done === true || next.value.entry.name !== entry.name) return;
      const b = next.value.content;
      if (a === undefined || b === undefined || (await sameContent(a, b))) continue;
      yield await differingFile(id, entry.name, printDigest(diffId), a, b, composefs, options);
    }
  } finally {
    await theirs.return(undefined);
  }
}

type TarEntryItem = Extract<TarItem<Dir>, { kind: "entry" }>;

async function* entriesOf(layer: Layer): AsyncGenerator<TarEntryItem, undefined> {
  for await (const item of segmentItems(layer.segments())) if (item.kind === "entry") yield item;
  return undefined;
}

/** Of two files of one layer the one that is not what it should be: an object says by its name what that is. */
async function differingFile(
  layer: string,
  name: string,
  diffId: string,
  a: Content,
  b: Content,
  { repository: { algorithm } }: ComposefsBackend,
  { damaged = new Set() }: VerifyBetweenOptions,
): Promise<Finding> {
  const path = displayName(name as ByteString);
  const object = b.file === undefined ? undefined : objectIdOf(b.file);
  let wrong: "composefs" | "containers-storage" = "containers-storage";
  if (damaged.size > 0) {
    if (damaged.has("composefs")) wrong = "composefs";
  } else if (object !== undefined) {
    const hasher = new VerityHasher({ algorithm });
    for await (const part of b.read()) hasher.update(part);
    if (toHex(hasher.finish()) !== object) wrong = "composefs";
  }
  return {
    code: "storage/content-differs",
    severity: damaged.has(wrong) ? "warning" : "error",
    subject:
      wrong === "composefs"
        ? { backend: "composefs", kind: "object", id: object ?? "", path }
        : { backend: "containers-storage", kind: "layer", id: layer, path },
    message: `${path} of layer ${diffId} holds other bytes in containers-storage than in composefs, and ${wrong} is wrong`,
    repair: "rebuild",
  };
}

/** The id of an object by its path, `objects/ab/cdef…`. */
function objectIdOf({ name }: { readonly name: ByteString }): string {
  return name.replace(/^objects\//, "").replaceAll("/", "");
}

/** Same places on the disk are the same bytes; others are read. */
async function sameContent(a: Content, b: Content): Promise<boolean> {
  if (a.size !== b.size) return false;
  if (a.file !== undefined && b.file !== undefined && sameExtents(a.file, b.file)) return true;
  const left = a.read()[Symbol.asyncIterator]();
  const right = b.read()[Symbol.asyncIterator]();
  try {
    let [x, y] = [NONE, NONE];
    for (;;) {
      if (x.length === 0) x = await pieceOf(left);
      if (y.length === 0) y = await pieceOf(right);
      if (x.length === 0 || y.length === 0) return x.length === y.length;
      const length = Math.min(x.length, y.length);
      if (Buffer.compare(x.subarray(0, length), y.subarray(0, length)) !== 0) return false;
      x = x.subarray(length);
      y = y.subarray(length);
    }
  } catch (error) {
    // A store that finds its own content to be wrong says so when it is read.
    if (!isStoreError(error) || error.kind !== "corrupt") throw error;
    return false;
  } finally {
    await left.return?.(undefined);
    await right.return?.(undefined);
  }
}

const NONE: Uint8Array = new Uint8Array(0);

/** The next piece that is not empty; an empty one is the end. */
async function pieceOf(pieces: AsyncIterator<Uint8Array>): Promise<Uint8Array> {
  for (;;) {
    const next = await pieces.next();
    if (next.done === true) return NONE;
    if (next.value.length > 0) return next.value;
  }
}

async function bytesOf(content: Content): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of content.read()) parts.push(Buffer.from(part));
  return Buffer.concat(parts);
}

interface Place {
  readonly dir: Dir;
  readonly name: ByteString;
}

/** FIEMAP flags of extents whose place means nothing: unknown, delayed, inline, tail. */
const WITHOUT_PLACE = 0x2 | 0x4 | 0x200 | 0x400;

function sameExtents(a: Place, b: Place): boolean {
  const [left, right] = [placesOf(a), placesOf(b)];
  return left !== undefined && left === right;
}

/** Where a file lies; `undefined` where that is not known or the file is not there. */
function placesOf({ dir, name }: Place): string | undefined {
  using file = dir.openFileOptional(name);
  if (file === undefined) return undefined;
  const { dev } = file.stat();
  try {
    const extents = [...readExtents(file)];
    if (extents.length === 0 || extents.some(({ flags }) => (flags & WITHOUT_PLACE) !== 0)) return undefined;
    const list = extents.map(({ logical, physical, length }) => `${logical} ${physical} ${length}`);
    return [`${dev.major}:${dev.minor}`, ...list].join("\n");
  } catch (error) {
    if (isStoreError(error, "linux/call-unsupported")) return undefined;
    throw error;
  }
}
