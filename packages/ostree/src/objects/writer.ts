import { randomBytes } from "node:crypto";
import { type ByteString, isStoreError } from "@bootc-store/core";
import {
  cloneFile,
  Dir,
  type File,
  type FileStat,
  Hasher,
  hashFile,
  TEMP_PREFIX,
  type TempFile,
} from "@bootc-store/linux";

import { ostreeErrors } from "../errors.ts";
import { type Checksum, sha256 } from "../format/checksum.ts";
import {
  contentPrefix,
  encodeDirmeta,
  encodeZlibHeader,
  type FileInfo,
  isSymlink,
} from "../format/file-info.ts";
import type { RepoMode } from "../format/mode.ts";
import { type HashedType, type MetadataType, objectName } from "../format/object-type.ts";
import { deflateBytes, deflateFile } from "./deflate.ts";
import type { WritePlaces } from "./places.ts";
import { changed, copyAndHash, IN_MEMORY, sameTime, scratch } from "./read-once.ts";
import { MAX_METADATA_SIZE, ObjectReader, OSTREEMETA, targetBytes } from "./reader.ts";
import { Shards } from "./shards.ts";
import type { CloneChoice, WrittenFile } from "./written-file.ts";

/** Writes objects, each whole or not at all. An object that is there is left alone. */
export class ObjectWriter implements Disposable {
  readonly mode: RepoMode;
  readonly #places: WritePlaces;
  readonly #tmp: Dir;
  readonly #target: Dir;
  readonly #shards: Shards;
  readonly #reader: ObjectReader;

  constructor(places: WritePlaces) {
    if (places.mode === "bare-split-xattrs") {
      throw ostreeErrors.error(
        "mode-unsupported",
        "Not allowed due to repo mode: bare-split-xattrs is read only",
      );
    }
    this.#places = places;
    this.mode = places.mode;
    this.#tmp = Dir.borrow(places.tmp, "tmp");
    this.#target = Dir.borrow(places.target, "objects");
    this.#shards = new Shards(this.#target);
    // What another process brings meanwhile is at worst written twice, and then it stays.
    this.#reader = new ObjectReader(places, places.staging === undefined ? "see" : "ignore");
  }

  /** Whether a metadata object is there already, or in a parent repository. */
  hasMetadata(checksum: Checksum, type: MetadataType): boolean {
    return this.#reader.has(checksum, type);
  }

  /** Whether a content is there already, or in a parent repository; what is staged shows when it is linked or written. */
  hasStoredFile(checksum: Checksum): boolean {
    return this.#reader.hasStoredFile(checksum);
  }

  /** A metadata object, named by its checksum. Says whether it is new. */
  writeMetadata(
    type: HashedType,
    bytes: Uint8Array,
  ): { readonly checksum: Checksum; readonly created: boolean } {
    if (bytes.length > MAX_METADATA_SIZE) {
      throw ostreeErrors.error(
        "object-too-large",
        `a ${type} of ${bytes.length} bytes; the limit is ${MAX_METADATA_SIZE}`,
      );
    }
    const checksum = sha256(bytes);
    if (this.#reader.has(checksum, type)) return { checksum, created: false };
    return { checksum, created: this.putMetadata(type, checksum, bytes) };
  }

  /** A metadata object under a name of the caller's: detached metadata, a tombstone, or bytes whose checksum is known. */
  putMetadata(
    type: MetadataType,
    checksum: Checksum,
    bytes: Uint8Array,
    existing: "fail" | "replace" = "fail",
  ): boolean {
    using temporary = this.#tmp.tempFile();
    temporary.file.write(bytes);
    temporary.file.setMode(0o644);
    return this.#publish(temporary, checksum, objectName(checksum, type, this.mode), existing);
  }

  /** A symlink as a content object. */
  writeSymlink(info: FileInfo): WrittenFile {
    const target = info.target ?? ("" as ByteString);
    const checksum = sha256(contentPrefix(info));
    const reused: WrittenFile = { checksum, how: "reused", size: 0, storedSize: 0 };
    if (this.#reader.has(checksum, "file")) return reused;
    const name = objectName(checksum, "file", this.mode);
    const written: WrittenFile = { checksum, how: "copied", size: 0, storedSize: target.length };
    if (this.mode === "archive" || this.mode === "bare-user") {
      using temporary = this.#tmp.tempFile();
      const { file } = temporary;
      if (this.mode === "archive") file.write(encodeZlibHeader(info, 0));
      else {
        file.write(targetBytes(info));
        file.setXattr(OSTREEMETA, encodeDirmeta(info));
      }
      file.setMode(0o644);
      if (this.mode === "bare-user") file.setTimes({ mtime: ZERO });
      return this.#publish(temporary, checksum, name) ? written : reused;
    }
    const temporary = `${TEMP_PREFIX}${randomBytes(9).toString("base64url")}` as ByteString;
    this.#tmp.symlink(target, temporary);
    try {
      if (this.mode === "bare") {
        this.#tmp.setOwner(temporary, info.uid, info.gid);
        for (const [xattr, value] of info.xattrs)
          this.#tmp.setXattr(temporary, xattr, Buffer.from(value, "latin1"));
      }
      const shard = this.#shards.ensure(checksum);
      // A link and no rename, which would put it over one that another process has just made.
      this.#tmp.link(temporary, name, { to: shard });
    } catch (error) {
      if (!isStoreError(error, "linux/exists")) throw error;
      return reused;
    } finally {
      this.#tmp.removeOptional(temporary);
    }
    return written;
  }

  /**
   * A regular file as a content object. The source is read once: into memory if it is small, else while it is cloned or
   * copied. Throws `ostree/content-changed` if it was written to meanwhile.
   */
  async writeFile(
    source: File | Uint8Array,
    info: FileInfo,
    clone: CloneChoice = "allow",
  ): Promise<WrittenFile> {
    if (isSymlink(info)) return this.writeSymlink(info);
    this.#checkMode(info);
    if (source instanceof Uint8Array) return this.#writeBytes(source, info);
    const before = source.stat();
    const { size } = before;
    const prefix = contentPrefix(info);
    const clonable = clone !== "never" && this.mode !== "archive" && size > 0;
    if (clone === "require" && !clonable && size > 0) throw this.#cannotClone(source);
    let written: WrittenFile;
    if (size <= IN_MEMORY) {
      const bytes = source.readFull(scratch, 0);
      if (bytes !== size) throw changed(source);
      const data = scratch.subarray(0, size);
      const checksum = sha256(prefix, data);
      if (this.#reader.has(checksum, "file")) return { checksum, how: "reused", size, storedSize: 0 };
      if (!clonable) written = this.#writeBytes(data, info, checksum);
      else {
        using temporary = this.#tmp.tempFile();
        const cloned = cloneFile(source, temporary.file);
        if (!cloned && clone === "require") throw this.#cannotClone(source);
        if (!cloned) temporary.file.write(data);
        written = this.#finish(temporary, info, checksum, size, cloned ? "cloned" : "copied");
      }
    } else if (this.mode === "archive") {
      const hasher = new Hasher({ ostree: { algorithm: "sha256", prefix } });
      using temporary = this.#tmp.tempFile();
      temporary.file.write(encodeZlibHeader(info, size));
      await deflateFile(source, size, temporary.file, this.#places.zlibLevel, (data) => hasher.update(data));
      if (hasher.size !== size) throw changed(source);
      written = this.#finish(temporary, info, hasher.finish().ostree, size, "copied");
    } else {
      using temporary = this.#tmp.tempFile();
      const cloned = clonable && cloneFile(source, temporary.file);
      if (!cloned && clone === "require") throw this.#cannotClone(source);
      const checksum = cloned
        ? hashFile(source, { ostree: { algorithm: "sha256", prefix } }).digests.ostree
        : copyAndHash(source, temporary.file, prefix, size);
      written = this.#finish(temporary, info, checksum, size, cloned ? "cloned" : "copied");
    }
    const after = source.stat();
    if (after.size !== size || !sameTime(before.mtime, after.mtime)) throw changed(source);
    return written;
  }

  /** A content in memory whose checksum was computed before. */
  writeKnown(data: Uint8Array, info: FileInfo, checksum: Checksum): WrittenFile {
    this.#checkMode(info);
    return this.#reader.has(checksum, "file")
      ? { checksum, how: "reused", size: data.length, storedSize: 0 }
      : this.#writeBytes(data, info, checksum);
  }

  /** A temporary file on the repository's file system. */
  tempFile(): TempFile {
    return this.#tmp.tempFile();
  }

  /**
   * Gives a content object of another repository a second name here. `undefined` where no link can be made, for instance
   * because it is not there, lies on another file system or belongs to somebody else.
   */
  linkFile(dir: Dir, name: ByteString, checksum: Checksum): "linked" | "reused" | undefined {
    if (this.mode !== "bare") {
      // Linking somebody else's file would leave the content in their hands.
      const stat = dir.statOptional(name);
      if (stat !== undefined && stat.uid !== this.#places.uid) return undefined;
    }
    return this.#link(dir, name, checksum, objectName(checksum, "file", this.mode));
  }

  /** The same for a metadata object. */
  linkMetadata(
    dir: Dir,
    checksum: Checksum,
    type: MetadataType,
    stat: FileStat,
  ): "linked" | "reused" | undefined {
    if (stat.uid !== this.#places.uid) return undefined;
    const name = objectName(checksum, type, this.mode);
    return this.#link(dir, name, checksum, name);
  }

  #link(dir: Dir, from: ByteString, checksum: Checksum, name: ByteString): "linked" | "reused" | undefined {
    try {
      dir.link(from, name, { to: this.#shards.ensure(checksum) });
      return "linked";
    } catch (error) {
      if (isStoreError(error, "linux/exists")) return "reused";
      if (NO_LINK.some((code) => isStoreError(error, code))) return undefined;
      throw error;
    }
  }

  /**
   * Takes a file itself as the object, without a copy, where it is as the object has to be and lies on the same file system.
   * `undefined` where it is not. Whoever else has the file open must not write to it any more.
   */
  adoptFile(
    source: File,
    dir: Dir,
    path: ByteString,
    info: FileInfo,
    unchanged: boolean,
  ): WrittenFile | undefined {
    const stat = source.stat();
    if (stat.size === 0 || !this.#canAdopt(info, unchanged)) return undefined;
    if (this.mode === "bare-user-only" && stat.mode !== info.mode) return undefined;
    this.#checkMode(info);
    const prefix = contentPrefix(info);
    const { size, digests } = hashFile(source, { ostree: { algorithm: "sha256", prefix } });
    const checksum = digests.ostree;
    if (this.#reader.has(checksum, "file")) return { checksum, how: "reused", size, storedSize: 0 };
    const linked = this.#link(dir, path, checksum, objectName(checksum, "file", this.mode));
    if (linked === undefined) return undefined;
    source.setTimes({ mtime: ZERO });
    return { checksum, how: linked === "linked" ? "adopted" : "reused", size, storedSize: 0 };
  }

  #canAdopt(info: FileInfo, unchanged: boolean): boolean {
    if (isSymlink(info)) return false;
    return this.mode === "bare-user-only" || (this.mode === "bare" && unchanged);
  }

  /** Takes a temporary file whose content is complete and whose checksum is known. */
  async adopt(temporary: TempFile, info: FileInfo, checksum: Checksum, size: number): Promise<WrittenFile> {
    this.#checkMode(info);
    // An archive compresses what it stores, so the file is only where the content comes from.
    if (this.mode === "archive") return await this.writeFile(temporary.file, info, "never");
    return this.#finish(temporary, info, checksum, size, "copied");
  }

  #writeBytes(data: Uint8Array, info: FileInfo, known?: Checksum): WrittenFile {
    const checksum = known ?? sha256(contentPrefix(info), data);
    const size = data.length;
    if (known === undefined && this.#reader.has(checksum, "file")) {
      return { checksum, how: "reused", size, storedSize: 0 };
    }
    using temporary = this.#tmp.tempFile();
    if (this.mode === "archive") {
      temporary.file.write(encodeZlibHeader(info, size));
      temporary.file.write(deflateBytes(data, this.#places.zlibLevel));
    } else temporary.file.write(data);
    return this.#finish(temporary, info, checksum, size, "copied");
  }

  /** Owner, attributes, mode and time as this mode stores them, then the name. */
  #finish(
    temporary: TempFile,
    info: FileInfo,
    checksum: Checksum,
    size: number,
    how: "cloned" | "copied",
  ): WrittenFile {
    const { file } = temporary;
    switch (this.mode) {
      case "bare":
        file.setOwner(info.uid, info.gid);
        for (const [xattr, value] of info.xattrs) file.setXattr(xattr, Buffer.from(value, "latin1"));
        file.setMode(info.mode & 0o7777);
        break;
      case "bare-user":
        file.setXattr(OSTREEMETA, encodeDirmeta(info));
        file.setMode((info.mode & 0o775) | 0o400);
        break;
      case "bare-user-only":
        file.setMode(info.mode & 0o7777);
        break;
      default:
        file.setMode(0o644);
    }
    if (this.mode !== "archive") file.setTimes({ mtime: ZERO });
    const storedSize = this.mode === "archive" ? file.stat().size : size;
    return this.#publish(temporary, checksum, objectName(checksum, "file", this.mode))
      ? { checksum, how, size, storedSize }
      : { checksum, how: "reused", size, storedSize: 0 };
  }

  #publish(
    temporary: TempFile,
    checksum: Checksum,
    name: ByteString,
    existing: "fail" | "replace" = "fail",
  ): boolean {
    const shard = this.#shards.ensure(checksum);
    try {
      temporary.publish(name, { existing, sync: this.#places.sync }, shard.fd, shard.label);
      return true;
    } catch (error) {
      // Somebody has written the same object meanwhile, or, of a large one, it was there before.
      if (existing === "fail" && isStoreError(error, "linux/exists")) return false;
      throw error;
    }
  }

  #checkMode(info: FileInfo): void {
    const bits = info.mode & 0o7777 & ~0o775;
    if (this.mode !== "bare-user-only" || bits === 0) return;
    throw ostreeErrors.error(
      "object-mode-invalid",
      `Content object: invalid mode ${octal(info.mode)} with bits ${octal(bits)}`,
    );
  }

  #cannotClone(source: File): Error {
    return ostreeErrors.error(
      "content-not-cloned",
      `${source.label}: its blocks cannot be shared with this repository`,
    );
  }

  [Symbol.dispose](): void {
    this.#shards[Symbol.dispose]();
    this.#reader[Symbol.dispose]();
  }
}

const NO_LINK = [
  "linux/not-found",
  "linux/cross-device",
  "linux/too-many-links",
  "linux/permission-denied",
] as const;

const ZERO = { seconds: 0, nanoseconds: 0 };

function octal(mode: number): string {
  return `0${mode.toString(8).padStart(4, "0")}`;
}
