import { type ByteString, Lifetime } from "@bootc-store/core";
import { type AtomicWriteOptions, atomicWriteAt } from "./atomic-write.ts";
import { tryMkdirAt } from "./calls/directory.ts";
import {
  type RenameMode,
  tryLinkAt,
  tryMknodAt,
  tryReadlinkAt,
  tryRenameAt,
  trySymlinkAt,
} from "./calls/link.ts";
import { KEEP_OWNER, type TimeChange, tryChmodAt, tryChownAt, tryUtimesAt } from "./calls/metadata.ts";
import { closeFd, duplicateFd, tryOpenat } from "./calls/open.ts";
import {
  type DeviceNumber,
  type FileStat,
  type FileSystemStat,
  type FileType,
  fileTypeOf,
  statFd,
  statFileSystem,
  tryModeAt,
  tryStatAt,
} from "./calls/stat.ts";
import { syncfs } from "./calls/sync.ts";
import {
  AT_FDCWD,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOFOLLOW,
  O_PATH,
  O_RDONLY,
  S_IFBLK,
  S_IFCHR,
  S_IFIFO,
  S_IFSOCK,
} from "./constants.ts";
import { tryLockAt } from "./dir-lock.ts";
import { type EnsureDirOptions, ensureDirAt, tryRemoveAt } from "./dir-names.ts";
import { openDirectory, openFileAt, type OpenFileOptions } from "./dir-open.ts";
import { syncDirectory } from "./durability.ts";
import { EINVAL, ENOENT } from "./errno.ts";
import { linuxErrors } from "./errors.ts";
import { failure, failureAs, subjectOf } from "./failure.ts";
import { ACCESS_FLAGS, File } from "./file.ts";
import { type DirEntry, ENTRY_LIMIT, readSorted, shown } from "./list.ts";
import { type Lock, type LockOptions, type LockWaitOptions, waitForLock } from "./lock.ts";
import { checkName } from "./name.ts";
import { type HowPlaced, placeContent, type PlaceOptions } from "./reflink.ts";
import { removeTree } from "./remove-all.ts";
import { inParent, type ResolveOptions, tryResolve } from "./resolve.ts";
import { TempFile, type TempFileOptions } from "./temp-file.ts";
import { walk, type WalkEntry, type WalkOptions } from "./walk.ts";
import { getXattr, getXattrOptional, listXattrs, removeXattr, setXattr } from "./xattr.ts";
import type { XattrMode, XattrTarget } from "./calls/xattr.ts";

export interface StatOptions extends ResolveOptions {
  /** With the resolutions that follow links, whether a link at the end is followed too. Default false. */
  readonly follow?: boolean;
}

/** Kinds of files that {@link Dir.mknod} makes. */
export type NodeType = "character" | "block" | "fifo" | "socket";

const NODE_MODES = { character: S_IFCHR, block: S_IFBLK, fifo: S_IFIFO, socket: S_IFSOCK } as const;

/**
 * An open directory, and the right to work in it: everything is relative to it, and nothing outside of it can be
 * reached. Names and paths are byte strings; a path has no `..`, is not absolute and, unless another resolution is
 * asked for, has no symbolic link in it. Methods are synchronous, as a metadata call takes less time than a promise.
 *
 * Dispose of it (`using dir = ...`) to close it.
 */
export class Dir implements Disposable {
  readonly #fd: number;
  readonly #owned: boolean;
  readonly #lifetime = new Lifetime("directory");
  /** For messages: where it is, relative to the directory that paths start at; empty for that one itself. */
  readonly label: string;

  private constructor(fd: number, label: string, owned: boolean) {
    this.#fd = fd;
    this.label = label;
    this.#owned = owned;
  }

  /**
   * Opens a directory of the host by its path, following links as everyone does. This is where a path becomes a
   * capability, so it belongs into applications and nowhere else. Labels start anew here.
   */
  static openHost(path: ByteString): Dir {
    if (path === "" || path.includes("\0")) {
      throw linuxErrors.error(path === "" ? "name-empty" : "name-nul", "not a path", { context: { path } });
    }
    const fd = openDirectory((flags) => tryOpenat(AT_FDCWD, path, flags));
    if (fd < 0) throw failure("openat", -fd, subjectOf("", path));
    return new Dir(fd, "", true);
  }

  /** Takes over a descriptor of a directory: disposing closes it. */
  static adopt(fd: number, label = ""): Dir {
    return new Dir(fd, label, true);
  }

  /** Uses a descriptor that somebody else closes: how workers get at directories that the main thread opened. */
  static borrow(fd: number, label = ""): Dir {
    return new Dir(fd, label, false);
  }

  /** The descriptor's number, which every thread of the process may use while the directory is open. */
  get fd(): number {
    this.#lifetime.assertOpen();
    return this.#fd;
  }

  get closed(): boolean {
    return this.#lifetime.disposed;
  }

  /** Another handle of the same directory, closed on its own. */
  duplicate(): Dir {
    return new Dir(duplicateFd(this.fd, shown(this.label)), this.label, true);
  }

  /** The label of something below, for messages. */
  labelOf(path: ByteString): string {
    return subjectOf(this.label, path);
  }

  // Opening

  openDir(path: ByteString, options?: ResolveOptions): Dir {
    const fd = this.#tryOpenDir(path, options);
    if (fd < 0) throw failure("openat", -fd, this.labelOf(path));
    return new Dir(fd, this.labelOf(path), true);
  }

  openDirOptional(path: ByteString, options?: ResolveOptions): Dir | undefined {
    const fd = this.#tryOpenDir(path, options);
    if (fd === -ENOENT) return undefined;
    if (fd < 0) throw failure("openat", -fd, this.labelOf(path));
    return new Dir(fd, this.labelOf(path), true);
  }

  #tryOpenDir(path: ByteString, options: ResolveOptions | undefined): number {
    return openDirectory((flags) => tryResolve(this.fd, path, flags, 0, this.label, options));
  }

  openFile(path: ByteString, options: OpenFileOptions = {}): File {
    const file = this.openFileOptional(path, options);
    if (file === undefined) throw failure("openat", ENOENT, this.labelOf(path));
    return file;
  }

  openFileOptional(path: ByteString, options: OpenFileOptions = {}): File | undefined {
    return openFileAt(this.fd, path, this.label, options);
  }

  /** Makes a file that must not exist yet and opens it for reading and writing. */
  createNew(path: ByteString, options: { readonly mode?: number } & ResolveOptions = {}): File {
    return inParent(this.fd, path, this.label, options, (parent, name) => {
      const fd = tryOpenat(parent, name, O_RDWR_NEW, options.mode ?? 0o644);
      if (fd < 0) throw failure("openat", -fd, this.labelOf(path));
      return File.adopt(fd, this.labelOf(path));
    });
  }

  /** The whole content of a regular file. Throws `linux/limit-exceeded` above `limit` bytes, 1 GiB if not given. */
  readFile(path: ByteString, options: ResolveOptions & { readonly limit?: number } = {}): Buffer {
    using file = this.openFile(path, options);
    return file.readAll(options);
  }

  readFileOptional(
    path: ByteString,
    options: ResolveOptions & { readonly limit?: number } = {},
  ): Buffer | undefined {
    using file = this.openFileOptional(path, options);
    return file?.readAll(options);
  }

  // Looking

  /** A file's metadata; of a symbolic link, its own. */
  stat(path: ByteString, options?: StatOptions): FileStat {
    const found = this.#tryStat(path, options);
    if (typeof found === "number") throw failure("statx", -found, this.labelOf(path));
    return found;
  }

  /** What kind of file is there, for less than a {@link Dir.stat}; `undefined` where nothing is. */
  typeOptional(path: ByteString, options?: ResolveOptions): FileType | undefined {
    const mode = this.#optional(() => inParent(this.fd, path, this.label, options, tryModeAt));
    if (mode >= 0) return fileTypeOf(mode);
    if (mode === -ENOENT) return undefined;
    throw failure("statx", -mode, this.labelOf(path));
  }

  statOptional(path: ByteString, options?: StatOptions): FileStat | undefined {
    const found = this.#tryStat(path, options);
    if (typeof found !== "number") return found;
    if (found === -ENOENT) return undefined;
    throw failure("statx", -found, this.labelOf(path));
  }

  #tryStat(path: ByteString, options: StatOptions | undefined): FileStat | number {
    if (options?.follow === true) {
      const fd = tryResolve(this.fd, path, O_PATH, 0, this.label, options);
      if (fd < 0) return fd;
      using file = File.adopt(fd, this.labelOf(path));
      return file.stat();
    }
    return this.#optional(() => inParent(this.fd, path, this.label, options, tryStatAt));
  }

  /** A missing directory on the way is an absent file as well. */
  #optional<T>(work: () => T): T | number {
    try {
      return work();
    } catch (error) {
      if ((error as { code?: string }).code === "linux/not-found") return -ENOENT;
      throw error;
    }
  }

  /** Metadata of the directory itself. */
  statSelf(): FileStat {
    return statFd(this.fd, shown(this.label));
  }

  /** The file system that the directory is on. */
  info(): FileSystemStat {
    return statFileSystem(this.fd, shown(this.label));
  }

  /** All entries, in byte order. Throws `linux/limit-exceeded` above `limit`, 4 million if not given. */
  list(options: { readonly limit?: number } = {}): DirEntry[] {
    const fd = tryOpenat(this.fd, ".", O_RDONLY | O_DIRECTORY);
    if (fd < 0) throw failure("openat", -fd, shown(this.label));
    using _listing = File.adopt(fd, this.label);
    return readSorted(fd, this.label, options.limit ?? ENTRY_LIMIT);
  }

  /** Everything below, in byte order, links not followed. */
  walk(options?: WalkOptions): Generator<WalkEntry, void, void> {
    return walk(this.fd, this.label, options);
  }

  readLink(path: ByteString, options?: ResolveOptions): ByteString {
    const text = this.readLinkOptional(path, options);
    if (text === undefined) throw failure("readlinkat", ENOENT, this.labelOf(path));
    return text;
  }

  /** `undefined` where nothing is; `linux/not-a-symlink` where something else is. */
  readLinkOptional(path: ByteString, options?: ResolveOptions): ByteString | undefined {
    const text = this.#optional(() => inParent(this.fd, path, this.label, options, tryReadlinkAt));
    if (typeof text === "string") return text;
    if (text === -ENOENT) return undefined;
    if (text === -EINVAL) {
      throw failureAs("not-a-symlink", "readlinkat", EINVAL, this.labelOf(path), "not a symbolic link");
    }
    throw failure("readlinkat", -text, this.labelOf(path));
  }

  // Making and removing names

  /** Makes a directory that must not exist yet. The mode is subject to the umask. */
  makeDir(path: ByteString, mode = 0o755, options?: ResolveOptions): void {
    this.#change("mkdirat", path, options, (parent, name) => tryMkdirAt(parent, name, mode));
  }

  /**
   * Makes a directory, and with `parents` those on the way, where they are missing. Says whether the last one was
   * made. What is there must be a directory and no link to one.
   */
  ensureDir(path: ByteString, options: EnsureDirOptions = {}): "created" | "existed" {
    return ensureDirAt(this.fd, path, this.label, options);
  }

  /**
   * Renames within this directory, or into `options.to`. The default replaces a file or an empty directory that has
   * the new name. Nothing is synced; see {@link Dir.sync}.
   */
  rename(
    from: ByteString,
    to: ByteString,
    options: { readonly mode?: RenameMode; readonly to?: Dir } & ResolveOptions = {},
  ): void {
    const target = options.to ?? this;
    const mode = options.mode ?? "replace";
    const result = inParent(this.fd, from, this.label, options, (fromDir, fromName) =>
      inParent(target.fd, to, target.label, options, (toDir, toName) =>
        tryRenameAt(fromDir, fromName, toDir, toName, mode),
      ),
    );
    if (result < 0)
      throw this.#twoNames(mode === "replace" ? "renameat" : "renameat2", -result, from, target, to);
  }

  /** A second name for a file, in this directory or in `options.to`; of a symbolic link, for the link. */
  link(from: ByteString, to: ByteString, options: { readonly to?: Dir } & ResolveOptions = {}): void {
    const target = options.to ?? this;
    const result = inParent(this.fd, from, this.label, options, (fromDir, fromName) =>
      inParent(target.fd, to, target.label, options, (toDir, toName) =>
        tryLinkAt(fromDir, fromName, toDir, toName),
      ),
    );
    if (result < 0) throw this.#twoNames("linkat", -result, from, target, to);
  }

  /** Either name may be the one that is meant, so the message has both; the path is the new one's. */
  #twoNames(call: string, errno: number, from: ByteString, target: Dir, to: ByteString): Error {
    return failure(call, errno, `${this.labelOf(from)} -> ${target.labelOf(to)}`, {
      path: errno === ENOENT ? this.labelOf(from) : target.labelOf(to),
    });
  }

  /** A symbolic link with any text. */
  symlink(target: ByteString, path: ByteString, options?: ResolveOptions): void {
    if (target === "" || target.includes("\0")) {
      throw linuxErrors.error(target === "" ? "name-empty" : "name-nul", "not a text for a symbolic link");
    }
    this.#change("symlinkat", path, options, (parent, name) => trySymlinkAt(target, parent, name));
  }

  /** A device node, fifo or socket; permission bits are subject to the umask. A whiteout is character 0/0. */
  mknod(
    path: ByteString,
    type: NodeType,
    options: { readonly mode?: number; readonly device?: DeviceNumber } & ResolveOptions = {},
  ): void {
    const { major, minor } = options.device ?? { major: 0, minor: 0 };
    const mode = NODE_MODES[type] | (options.mode ?? 0o600);
    this.#change("mknodat", path, options, (parent, name) => tryMknodAt(parent, name, mode, major, minor));
  }

  /** Removes a name that is a file of any kind or an empty directory. */
  remove(path: ByteString, options?: ResolveOptions): void {
    if (!this.removeOptional(path, options)) throw failure("unlinkat", ENOENT, this.labelOf(path));
  }

  /** {@link Dir.remove} that says false where nothing was. */
  removeOptional(path: ByteString, options?: ResolveOptions): boolean {
    const result = this.#optional(() => inParent(this.fd, path, this.label, options, tryRemoveAt));
    if (result === 0) return true;
    if (result === -ENOENT) return false;
    throw failure("unlinkat", -result, this.labelOf(path));
  }

  /**
   * Removes a name and everything below it, following nothing, whatever others do meanwhile. Returns how many names
   * were removed; 0 if nothing was there.
   */
  removeAll(path: ByteString, options?: ResolveOptions): number {
    return inParent(this.fd, path, this.label, options, (parent, name) =>
      removeTree(parent, name, this.label),
    );
  }

  // Content

  /** Puts content under a name in one step; see {@link AtomicWriteOptions} and `atomic-write.ts` for the order. */
  atomicWrite(
    name: ByteString,
    content: Uint8Array | ((file: File) => void),
    options?: AtomicWriteOptions,
  ): void {
    checkName(name);
    atomicWriteAt(this.fd, this.label, name, content, options);
  }

  /** A file without a name, to be filled and then published in this directory or another of its file system. */
  tempFile(options?: TempFileOptions): TempFile {
    return TempFile.create(this.fd, this.label, options);
  }

  /** Puts the content of an open file under a name: shared blocks, else a link where asked, else a copy. Says which. */
  cloneFrom(source: File, name: ByteString, options?: PlaceOptions): HowPlaced {
    checkName(name);
    return placeContent(source, this, name, options);
  }

  // Metadata

  getXattr(path: ByteString, xattr: ByteString, options?: ResolveOptions): Buffer {
    return this.#xattr(path, options, (target, subject) => getXattr(target, xattr, subject));
  }

  /** `undefined` where the file has no such attribute. The file itself must be there. */
  getXattrOptional(path: ByteString, xattr: ByteString, options?: ResolveOptions): Buffer | undefined {
    return this.#xattr(path, options, (target, subject) => getXattrOptional(target, xattr, subject));
  }

  /** Names in byte order; of a symbolic link, its own. */
  listXattrs(path: ByteString, options?: ResolveOptions): ByteString[] {
    return this.#xattr(path, options, listXattrs);
  }

  setXattr(
    path: ByteString,
    xattr: ByteString,
    value: Uint8Array,
    options: { readonly mode?: XattrMode } & ResolveOptions = {},
  ): void {
    this.#xattr(path, options, (target, subject) =>
      setXattr(target, xattr, value, options.mode ?? "either", subject),
    );
  }

  removeXattr(path: ByteString, xattr: ByteString, options?: ResolveOptions): void {
    this.#xattr(path, options, (target, subject) => removeXattr(target, xattr, subject));
  }

  #xattr<T>(
    path: ByteString,
    options: ResolveOptions | undefined,
    work: (target: XattrTarget, subject: string) => T,
  ): T {
    return inParent(this.fd, path, this.label, options, (parent, name) =>
      work({ dir: parent, name }, this.labelOf(path)),
    );
  }

  /** The permission bits, 0 to 0o7777. A symbolic link has none: `linux/call-unsupported`. */
  setMode(path: ByteString, mode: number, options?: ResolveOptions): void {
    this.#change("fchmodat2", path, options, (parent, name) => tryChmodAt(parent, name, mode));
  }

  /** Owner and group, of a symbolic link its own; `undefined` leaves one as it is. Clears set-id bits. */
  setOwner(
    path: ByteString,
    uid: number | undefined,
    gid: number | undefined,
    options?: ResolveOptions,
  ): void {
    this.#change("fchownat", path, options, (parent, name) =>
      tryChownAt(parent, name, uid ?? KEEP_OWNER, gid ?? KEEP_OWNER),
    );
  }

  /** Times, of a symbolic link its own; one that is left out stays. */
  setTimes(
    path: ByteString,
    times: { readonly atime?: TimeChange; readonly mtime?: TimeChange },
    options?: ResolveOptions,
  ): void {
    this.#change("utimensat", path, options, (parent, name) =>
      tryUtimesAt(parent, name, times.atime ?? "keep", times.mtime ?? "keep"),
    );
  }

  /** A handle of the directory itself on which file operations work: mode, owner, times, attributes, locks. */
  self(): File {
    return File.borrow(this.fd, shown(this.label));
  }

  // Locks

  /**
   * Takes a lock on a file of this directory, or with `undefined` on the directory itself, without waiting.
   * `undefined`: somebody else has it.
   *
   * A lock has an open file of its own, so it conflicts with any other, of this process too. Locks of kind `record`
   * belong to the process: they are kept in one place, see `record-locks.ts`; never close a descriptor of a locked
   * file by other means than this package's.
   */
  tryLock(path: ByteString | undefined, options: LockOptions): Lock | undefined {
    return tryLockAt(this.fd, path, this.label, options);
  }

  /** {@link Dir.tryLock} that waits, while the event loop runs, until `timeout` or `signal` end it. */
  async lock(path: ByteString | undefined, options: LockWaitOptions): Promise<Lock> {
    const subject = path === undefined ? shown(this.label) : this.labelOf(path);
    return await waitForLock(() => this.tryLock(path, options), subject, options);
  }

  /** fsync(2) of the directory: its names are on the device when it returns. */
  sync(): void {
    syncDirectory(this.fd, shown(this.label));
  }

  /** syncfs(2): everything dirty on the file system. */
  syncFileSystem(): void {
    syncfs(this.fd, shown(this.label));
  }

  #change(
    call: string,
    path: ByteString,
    options: ResolveOptions | undefined,
    work: (parent: number, name: ByteString) => number,
  ): void {
    const result = inParent(this.fd, path, this.label, options, work);
    if (result < 0) throw failure(call, -result, this.labelOf(path));
  }

  [Symbol.dispose](): void {
    if (this.#lifetime.end() && this.#owned) closeFd(this.#fd, shown(this.label));
  }
}

const O_RDWR_NEW = ACCESS_FLAGS["read-write"] | O_CREAT | O_EXCL | O_NOFOLLOW;
