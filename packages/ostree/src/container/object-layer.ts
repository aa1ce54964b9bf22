// Layers of ostree objects: the objects of a repository of mode bare-split-xattrs as files of a tar. Attributes of a
// content come before it, as a file of their own or as a link to one.

import type { Layer } from "@bootc-store/backend";
import { displayName, throwIfAborted } from "@bootc-store/core";
import { Hasher } from "@bootc-store/linux";
import { fileContent, segmentItems, type SegmentContent, TAR_LIMITS, type TarEntry } from "@bootc-store/oci";
import { TYPE_BITS, type Xattrs } from "@bootc-store/tree";

import { ByteStore, IN_MEMORY } from "../commit/byte-store.ts";
import { ostreeErrors } from "../errors.ts";
import { type Checksum, sha256 } from "../format/checksum.ts";
import { decodeCommit } from "../format/commit.ts";
import { decodeDirtree } from "../format/dirtree.ts";
import { contentPrefix, decodeDirmeta, type FileInfo, SYMLINK_MODE } from "../format/file-info.ts";
import { xattrsOf } from "../format/xattrs.ts";
import { gvariant } from "../gvariant/index.ts";
import { parseObjectKey, Traversal } from "../read/traverse.ts";
import type { Transaction } from "../repo/transaction.ts";

const REPO = "sysroot/ostree/repo/";
const MAX_XATTRS = 1 << 20;
const MAX_METADATA = 10 << 20;
const XATTRS = gvariant("a(ayay)");

export interface ObjectLayer {
  /** Of a layer that has one. */
  readonly commit: Checksum | undefined;
  readonly contents: readonly Checksum[];
}

/**
 * Stores the objects of a layer, each checked against its name. `base` is the layer that begins with its commit; others
 * have contents alone. Throws `ostree/image-layer-invalid`, `ostree/object-checksum-mismatch`.
 */
export async function storeObjectLayer(
  transaction: Transaction,
  layer: Layer,
  kind: "base" | "contents",
  options: { readonly signal?: AbortSignal } = {},
): Promise<ObjectLayer> {
  const store = new ObjectLayerStore(transaction, kind, options.signal);
  try {
    for await (const item of segmentItems(layer.segments(options))) {
      throwIfAborted(options.signal);
      if (item.kind === "entry") await store.entry(item.entry, item.content);
    }
    return await store.finish();
  } finally {
    await store.settle();
  }
}

/** Throws `ostree/image-layer-invalid` unless everything is there that a commit refers to. */
export function checkComplete({ reader }: Transaction, commit: Checksum): void {
  const traversal = new Traversal(reader);
  traversal.addCommit(commit);
  for (const key of traversal.reachable) {
    const { checksum, type } = parseObjectKey(key);
    if (!reader.has(checksum, type))
      throw invalid(`the layers of the commit ${commit} lack ${key}`, checksum);
  }
}

class ObjectLayerStore {
  readonly #transaction: Transaction;
  readonly #kind: "base" | "contents";
  readonly #bytes: ByteStore;
  readonly #contents = new Set<Checksum>();
  /** Attributes by the checksum of their bytes, for the links of older layers. */
  readonly #xattrs = new Map<Checksum, Xattrs>();
  #next: { readonly of: Checksum; readonly xattrs: Xattrs } | undefined;
  #commit: Checksum | undefined;

  constructor(transaction: Transaction, kind: "base" | "contents", signal: AbortSignal | undefined) {
    this.#bytes = new ByteStore(transaction, signal);
    this.#transaction = transaction;
    this.#kind = kind;
  }

  async entry(entry: TarEntry, content: SegmentContent | undefined): Promise<void> {
    const path = entry.name.replace(/^(?:\.?\/+)+/, "");
    if (!path.startsWith(REPO) || entry.type === "directory" || entry.type === "global") return;
    const name = path.slice(REPO.length);
    const shared = /^xattrs\/([0-9a-f]{64})$/.exec(name);
    if (shared !== null) {
      this.#keepXattrs(await bytesIn(entry, content, MAX_XATTRS));
      return;
    }
    const match = /^objects\/([0-9a-f]{2})\/([0-9a-f]{62})\.([a-z.-]+)$/.exec(name);
    if (match === null) {
      if (name.startsWith("objects/")) throw invalid(`"${displayName(entry.name)}" is no object`);
      return;
    }
    await this.#object(`${match[1]}${match[2]}`, match[3] as string, entry, content);
  }

  async #object(
    checksum: Checksum,
    type: string,
    entry: TarEntry,
    content: SegmentContent | undefined,
  ): Promise<void> {
    if (this.#next !== undefined && type !== "file") {
      throw invalid(`Found ${checksum}.${type} after the attributes of ${this.#next.of}`, checksum);
    }
    switch (type) {
      case "file-xattrs":
        this.#keepXattrs(await bytesIn(entry, content, MAX_XATTRS));
        return;
      case "file-xattrs-link":
      case "file.xattrs":
        this.#next = { of: checksum, xattrs: await this.#linkedXattrs(checksum, entry, content) };
        return;
      case "file":
        await this.#content(checksum, entry, content);
        return;
      case "commit":
      case "commitmeta":
      case "dirtree":
      case "dirmeta":
        if (this.#kind === "contents")
          throw invalid(`Found metadata object ${checksum}.${type} in object set mode`, checksum);
        this.#metadata(checksum, type, await bytesIn(entry, content, MAX_METADATA));
        return;
      default:
        throw invalid(`${checksum}.${type} is of no known type`, checksum);
    }
  }

  #keepXattrs(bytes: Uint8Array): Xattrs {
    const found = xattrsOf(XATTRS.decode(bytes, { format: "file-xattrs" }), "file-xattrs");
    this.#xattrs.set(sha256(bytes), found);
    return found;
  }

  async #linkedXattrs(
    checksum: Checksum,
    entry: TarEntry,
    content: SegmentContent | undefined,
  ): Promise<Xattrs> {
    if (entry.type === "file") return this.#keepXattrs(await bytesIn(entry, content, MAX_XATTRS));
    const digits = /([0-9a-f]{2})\/?([0-9a-f]{62})(?:\.file-xattrs)?$/.exec(entry.linkName);
    const found = digits === null ? undefined : this.#xattrs.get(`${digits[1]}${digits[2]}`);
    if (found === undefined)
      throw invalid(`Missing xattrs reference: ${displayName(entry.linkName)}`, checksum);
    return found;
  }

  #metadata(
    checksum: Checksum,
    type: "commit" | "commitmeta" | "dirtree" | "dirmeta",
    bytes: Uint8Array,
  ): void {
    const format = `${checksum}.${type}`;
    if (type === "commit") {
      if (this.#commit !== undefined) throw invalid(`a second commit, ${checksum}`, checksum);
      decodeCommit(bytes, format);
      this.#commit = checksum;
    } else if (this.#commit === undefined) throw invalid(`${format} comes before the commit`, checksum);
    if (type === "commitmeta") {
      if (checksum !== this.#commit) throw invalid(`${format} belongs to another commit`, checksum);
      this.#transaction.writeDetachedBytes(checksum, bytes);
      return;
    }
    if (type === "dirtree") decodeDirtree(bytes, format);
    if (type === "dirmeta") decodeDirmeta(bytes, format);
    const written = this.#transaction.writeMetadata(type, bytes);
    if (written !== checksum) throw mismatch(checksum, type, written);
  }

  async #content(checksum: Checksum, entry: TarEntry, content: SegmentContent | undefined): Promise<void> {
    const next = this.#next;
    this.#next = undefined;
    if (next === undefined) throw invalid(`Missing xattrs for object: ${checksum}`, checksum);
    if (next.of !== checksum)
      throw invalid(`Object mismatch, found xattrs for ${next.of} before ${checksum}`, checksum);
    if (this.#contents.has(checksum)) throw invalid(`Duplicate object: ${checksum}`, checksum);
    this.#contents.add(checksum);
    const written = await this.#store(entry, content, next.xattrs, checksum);
    if (written !== checksum) throw mismatch(checksum, "file", written);
  }

  async #store(
    entry: TarEntry,
    stored: SegmentContent | undefined,
    xattrs: Xattrs,
    checksum: Checksum,
  ): Promise<Checksum> {
    const { uid, gid } = entry;
    if (entry.type === "symlink") {
      const info: FileInfo = { uid, gid, mode: SYMLINK_MODE, xattrs, target: entry.linkName };
      return this.#transaction.writeSymlink(info).checksum;
    }
    if (entry.type !== "file" && entry.type !== "sparse")
      throw invalid(`${checksum}.file is a ${entry.type}`, checksum);
    const info: FileInfo = { uid, gid, mode: TYPE_BITS.file | (entry.mode & 0o7777), xattrs };
    const content = fileContent(entry, stored, TAR_LIMITS);
    if (content === undefined || content.size <= IN_MEMORY) {
      const bytes = content === undefined ? new Uint8Array(0) : await bytesOfContent(content);
      return await this.#bytes.add(bytes, info);
    }
    using temporary = this.#transaction.tempFile();
    const hasher = new Hasher({ ostree: { algorithm: "sha256", prefix: contentPrefix(info) } });
    for await (const piece of content.read()) {
      temporary.file.write(piece);
      hasher.update(piece);
    }
    const found = hasher.finish().ostree;
    if (found !== checksum) return found;
    return (await this.#transaction.adopt(temporary, info, found, hasher.size)).checksum;
  }

  /** No thread is at work for it any more. */
  async settle(): Promise<void> {
    await this.#bytes.settle();
  }

  async finish(): Promise<ObjectLayer> {
    if (this.#next !== undefined)
      throw invalid(`the object ${this.#next.of} is missing after its attributes`);
    if (this.#kind === "base" && this.#commit === undefined) throw invalid("the layer has no commit");
    await this.#bytes.flush();
    return { commit: this.#commit, contents: [...this.#contents] };
  }
}

async function bytesIn(
  entry: TarEntry,
  content: SegmentContent | undefined,
  limit: number,
): Promise<Uint8Array> {
  if (entry.type !== "file") throw invalid(`"${displayName(entry.name)}" is a ${entry.type}`);
  if (entry.size > limit)
    throw invalid(`"${displayName(entry.name)}" has ${entry.size} bytes; the limit is ${limit}`);
  return content === undefined ? new Uint8Array(0) : await bytesOfContent(content);
}

async function bytesOfContent(content: SegmentContent): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of content.read()) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
}

function invalid(problem: string, digest?: string): Error {
  return ostreeErrors.error("image-layer-invalid", problem, {
    context: digest === undefined ? {} : { digest },
  });
}

function mismatch(checksum: Checksum, type: string, found: Checksum): Error {
  return ostreeErrors.error(
    "object-checksum-mismatch",
    `Corrupted object ${checksum}.${type}: its content has the checksum ${found}`,
    { context: { digest: checksum } },
  );
}
