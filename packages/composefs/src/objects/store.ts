// objects/XX/REST: every stored file, named by its fs-verity digest.
//
// A file is filled without a name (O_TMPFILE), gets fs-verity where the file system can, and is then linked under its
// name, so that nobody ever sees half of one. Whoever is second finds the name taken, which is success.

import { randomBytes } from "node:crypto";

import type { Content } from "@bootc-store/backend";
import { type ByteString, isStoreError, throwIfAborted, toHex, utf8 } from "@bootc-store/core";
import {
  cloneFile,
  computeVerity,
  type Dir,
  enableVerity,
  type File,
  type FileStat,
  measureVerity,
  placeContent,
  type PlaceOptions,
  type TempFile,
  VerityHasher,
} from "@bootc-store/linux";

import { type ComposefsAlgorithm, isObjectId } from "../algorithm.ts";
import { composefsErrors } from "../errors.ts";

/** Whether objects must have fs-verity, or get it where that works. */
export type VerityPolicy = "require" | "try";

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
  /** False once the file system said that it has no fs-verity. */
  #seals = true;

  constructor(repository: Dir, algorithm: ComposefsAlgorithm, verity: VerityPolicy) {
    this.#repository = repository;
    this.algorithm = algorithm;
    this.verity = verity;
  }

  /** Path of an object relative to the repository. */
  static path(id: string): string {
    return `objects/${id.slice(0, 2)}/${id.slice(2)}`;
  }

  /** An object for reading. In a secure repository it is measured first. Throws `composefs/object-missing`. */
  open(id: string): File {
    const file = this.openOptional(id);
    if (file === undefined) {
      throw composefsErrors.error("object-missing", `object ${id} is not there`, { context: { digest: id } });
    }
    return file;
  }

  openOptional(id: string): File | undefined {
    const file = this.#repository.openFileOptional(utf8(ObjectStore.path(id)));
    if (file === undefined || this.verity === "try") return file;
    try {
      this.#checkMeasured(file, id);
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
    for (let at = 0; ;) {
      const chunk = new Uint8Array(READ_SIZE);
      const got = file.read(chunk, at);
      if (got === 0) return;
      at += got;
      yield chunk.subarray(0, got);
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
    if (this.#seals) this.#seal(readable);
    if (this.verity === "require") this.#checkMeasured(readable, id);
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
      this.#seal(file);
      if (this.verity === "require") this.#checkMeasured(file, id);
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
        this.#seal(temporary.closeForWriting());
        if (this.verity === "require") this.#checkMeasured(temporary.file, id);
      };
      return placeContent(file, this.#shard(id), utf8(id.slice(2)), { ...place, prepare });
    } catch (error) {
      if (isStoreError(error, "linux/exists")) return "reused";
      throw error;
    }
  }

  #digestOf(file: File, size: number, tee: (chunk: Uint8Array) => void): string {
    const hasher = new VerityHasher({ algorithm: this.algorithm });
    let read = 0;
    const buffer = new Uint8Array(READ_SIZE);
    for (let got = file.read(buffer, 0); got > 0; got = file.read(buffer, read)) {
      const chunk = buffer.subarray(0, got);
      hasher.update(chunk);
      tee(chunk);
      read += got;
      if (read > size) break;
    }
    checkSize(read, size);
    return toHex(hasher.finish());
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
      this.#checkMeasured(file, id);
    }
    return true;
  }

  /** Seals the file and gives it its name. */
  #publish(temporary: TempFile, id: string): HowStored {
    if (this.#seals) {
      const file = temporary.closeForWriting();
      this.#seal(file);
      if (this.verity === "require") this.#checkMeasured(file, id);
    }
    const shard = this.#shard(id);
    try {
      temporary.publish(utf8(id.slice(2)), { existing: "fail", sync: "none" }, shard.fd, shard.label);
      return "copied";
    } catch (error) {
      if (isStoreError(error, "linux/exists")) return "reused";
      throw error;
    }
  }

  /** Enables fs-verity; where the file system cannot, only a secure repository minds. */
  #seal(file: File): void {
    try {
      enableVerity(file, { algorithm: this.algorithm });
    } catch (error) {
      if (this.verity === "try" && isStoreError(error, "linux/call-unsupported")) {
        this.#seals = false;
        return;
      }
      throw composefsErrors.error("verity-required", "fs-verity could not be enabled on an object", {
        cause: error,
      });
    }
  }

  #checkMeasured(file: File, id: string): void {
    const measured = measureVerity(file);
    if (measured.state !== "enabled") {
      throw composefsErrors.error("verity-missing", `object ${id} has no fs-verity`, {
        context: { digest: id },
      });
    }
    if (measured.algorithm !== this.algorithm || measured.digest !== id) {
      throw composefsErrors.error("object-mismatch", `object ${id} is measured as ${measured.digest}`, {
        context: { digest: id },
      });
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

/** What an object that is being filled needs of its store. */
interface Filler {
  readonly open: () => TempFile;
  readonly put: (bytes: Uint8Array) => StoredObject;
  readonly publish: (temporary: TempFile, id: string) => StoredObject;
}

/** Contents of up to this many bytes are put together in memory, so that one that is there already is not written. */
const SMALL = 1 << 18;
let room: Buffer | undefined;
/** Whether the room is somebody's; another one is then made. */
let taken = false;

/** An object on its way into the store. Pieces may be written over as soon as they were taken. */
export class ObjectFilling implements Disposable {
  readonly #size: number;
  readonly #algorithm: ComposefsAlgorithm;
  readonly #filler: Filler;
  #written = 0;
  #small: Buffer | undefined;
  #shared = false;
  /** A first piece that is all there is. */
  #whole: StoredObject | undefined;
  #temporary: TempFile | undefined;
  #hasher: VerityHasher | undefined;

  constructor(size: number, algorithm: ComposefsAlgorithm, filler: Filler) {
    this.#size = size;
    this.#algorithm = algorithm;
    this.#filler = filler;
  }

  /** Whether it has room for another piece. */
  fits(chunk: Uint8Array): boolean {
    return this.#written + chunk.length <= this.#size || this.#excess(chunk.length);
  }

  /** Remembers that there is more than was said. */
  #excess(length: number): false {
    this.#written += length;
    return false;
  }

  write(chunk: Uint8Array): void {
    const at = this.#written;
    this.#written += chunk.length;
    if (this.#size > SMALL) {
      this.#temporary ??= this.#filler.open();
      this.#hasher ??= new VerityHasher({ algorithm: this.#algorithm });
      this.#hasher.update(chunk);
      this.#temporary.file.write(chunk);
    } else if (at === 0 && chunk.length === this.#size) this.#whole = this.#filler.put(chunk);
    else (this.#small ??= this.#take()).set(chunk, at);
  }

  /** Throws `composefs/content-size`. */
  finish(): StoredObject {
    checkSize(this.#written, this.#size);
    if (this.#whole !== undefined) return this.#whole;
    if (this.#temporary === undefined || this.#hasher === undefined)
      return this.#filler.put(this.#small?.subarray(0, this.#size) ?? new Uint8Array(0));
    return this.#filler.publish(this.#temporary, this.#hasher.finish().toString("hex"));
  }

  [Symbol.dispose](): void {
    this.#temporary?.[Symbol.dispose]();
    if (this.#shared) taken = false;
    this.#shared = false;
  }

  #take(): Buffer {
    if (taken) return Buffer.allocUnsafe(this.#size);
    taken = true;
    this.#shared = true;
    return (room ??= Buffer.allocUnsafeSlow(SMALL));
  }
}

/** Of a link in `objects/` that is about to become an object; a program that was killed may leave one. */
export const LINK_PREFIX = ".link-";

/** Four for each directory, of which there are 256. */
const WORTH_LISTING = 1024;
const OBJECTS = utf8("objects");
const READ_SIZE = 1 << 20;

function copyRefused(file: File, cause?: unknown): Error {
  return composefsErrors.error(
    "copy-refused",
    "what was allowed of reflink and hardlink failed, and copying is not allowed",
    { context: { path: file.label }, ...(cause === undefined ? {} : { cause }) },
  );
}

function checkSize(found: number, wanted: number): void {
  if (found === wanted) return;
  const how = found > wanted ? "more" : `only ${found}`;
  throw composefsErrors.error("content-size", `a content of ${wanted} bytes has ${how}`);
}

/** The object that a content of {@link ObjectStore.content} is; `undefined` for any other. */
export function objectOfContent(content: Content): string | undefined {
  return content.file === undefined ? undefined : content.file.name.slice("objects/".length).replace("/", "");
}

/** Text of a link to an object from `images/` or `streams/`. */
export function objectLink(id: string): string {
  return `../${ObjectStore.path(id)}`;
}

/** The object that such a link leads to, or `undefined` if its last two parts are no object's name. */
export function objectOfLink(target: ByteString, algorithm: ComposefsAlgorithm): string | undefined {
  const match = /(?:^|\/)([0-9a-f]{2})\/([0-9a-f]+)$/.exec(target);
  const id = `${match?.[1] ?? ""}${match?.[2] ?? ""}`;
  return isObjectId(id, algorithm) ? id : undefined;
}
