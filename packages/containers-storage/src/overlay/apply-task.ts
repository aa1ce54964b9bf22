// What a worker does with a batch of a layer's entries. Batches of one layer come one after the other, so an entry finds
// what those before it made.

import { bytesOf, type ByteString, isStoreError, utf8 } from "@bootc-store/core";
import { cloneFile, defineTask, Dir, type File, throwIfCancelled, type TimeSpec } from "@bootc-store/linux";

import { containersStorageErrors } from "../errors.ts";
import { Crc64, type Crc64State } from "../format/crc64.ts";
import type { ApplyBatch, ApplyEntry, ApplyResult, CloneFrom, EntryTimes } from "./apply-entry.ts";

const OPAQUE = utf8("trusted.overlay.opaque");
const YES = Buffer.from("y");
/** Paths are resolved as in a chroot: links of the layer itself are followed, and lead nowhere outside. */
const IN_ROOT = { resolution: "inRoot" } as const;

export const applyEntries = defineTask(
  import.meta.url,
  "applyEntries",
  (batch: ApplyBatch, context): ApplyResult => {
    using root = Dir.borrow(batch.dir, batch.label);
    using extractor = new Extractor(root, batch);
    for (const entry of batch.entries) {
      throwIfCancelled(context.signal);
      extractor.apply(entry);
    }
    context.transfer(batch.data.buffer);
    return { ...extractor.result(), data: batch.data };
  },
);

class Extractor implements Disposable {
  readonly #root: Dir;
  readonly #data: Uint8Array;
  readonly #carry: Crc64State | undefined;
  #parentPath: ByteString | undefined;
  #parent: Dir | undefined;
  readonly #crcs: Crc64State[] = [];
  readonly #cloned = { files: 0, bytes: 0 };
  readonly #copied = { files: 0, bytes: 0 };

  constructor(root: Dir, batch: ApplyBatch) {
    this.#root = root;
    this.#data = batch.data;
    this.#carry = batch.carry;
  }

  result(): Omit<ApplyResult, "data"> {
    return { crcs: this.#crcs, cloned: this.#cloned, copied: this.#copied };
  }

  apply(entry: ApplyEntry): void {
    switch (entry.kind) {
      case "opaque": {
        if (entry.path === "") this.#root.self().setXattr(OPAQUE, YES);
        else {
          using dir = this.#openOrMake(entry.path);
          dir.self().setXattr(OPAQUE, YES);
        }
        return;
      }
      case "times": {
        const [parent, name] = this.#place(entry.path);
        parent.setTimes(name, timesOf(entry.times));
        return;
      }
      case "whiteout":
        this.#whiteout(entry);
        return;
      case "file":
        this.#file(entry);
        return;
      default:
        this.#node(entry);
    }
  }

  #whiteout(entry: Extract<ApplyEntry, { kind: "whiteout" }>): void {
    let place: readonly [Dir, ByteString];
    try {
      place = this.#place(entry.path);
    } catch (error) {
      // What is inside something that the same layer removes is removed with it.
      if (isStoreError(error, "linux/not-a-directory")) return;
      throw error;
    }
    const [parent, name] = place;
    parent.mknod(name, "character", { mode: 0, device: { major: 0, minor: 0 } });
    parent.setOwner(name, entry.uid, entry.gid);
  }

  #file(entry: Extract<ApplyEntry, { kind: "file" }>): void {
    const { piece } = entry;
    const [parent, name] = this.#place(entry.path);
    using file = piece.offset === 0 ? this.#create(parent, name) : parent.openFile(name, { access: "write" });
    const data = this.#data.subarray(piece.at, piece.at + piece.length);
    const cloned = piece.clone !== undefined && shareBlocks(piece.clone, piece, file);
    if (!cloned && data.length > 0) file.write(data, piece.offset);
    const crc = new Crc64(piece.offset === 0 ? undefined : this.#carry);
    crc.update(data);
    this.#crcs.push(crc.state);
    const tally = cloned ? this.#cloned : this.#copied;
    tally.bytes += data.length;
    if (!piece.last) return;
    tally.files++;
    // In this order: a change of owner clears set-id bits and capabilities.
    file.setOwner(entry.uid, entry.gid);
    file.setMode(entry.mode);
    file.setTimes(timesOf(entry.times));
    for (const [key, value] of entry.xattrs) file.setXattr(key, bytesOf(value));
  }

  #create(parent: Dir, name: ByteString): File {
    try {
      return parent.createNew(name, { mode: 0o600 });
    } catch (error) {
      if (!isStoreError(error, "linux/exists")) throw error;
      this.#remove(parent, name);
      return parent.createNew(name, { mode: 0o600 });
    }
  }

  #node(entry: Exclude<ApplyEntry, { kind: "file" | "opaque" | "times" | "whiteout" }>): void {
    const [parent, name] = this.#place(entry.path);
    const make = (): void => this.#makeNode(parent, name, entry);
    try {
      make();
    } catch (error) {
      if (!isStoreError(error, "linux/exists")) throw error;
      const isDirectory = entry.kind === "directory" && parent.stat(name).type === "directory";
      if (!isDirectory) {
        this.#remove(parent, name);
        make();
      }
    }
    parent.setOwner(name, entry.uid, entry.gid);
    const bare =
      entry.kind === "symlink" || (entry.kind === "hardlink" && parent.stat(name).type === "symlink");
    if (!bare) parent.setMode(name, entry.mode);
    if (!bare || entry.kind === "symlink") parent.setTimes(name, timesOf(entry.times));
    for (const [key, value] of entry.xattrs) parent.setXattr(name, key, bytesOf(value));
  }

  #makeNode(
    parent: Dir,
    name: ByteString,
    entry: Exclude<ApplyEntry, { kind: "file" | "opaque" | "times" | "whiteout" }>,
  ): void {
    switch (entry.kind) {
      case "directory":
        return parent.makeDir(name, 0o700);
      case "symlink":
        return parent.symlink(entry.target, name);
      case "fifo":
        return parent.mknod(name, "fifo", { mode: 0o600 });
      case "char":
      case "block": {
        const device = { major: entry.major, minor: entry.minor };
        return parent.mknod(name, entry.kind === "char" ? "character" : "block", { mode: 0o600, device });
      }
      case "hardlink":
        return this.#link(parent, name, entry.target);
    }
  }

  #link(parent: Dir, name: ByteString, target: ByteString): void {
    const clean = rooted(target);
    const slash = clean.lastIndexOf("/");
    const from = clean.slice(slash + 1) as ByteString;
    if (from === "") throw notTarget(name, target);
    if (slash < 0) return this.#root.link(from, name, { to: parent });
    using dir = this.#root.openDirOptional(clean.slice(0, slash) as ByteString, IN_ROOT);
    if (dir === undefined) throw notTarget(name, target);
    dir.link(from, name, { to: parent });
  }

  /** The directory that a path's last component is in, made with all above it where it is missing, and that component. */
  #place(path: ByteString): readonly [Dir, ByteString] {
    const slash = path.lastIndexOf("/");
    if (slash < 0) return [this.#root, path];
    const parentPath = path.slice(0, slash) as ByteString;
    const name = path.slice(slash + 1) as ByteString;
    if (this.#parent !== undefined && this.#parentPath === parentPath) return [this.#parent, name];
    this.#forget();
    this.#parent = this.#openOrMake(parentPath);
    this.#parentPath = parentPath;
    return [this.#parent, name];
  }

  #openOrMake(path: ByteString): Dir {
    const found = this.#root.openDirOptional(path, IN_ROOT);
    if (found !== undefined) return found;
    for (let end = path.indexOf("/"); ; end = path.indexOf("/", end + 1)) {
      const part = (end < 0 ? path : path.slice(0, end)) as ByteString;
      using there = this.#root.openDirOptional(part, IN_ROOT);
      if (there === undefined) {
        this.#root.makeDir(part, 0o755, IN_ROOT);
        this.#root.setMode(part, 0o755, IN_ROOT);
      }
      if (end < 0) return this.#root.openDir(path, IN_ROOT);
    }
  }

  /** Removes what has a name. Unless it is in the directory that is kept open, it may be on the way to that one. */
  #remove(parent: Dir, name: ByteString): void {
    if (parent !== this.#parent) this.#forget();
    parent.removeAll(name);
  }

  #forget(): void {
    this.#parent?.[Symbol.dispose]();
    this.#parent = undefined;
    this.#parentPath = undefined;
  }

  [Symbol.dispose](): void {
    this.#forget();
  }
}

/** With the first piece tries to share all of the file's blocks; with a later one says whether that was done. */
function shareBlocks(from: CloneFrom, piece: { readonly offset: number }, to: File): boolean {
  if (piece.offset > 0) return to.stat().size > piece.offset;
  using dir = Dir.borrow(from.dir);
  using source = dir.openFile(from.name);
  if (source.stat().size !== from.size) return false;
  return cloneFile(source, to);
}

function timesOf(times: EntryTimes): { atime: TimeSpec; mtime: TimeSpec } {
  const spec = ([seconds, nanoseconds]: readonly [number, number]): TimeSpec => ({ seconds, nanoseconds });
  return { atime: spec(times.atime), mtime: spec(times.mtime) };
}

/** A link's target as a path from the layer's root. */
function rooted(target: ByteString): ByteString {
  const parts: string[] = [];
  for (const part of target.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return parts.join("/") as ByteString;
}

function notTarget(name: ByteString, target: ByteString): Error {
  return containersStorageErrors.error(
    "layer-entry-invalid",
    `the hard link "${name}" has the target "${target}", which is not there`,
    { context: { path: name } },
  );
}
