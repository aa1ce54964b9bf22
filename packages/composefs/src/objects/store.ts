// objects/XX/REST: every stored file, named by its fs-verity digest.
//
// A file is filled without a name (O_TMPFILE), gets fs-verity where the file system can, and is then linked under its
// name, so that nobody ever sees half of one. Whoever is second finds the name taken, which is success.

import { randomBytes } from "node:crypto";

import type { Content } from "@bootc-store/backend";
import { type ByteString, isStoreError, throwIfAborted, utf8 } from "@bootc-store/core";
import {
  cloneFile,
  computeVerity,
  type Dir,
  type File,
  type FileStat,
  placeContent,
  type PlaceOptions,
  type TempFile,
  VerityHasher,
} from "@bootc-store/linux";

import type { ComposefsAlgorithm } from "../algorithm.ts";
import { composefsErrors } from "../errors.ts";
import { checkSize, ObjectFilling } from "./filling.ts";
import { LINK_PREFIX, objectPath } from "./names.ts";
import { Sealer, type VerityPolicy } from "./sealer.ts";

export type { VerityPolicy } from "./sealer.ts";

export type HowStored = "reused" | "cloned" | "linked" | "copied";

export interface StoredObject {
  readonly id: string;
  readonly how: HowStored;
}

/** A file that is to become an object without passing through the program. */
export interface AdoptOptions {
  readonly clone: "require" | "allow" | "never";
  readonly link: boolean;
}

export class ObjectStore {
  readonly #repository: Dir;
  readonly algorithm: ComposefsAlgorithm;
  readonly verity: VerityPolicy;
  #objects: Dir | undefined;
  readonly #shards = new Map<string, Dir>();
  /** Whether the last file could be cloned here; once one could not, the others are not tried. */
  #clones: boolean | undefined;
  readonly #sealer: Sealer;

  constructor(repository: Dir, algorithm: ComposefsAlgorithm, verity: VerityPolicy) {
    this.#repository = repository;
    this.algorithm = algorithm;
    this.verity = verity;
    this.#sealer = new Sealer(algorithm, verity);
  }

  /** Path of an object relative to the repository. */
  static readonly path = objectPath;

  /** An object for reading. In a secure repository it is measured first. Throws `composefs/object-missing`. */
  open(id: string): File {
    const file = this.openOptional(id);
    if (file === undefined) {
      throw composefsErrors.error("object-missing", `object ${id} is not there`, { context: { digest: id } });
    }
    return file;
  }

  /** Reads an object whole. Throws `composefs/object-mismatch` if its content is another one. */
  check(id: string): void {
    using file = this.open(id);
    const found = this.#digestOf(file, file.stat().size, () => {});
    if (found === id) return;
    throw composefsErrors.error("object-mismatch", `object ${id} has the content of ${found}`, {
      context: { digest: id },
    });
  }

  openOptional(id: string): File | undefined {
    const file = this.#repository.openFileOptional(utf8(ObjectStore.path(id)));
    if (file === undefined || this.verity === "try") return file;
    try {
      this.#sealer.check(file, id);
      return file;
    } catch (error) {
      file[Symbol.dispose]();
      throw error;
    }
  }

  has(id: string): boolean {
    return this.#statOptional(id)?.type === "regular";
  }

  /** Whether all of them are there. Of many whole directories are listed, which is far cheaper than to ask for each. */
  hasAll(ids: readonly string[]): boolean {
    if (ids.length < WORTH_LISTING) return ids.every((id) => this.has(id));
    const missing = new Set(ids);
    for (const { name, dir } of this.shards()) {
      for (const entry of dir.list()) if (entry.type === "regular") missing.delete(`${name}${entry.name}`);
    }
    return missing.size === 0;
  }

  /** An object as a content: its bytes, and the file to clone from. Throws `composefs/object-missing`. */
  content(id: string): Content {
    const path = utf8(ObjectStore.path(id));
    const found = this.#statOptional(id);
    if (found?.type !== "regular") {
      throw composefsErrors.error("object-missing", `object ${id} is not there`, { context: { digest: id } });
    }
    const read = this.#read.bind(this);
    return { size: found.size, file: { dir: this.#repository, name: path }, read: () => read(id) };
  }

  async *#read(id: string): AsyncGenerator<Uint8Array> {
    using file = this.open(id);
    const { size } = file.stat();
    for (let at = 0; ;) {
      // Larger by one, so that the end comes with the last bytes.
      const chunk = new Uint8Array(Math.min(READ_SIZE, Math.max(size - at, 0) + 1));
      const got = file.readFull(chunk, at);
      if (got > 0) yield chunk.subarray(0, got);
      at += got;
      if (got < chunk.length) return;
    }
  }

  /** Stores bytes in hand. */
  put(bytes: Uint8Array, mode = 0o666): StoredObject {
    const id = computeVerity(bytes, { algorithm: this.algorithm }).toString("hex");
    if (this.#alreadyThere(id, bytes.length)) return { id, how: "reused" };
    using temporary = this.#shard(id).tempFile({ mode });
    temporary.file.write(bytes);
    return { id, how: this.#publish(temporary, id) };
  }

  /**
   * Stores bytes as they come. `tee` is given each chunk, so that whoever needs another digest of the same bytes gets
   * it in the same pass. Throws `composefs/content-size` for more or fewer than `size` bytes.
   */
  async putStream(
    chunks: AsyncIterable<Uint8Array>,
    size: number,
    tee: (chunk: Uint8Array) => void,
    signal?: AbortSignal,
  ): Promise<StoredObject> {
    using filling = this.begin(size);
    for await (const chunk of chunks) {
      throwIfAborted(signal);
      if (!filling.fits(chunk)) break;
      filling.write(chunk);
      tee(chunk);
    }
    return filling.finish();
  }

  /** Starts an object of that many bytes, to be given piece by piece. */
  begin(size: number): ObjectFilling {
    return new ObjectFilling(size, this.algorithm, {
      open: () => this.#objectsDir().tempFile({ mode: 0o644 }),
      put: (bytes) => this.put(bytes, 0o644),
      publish: (temporary, id) => {
        if (this.#alreadyThere(id, size)) return { id, how: "reused" };
        return { id, how: this.#publish(temporary, id) };
      },
    });
  }

  /**
   * Makes an object of a file's content: by reflink, else by a second name where that is allowed, else by a copy. What was
   * cloned is read once to learn its digest, so that it cannot change in between; `tee` is given the same bytes.
   */
  adopt(file: File, size: number, tee: (chunk: Uint8Array) => void, options: AdoptOptions): StoredObject {
    if (options.clone !== "never" && this.#clones !== false) {
      using temporary = this.#objectsDir().tempFile({ mode: 0o644 });
      this.#clones = cloneFile(file, temporary.file);
      if (this.#clones) {
        const id = this.#digestOf(temporary.file, size, tee);
        if (this.#alreadyThere(id, size)) return { id, how: "reused" };
        return { id, how: this.#publish(temporary, id) === "reused" ? "reused" : "cloned" };
      }
    }
    if (options.link) {
      const id = this.#digestOf(file, size, tee);
      if (this.#alreadyThere(id, size)) return { id, how: "reused" };
      return { id, how: this.#linkOrCopy(file, id, options) };
    }
    if (options.clone === "require") throw copyRefused(file);
    // What is stored is what was read, whatever becomes of the file meanwhile.
    using temporary = this.#objectsDir().tempFile({ mode: 0o644 });
    const id = this.#digestOf(file, size, (chunk) => {
      tee(chunk);
      temporary.file.write(chunk);
    });
    if (this.#alreadyThere(id, size)) return { id, how: "reused" };
    return { id, how: this.#publish(temporary, id) };
  }

  /**
   * Puts an object back that is damaged or missing, from a file that may hold its content: cloned where the file system can.
   * False if it holds another.
   */
  restore(id: string, file: File): boolean {
    using temporary = this.#objectsDir().tempFile({ mode: 0o644 });
    const { size } = file.stat();
    const cloned = cloneFile(file, temporary.file);
    const found = this.#digestOf(cloned ? temporary.file : file, size, (chunk) => {
      if (!cloned) temporary.file.write(chunk);
    });
    if (found !== id) return false;
    const readable = temporary.closeForWriting();
    this.#sealer.seal(readable, id);
    const shard = this.#shard(id);
    temporary.publish(utf8(id.slice(2)), { existing: "replace" }, shard.fd, shard.label);
    return true;
  }

  /** All of a repository's objects by the two digits of their directory. */
  *shards(): Generator<{ readonly name: ByteString; readonly dir: Dir }> {
    using objects = this.#repository.openDirOptional(utf8("objects"));
    if (objects === undefined) return;
    for (const entry of objects.list()) {
      if (entry.type !== "directory" || !/^[0-9a-f]{2}$/.test(entry.name)) continue;
      using dir = objects.openDir(entry.name);
      yield { name: entry.name, dir };
    }
  }

  close(): void {
    for (const dir of this.#shards.values()) dir[Symbol.dispose]();
    this.#shards.clear();
    this.#objects?.[Symbol.dispose]();
    this.#objects = undefined;
  }

  #linkOrCopy(file: File, id: string, options: AdoptOptions): HowStored {
    const objects = this.#objectsDir();
    const name = utf8(`${LINK_PREFIX}${randomBytes(9).toString("hex")}`);
    this.#shard(id);
    const place = { clone: false, sync: "none", mode: 0o644 } as const;
    try {
      // Under another name first: whether it can be linked is known before anything is done to the file of somebody else.
      placeContent(file, objects, name, { ...place, link: true, copy: false });
    } catch (error) {
      if (!isStoreError(error, "linux/cross-device")) throw error;
      if (options.clone === "require") throw copyRefused(file, error);
      return this.#copy(file, id, place);
    }
    try {
      // It has fs-verity before it is there as an object.
      this.#sealer.seal(file, id);
      objects.rename(name, utf8(`${id.slice(0, 2)}/${id.slice(2)}`), { mode: "noreplace" });
      return "linked";
    } catch (error) {
      objects.removeOptional(name);
      if (isStoreError(error, "linux/exists")) return "reused";
      throw error;
    }
  }

  #copy(file: File, id: string, place: PlaceOptions): HowStored {
    try {
      const prepare = (temporary: TempFile): void => {
        this.#sealer.seal(temporary.closeForWriting(), id);
      };
      return placeContent(file, this.#shard(id), utf8(id.slice(2)), { ...place, prepare });
    } catch (error) {
      if (isStoreError(error, "linux/exists")) return "reused";
      throw error;
    }
  }

  #digestOf(file: File, size: number, tee: (chunk: Uint8Array) => void): string {
    const { algorithm } = this;
    // One for all: memory that is fresh has to be zeroed, which for small files costs many times what their digest does.
    const buffer = (room ??= Buffer.allocUnsafeSlow(ROOM));
    if (size < buffer.length) {
      const content = buffer.subarray(0, file.readFull(buffer.subarray(0, size + 1), 0));
      checkSize(content.length, size);
      tee(content);
      return computeVerity(content, { algorithm }).toString("hex");
    }
    const hasher = new VerityHasher({ algorithm });
    let read = 0;
    for (let got = file.readFull(buffer, 0); got > 0; got = file.readFull(buffer, read)) {
      const chunk = buffer.subarray(0, got);
      hasher.update(chunk);
      tee(chunk);
      read += got;
      if (read > size) break;
    }
    checkSize(read, size);
    return hasher.finish().toString("hex");
  }

  /**
   * In a secure repository what is there must be what its name says; in an insecure one it is believed, as cfsctl does, if
   * it has the size. A machine that lost its power before the content was on the disk leaves an object that is empty or
   * short; it is taken away, so that the good one can have its name.
   */
  #alreadyThere(id: string, size: number): boolean {
    const shard = this.#shardOptional(id);
    const found = shard?.statOptional(utf8(id.slice(2)));
    if (shard === undefined || found === undefined) return false;
    if (found.type === "regular" && found.size < size) {
      shard.remove(utf8(id.slice(2)));
      return false;
    }
    if (this.verity === "require") {
      using file = this.#shard(id).openFile(utf8(id.slice(2)));
      this.#sealer.check(file, id);
    }
    return true;
  }

  /** Seals the file and gives it its name. */
  #publish(temporary: TempFile, id: string): HowStored {
    if (this.#sealer.seals) this.#sealer.seal(temporary.closeForWriting(), id);
    const shard = this.#shard(id);
    try {
      temporary.publish(utf8(id.slice(2)), { existing: "fail", sync: "none" }, shard.fd, shard.label);
      return "copied";
    } catch (error) {
      if (isStoreError(error, "linux/exists")) return "reused";
      throw error;
    }
  }

  #objectsDir(): Dir {
    if (this.#objects === undefined) {
      this.#repository.ensureDir(OBJECTS, { mode: 0o777 });
      this.#objects = this.#repository.openDir(OBJECTS);
    }
    return this.#objects;
  }

  #shard(id: string): Dir {
    const name = id.slice(0, 2);
    const known = this.#shards.get(name);
    if (known !== undefined) return known;
    const objects = this.#objectsDir();
    objects.ensureDir(utf8(name), { mode: 0o755 });
    const dir = objects.openDir(utf8(name));
    this.#shards.set(name, dir);
    return dir;
  }

  /** By the open directory: one call instead of the three that a path takes. */
  #statOptional(id: string): FileStat | undefined {
    return this.#shardOptional(id)?.statOptional(utf8(id.slice(2)));
  }

  /** Without making it. */
  #shardOptional(id: string): Dir | undefined {
    const name = id.slice(0, 2);
    const known = this.#shards.get(name);
    if (known !== undefined) return known;
    const dir = this.#repository.openDirOptional(utf8(`objects/${name}`));
    if (dir !== undefined) this.#shards.set(name, dir);
    return dir;
  }
}

/** Four for each directory, of which there are 256. */
const WORTH_LISTING = 1024;
const OBJECTS = utf8("objects");
const READ_SIZE = 1 << 20;
/** Contents are read so many bytes at a time, which stay in a core's cache until all have seen them. */
const ROOM = 1 << 18;
let room: Buffer | undefined;

function copyRefused(file: File, cause?: unknown): Error {
  return composefsErrors.error(
    "copy-refused",
    "what was allowed of reflink and hardlink failed, and copying is not allowed",
    { context: { path: file.label }, ...(cause === undefined ? {} : { cause }) },
  );
}
