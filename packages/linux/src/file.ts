import { readSync, writeSync, ftruncateSync } from "node:fs";
import { type ByteString, Lifetime } from "@bootc-store/core";
import { KEEP_OWNER, type TimeChange, tryChmodFd, tryChownFd, tryUtimesFd } from "./calls/metadata.ts";
import { closeFd, duplicateFd, tryOpenat } from "./calls/open.ts";
import { type FileStat, statFd } from "./calls/stat.ts";
import { fdatasync, fsync } from "./calls/sync.ts";
import { AT_FDCWD, O_RDONLY, O_RDWR, O_WRONLY } from "./constants.ts";
import { linuxErrors } from "./errors.ts";
import { failure, nodeCall } from "./failure.ts";
import { procPath } from "./native-path.ts";
import { anyRecordLocks, closeSparingLocks } from "./record-locks.ts";
import { getXattr, getXattrOptional, listXattrs, removeXattr, setXattr } from "./xattr.ts";
import type { XattrMode } from "./calls/xattr.ts";

export type Access = "read" | "write" | "read-write";

export const ACCESS_FLAGS = { read: O_RDONLY, write: O_WRONLY, "read-write": O_RDWR } as const;

/** How much of a file {@link File.readAll} takes unless told otherwise: 1 GiB. */
const READ_LIMIT = 1 << 30;

/** Files up to this size are read by one call into a buffer that every read of a thread shares. */
const small = Buffer.alloc(1 << 16);

/**
 * An open file. Dispose of it (`using file = ...`) to close it. Its methods are synchronous; whoever moves much data
 * does so on the worker pool.
 */
export class File implements Disposable {
  readonly #fd: number;
  readonly #owned: boolean;
  readonly #lifetime = new Lifetime("file");
  /** For messages: the path relative to the directory that the first `Dir` was opened on. */
  readonly label: string;
  /** Bytes that a regular file had when it was opened by its name; undefined where nobody looked. */
  readonly sizeAtOpen: number | undefined;

  private constructor(fd: number, label: string, owned: boolean, sizeAtOpen?: number) {
    this.#fd = fd;
    this.label = label;
    this.#owned = owned;
    this.sizeAtOpen = sizeAtOpen;
  }

  /** Takes over a descriptor: disposing closes it. */
  static adopt(fd: number, label: string, sizeAtOpen?: number): File {
    return new File(fd, label, true, sizeAtOpen);
  }

  /** Uses a descriptor that somebody else closes, for instance one of another thread. */
  static borrow(fd: number, label: string): File {
    return new File(fd, label, false);
  }

  /** The descriptor's number, which every thread of the process may use while the file is open. */
  get fd(): number {
    this.#lifetime.assertOpen();
    return this.#fd;
  }

  stat(): FileStat {
    return statFd(this.fd, this.label);
  }

  /** One read(2) or pread(2). Returns the bytes read; 0 at the end. */
  read(into: Uint8Array, position: number | null = null): number {
    return nodeCall(this.label, () => readSync(this.fd, into, 0, into.length, position));
  }

  /** Fills `into` from `position`, or from the descriptor's own. Returns less than its length only at the end. */
  readFull(into: Uint8Array, position: number | null = null): number {
    let done = 0;
    while (done < into.length) {
      const part = done === 0 ? into : into.subarray(done);
      const count = this.read(part, position === null ? null : position + done);
      if (count === 0) break;
      done += count;
    }
    return done;
  }

  /** Everything from the descriptor's position on. Throws `linux/limit-exceeded` above `limit` bytes. */
  readAll(options: { readonly limit?: number } = {}): Buffer {
    const limit = options.limit ?? READ_LIMIT;
    // Until a read says "end": a short one is none in /proc, where a call returns a record or a page.
    const count = this.readFull(small);
    if (count < small.length) {
      this.#checkLimit(count, limit);
      return Buffer.from(small.subarray(0, count));
    }
    const head = Buffer.from(small);
    const chunks: Buffer[] = [head];
    let total = head.length;
    const expected = this.stat().size - total;
    for (let size = Math.min(Math.max(expected + 1, 1 << 16), 1 << 24); ;) {
      this.#checkLimit(total, limit);
      const chunk = Buffer.allocUnsafeSlow(size);
      const got = this.readFull(chunk);
      chunks.push(chunk.subarray(0, got));
      total += got;
      if (got < size) break;
    }
    this.#checkLimit(total, limit);
    return Buffer.concat(chunks, total);
  }

  #checkLimit(bytes: number, limit: number): void {
    if (bytes <= limit) return;
    throw linuxErrors.error("limit-exceeded", `${this.label}: more than ${limit} bytes`, {
      context: { path: this.label, limit },
    });
  }

  /** Writes all of it, at `position` or at the descriptor's own; a short write is continued. */
  write(data: Uint8Array, position: number | null = null): void {
    let done = 0;
    while (done < data.length) {
      const count = nodeCall(this.label, () =>
        writeSync(this.fd, data, done, data.length - done, position === null ? null : position + done),
      );
      if (count === 0) {
        throw linuxErrors.error(
          "write-incomplete",
          `${this.label}: ${done} of ${data.length} bytes written`,
          {
            context: { path: this.label, offset: done },
          },
        );
      }
      done += count;
    }
  }

  truncate(size: number): void {
    nodeCall(this.label, () => ftruncateSync(this.fd, size));
  }

  /** fsync(2): content and metadata are on the device when it returns. */
  sync(): void {
    fsync(this.fd, this.label);
  }

  /** fdatasync(2): content and what is needed to read it. */
  syncData(): void {
    fdatasync(this.fd, this.label);
  }

  /** The permission bits, 0 to 0o7777. */
  setMode(mode: number): void {
    const result = tryChmodFd(this.fd, mode);
    if (result < 0) throw failure("fchmod", -result, this.label);
  }

  /** Owner and group; `undefined` leaves one as it is. Clears set-id bits, so set the mode afterwards. */
  setOwner(uid: number | undefined, gid: number | undefined): void {
    const result = tryChownFd(this.fd, uid ?? KEEP_OWNER, gid ?? KEEP_OWNER);
    if (result < 0) throw failure("fchownat", -result, this.label);
  }

  setTimes(times: { readonly atime?: TimeChange; readonly mtime?: TimeChange }): void {
    const result = tryUtimesFd(this.fd, times.atime ?? "keep", times.mtime ?? "keep");
    if (result < 0) throw failure("futimens", -result, this.label);
  }

  getXattr(name: ByteString): Buffer {
    return getXattr(this.fd, name, this.label);
  }

  getXattrOptional(name: ByteString): Buffer | undefined {
    return getXattrOptional(this.fd, name, this.label);
  }

  /** Names in byte order. */
  listXattrs(): ByteString[] {
    return listXattrs(this.fd, this.label);
  }

  setXattr(name: ByteString, value: Uint8Array, mode: XattrMode = "either"): void {
    setXattr(this.fd, name, value, mode, this.label);
  }

  removeXattr(name: ByteString): void {
    removeXattr(this.fd, name, this.label);
  }

  /** The same file opened anew: another position, other access, own locks. Goes through /proc. */
  reopen(access: Access): File {
    const fd = tryOpenat(AT_FDCWD, procPath(this.fd), ACCESS_FLAGS[access]);
    if (fd < 0) throw failure("openat", -fd, this.label);
    return File.adopt(fd, this.label);
  }

  /** Another descriptor of the same opening: position and locks are shared. */
  duplicate(): File {
    return File.adopt(duplicateFd(this.fd, this.label), this.label);
  }

  get closed(): boolean {
    return this.#lifetime.disposed;
  }

  [Symbol.dispose](): void {
    if (!this.#lifetime.end() || !this.#owned) return;
    if (anyRecordLocks()) closeSparingLocks(this.#fd, this.label);
    else closeFd(this.#fd, this.label);
  }
}
