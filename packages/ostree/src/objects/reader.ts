import { byteString, bytesOf, type ByteString, displayName, isStoreError } from "@bootc-store/core";
import { Dir, type File, type FileStat } from "@bootc-store/linux";
import { S_IFMT, TYPE_BITS, Xattrs } from "@bootc-store/tree";

import { ostreeErrors } from "../errors.ts";
import type { Checksum } from "../format/checksum.ts";
import {
  checkContentMode,
  decodeMeta,
  decodeZlibHeader,
  type FileInfo,
  headerLength,
  SYMLINK_MODE,
} from "../format/file-info.ts";
import type { RepoMode } from "../format/mode.ts";
import { type MetadataType, objectName, type ObjectType } from "../format/object-type.ts";
import { xattrsOf } from "../format/xattrs.ts";
import { gvariant } from "../gvariant/index.ts";
import type { ObjectPlaces } from "./places.ts";
import { Shards } from "./shards.ts";

/** Metadata objects are at most this many bytes: 128 MiB. */
export const MAX_METADATA_SIZE = 128 << 20;

/** The attribute that holds a file's real metadata in a bare-user repository. */
export const OSTREEMETA = "user.ostreemeta" as ByteString;

const XATTRS = gvariant("a(ayay)");

/** Where the bytes of a content object are: none for a symlink, a file of just these bytes, or a compressed tail. */
export type Stored =
  | { readonly kind: "symlink" }
  | { readonly kind: "plain"; readonly file: File }
  | { readonly kind: "deflate"; readonly file: File; readonly offset: number };

/** A content object that is open. Dispose of it to close its file. */
export interface FileObject extends Disposable {
  readonly info: FileInfo;
  /** Bytes of the content; 0 for a symlink. What `stored` holds may be more or fewer, if the object is damaged. */
  readonly size: number;
  readonly stored: Stored;
  /** What the object takes on disk. */
  readonly storedSize: number;
}

/** Looks objects up: in the staging directory, in the repository, in its parents. Synchronous. */
export class ObjectReader implements Disposable {
  readonly mode: RepoMode;
  readonly #shards: readonly Shards[];
  /** Those of them that are not the staging directory. */
  readonly #stored: Shards;
  readonly #parent: ObjectReader | undefined;

  /**
   * @param others `"ignore"` may miss what other processes bring while this lives, and so looks less often: for who would
   * only do again what they have done.
   */
  constructor(places: ObjectPlaces, others: "see" | "ignore" = "see") {
    this.mode = places.mode;
    this.#stored = new Shards(Dir.borrow(places.objects, "objects"), others === "ignore");
    this.#shards =
      places.staging === undefined
        ? [this.#stored]
        : [new Shards(Dir.borrow(places.staging, "objects")), this.#stored];
    this.#parent = places.parent === undefined ? undefined : new ObjectReader(places.parent);
  }

  /** Whether the object is there, in this repository or its parents. */
  has(checksum: Checksum, type: ObjectType): boolean {
    return this.hasOwn(checksum, type) || (this.#parent?.has(checksum, type) ?? false);
  }

  /** Whether a content object is there other than in the staging directory. */
  hasStoredFile(checksum: Checksum): boolean {
    const name = objectName(checksum, "file", this.mode);
    return (
      this.#stored.find(checksum)?.statOptional(name) !== undefined ||
      (this.#parent?.has(checksum, "file") ?? false)
    );
  }

  /** Whether the object is in this repository itself. */
  hasOwn(checksum: Checksum, type: ObjectType): boolean {
    return this.#locate(checksum, type) !== undefined;
  }

  /** The directory in which an object of this repository lies. */
  #locate(checksum: Checksum, type: ObjectType): Dir | undefined {
    const name = objectName(checksum, type, this.mode);
    for (const shards of this.#shards) {
      const dir = shards.find(checksum);
      if (dir?.statOptional(name) !== undefined) return dir;
    }
    return undefined;
  }

  /** The bytes of a metadata object, unchecked. Throws `ostree/object-not-found`, `ostree/object-too-large`. */
  readMetadata(checksum: Checksum, type: MetadataType): Buffer {
    const bytes = this.readMetadataOptional(checksum, type);
    if (bytes === undefined) throw notFound(checksum, type);
    return bytes;
  }

  readMetadataOptional(checksum: Checksum, type: MetadataType): Buffer | undefined {
    const name = objectName(checksum, type, this.mode);
    for (const shards of this.#shards) {
      try {
        const bytes = shards.find(checksum)?.readFileOptional(name, { limit: MAX_METADATA_SIZE });
        if (bytes !== undefined) return bytes;
      } catch (error) {
        if (!isStoreError(error, "linux/limit-exceeded")) throw error;
        throw ostreeErrors.error(
          "object-too-large",
          `${checksum}.${type}: more than ${MAX_METADATA_SIZE} bytes`,
          {
            context: { digest: checksum },
          },
        );
      }
    }
    return this.#parent?.readMetadataOptional(checksum, type);
  }

  /** Where a content object lies, and what is there, in this repository or its parents of the same mode. */
  findFile(
    checksum: Checksum,
  ): { readonly dir: Dir; readonly name: ByteString; readonly stat: FileStat } | undefined {
    const name = objectName(checksum, "file", this.mode);
    for (const shards of this.#shards) {
      const dir = shards.find(checksum);
      const stat = dir?.statOptional(name);
      if (dir !== undefined && stat !== undefined) return { dir, name, stat };
    }
    return this.#parent?.mode === this.mode ? this.#parent.findFile(checksum) : undefined;
  }

  /** Where a metadata object of this repository itself lies. */
  findMetadata(
    checksum: Checksum,
    type: MetadataType,
  ): { readonly dir: Dir; readonly stat: FileStat } | undefined {
    const name = objectName(checksum, type, this.mode);
    for (const shards of this.#shards) {
      const dir = shards.find(checksum);
      const stat = dir?.statOptional(name);
      if (dir !== undefined && stat !== undefined) return { dir, stat };
    }
    return undefined;
  }

  /** Where a content object may lie, in this repository or its parents of the same mode, without looking. */
  *placesOf(checksum: Checksum): Generator<{ readonly dir: Dir; readonly name: ByteString }> {
    const name = objectName(checksum, "file", this.mode);
    for (const shards of this.#shards) {
      const dir = shards.find(checksum);
      if (dir !== undefined) yield { dir, name };
    }
    if (this.#parent?.mode === this.mode) yield* this.#parent.placesOf(checksum);
  }

  /** Opens a content object. Throws `ostree/object-not-found`, `ostree/object-invalid`. */
  openFile(checksum: Checksum): FileObject {
    const found = this.openFileOptional(checksum);
    if (found === undefined) throw notFound(checksum, "file");
    return found;
  }

  openFileOptional(checksum: Checksum): FileObject | undefined {
    const name = objectName(checksum, "file", this.mode);
    const format = `${checksum}.file`;
    for (const shards of this.#shards) {
      const dir = shards.find(checksum);
      const found = dir === undefined ? undefined : this.#open(dir, name, checksum, format);
      if (found !== undefined) return found;
    }
    return this.#parent?.openFileOptional(checksum);
  }

  #open(dir: Dir, name: ByteString, checksum: Checksum, format: string): FileObject | undefined {
    if (this.mode === "archive") return openArchived(dir, name, format);
    const stat = dir.statOptional(name);
    if (stat === undefined) return undefined;
    if (stat.type === "symlink") {
      if (this.mode === "bare-user") throw invalid(format, "a symlink, where its target should be in a file");
      const target = dir.readLink(name);
      const base = { target, mode: SYMLINK_MODE };
      const info =
        this.mode === "bare-user-only"
          ? { ...base, uid: 0, gid: 0, xattrs: Xattrs.empty }
          : { ...base, uid: stat.uid, gid: stat.gid, xattrs: this.#xattrs(dir, name, checksum) };
      return { info, size: 0, stored: { kind: "symlink" }, storedSize: stat.size, [Symbol.dispose]() {} };
    }
    if (stat.type !== "regular") throw invalid(format, `a ${stat.type}`);
    const file = dir.openFile(name);
    try {
      if (this.mode === "bare-user") return openBareUser(file, stat.size, format);
      const info: FileInfo =
        this.mode === "bare-user-only"
          ? { uid: 0, gid: 0, mode: stat.mode, xattrs: Xattrs.empty }
          : {
              uid: stat.uid,
              gid: stat.gid,
              mode: stat.mode,
              xattrs: this.#xattrs(dir, name, checksum, file),
            };
      return plain(file, info, stat.size);
    } catch (error) {
      file[Symbol.dispose]();
      throw error;
    }
  }

  #xattrs(dir: Dir, name: ByteString, checksum: Checksum, file?: File): Xattrs {
    if (this.mode === "bare-split-xattrs") {
      const link = objectName(checksum, "file-xattrs-link", this.mode);
      const bytes = dir.readFileOptional(link, { limit: MAX_METADATA_SIZE });
      if (bytes === undefined) throw notFound(checksum, "file-xattrs-link");
      return xattrsOf(XATTRS.decode(bytes, { format: link }), link);
    }
    return file === undefined ? readXattrs(dir, name) : readXattrs(file);
  }

  [Symbol.dispose](): void {
    for (const shards of this.#shards) shards[Symbol.dispose]();
    this.#parent?.[Symbol.dispose]();
  }
}

/** All extended attributes of an open file, or of a name in a directory, links not followed. */
export function readXattrs(of: File): Xattrs;
export function readXattrs(of: Dir, name: ByteString): Xattrs;
export function readXattrs(of: File | Dir, name?: ByteString): Xattrs {
  const [list, get] =
    of instanceof Dir
      ? [
          of.listXattrs(name as ByteString),
          (xattr: ByteString) => of.getXattrOptional(name as ByteString, xattr),
        ]
      : [of.listXattrs(), (xattr: ByteString) => of.getXattrOptional(xattr)];
  if (list.length === 0) return Xattrs.empty;
  const pairs: [ByteString, ByteString][] = [];
  for (const xattr of list) {
    const value = get(xattr);
    // ostree takes an attribute without a value for one that is not there.
    if (value !== undefined && value.length > 0) pairs.push([xattr, byteString(value)]);
  }
  return Xattrs.from(pairs);
}

function plain(file: File, info: FileInfo, size: number): FileObject {
  return {
    info,
    size,
    stored: { kind: "plain", file },
    storedSize: size,
    [Symbol.dispose]: () => file[Symbol.dispose](),
  };
}

function openBareUser(file: File, size: number, format: string): FileObject {
  const meta = file.getXattrOptional(OSTREEMETA);
  if (meta === undefined) throw invalid(format, `there is no attribute ${OSTREEMETA}`);
  const info = decodeMeta(meta, format);
  checkContentMode(info.mode, format);
  if ((info.mode & S_IFMT) !== TYPE_BITS.symlink) return plain(file, info, size);
  // The target ends at the first NUL byte.
  const bytes = file.readAll({ limit: 1 << 16 });
  const nul = bytes.indexOf(0);
  const target = byteString(nul < 0 ? bytes : bytes.subarray(0, nul));
  if (target === "") throw invalid(format, "a symlink without a target");
  file[Symbol.dispose]();
  return {
    info: { ...info, target },
    size: 0,
    stored: { kind: "symlink" },
    storedSize: size,
    [Symbol.dispose]() {},
  };
}

function openArchived(dir: Dir, name: ByteString, format: string): FileObject | undefined {
  const file = dir.openFileOptional(name);
  if (file === undefined) return undefined;
  try {
    const start = Buffer.allocUnsafe(512);
    const got = file.readFull(start, 0);
    const storedSize = got < start.length ? got : file.stat().size;
    const length = headerLength(start.subarray(0, got), storedSize, format);
    let header = start.subarray(8, 8 + length);
    if (8 + length > got) {
      header = Buffer.allocUnsafe(length);
      if (file.readFull(header, 8) < length) throw invalid(format, "it ends within its header");
    }
    const { info, size } = decodeZlibHeader(header, format);
    if (info.target !== undefined) {
      if (size !== 0) throw invalid(format, "a symlink with a size");
      file[Symbol.dispose]();
      return { info, size: 0, stored: { kind: "symlink" }, storedSize, [Symbol.dispose]() {} };
    }
    return {
      info,
      size,
      stored: { kind: "deflate", file, offset: 8 + length },
      storedSize,
      [Symbol.dispose]: () => file[Symbol.dispose](),
    };
  } catch (error) {
    file[Symbol.dispose]();
    throw error;
  }
}

/** For those who need the target as a link's content. */
export function targetBytes(info: FileInfo): Uint8Array {
  return bytesOf(`${info.target ?? ""}\0` as ByteString);
}

export function notFound(checksum: string, type: ObjectType): Error {
  return ostreeErrors.error(
    "object-not-found",
    `No such metadata object ${displayName(checksum as ByteString)}.${type}`,
    {
      context: { digest: checksum, type },
    },
  );
}

function invalid(format: string, problem: string): Error {
  return ostreeErrors.error("object-invalid", `${format}: ${problem}`, { context: { format } });
}
