import { randomBytes } from "node:crypto";
import { type ByteString, Lifetime } from "@bootc-store/core";
import { tryUnlinkAt } from "./calls/directory.ts";
import { tryLinkFd, tryRenameAt } from "./calls/link.ts";
import { tryOpenat } from "./calls/open.ts";
import { AT_FDCWD, O_CREAT, O_EXCL, O_NOFOLLOW, O_RDONLY, O_RDWR, O_TMPFILE } from "./constants.ts";
import { type SyncPolicy, syncAfterName, syncBeforeName } from "./durability.ts";
import { EEXIST, EISDIR, ENOENT, EOPNOTSUPP } from "./errno.ts";
import { failure, subjectOf } from "./failure.ts";
import { File } from "./file.ts";
import { checkName } from "./name.ts";
import { procPath } from "./native-path.ts";

/** Names of temporary files start with this, so that leftovers of a crash can be told. */
export const TEMP_PREFIX = ".tmp-";

export interface TempFileOptions {
  /** Permission bits, subject to the umask. Default 0o600. */
  readonly mode?: number;
  /** True makes it under a temporary name even where an unnamed file could be had. */
  readonly named?: boolean;
}

export interface PublishOptions {
  /** What if the name is taken: `replace` it, or fail with `linux/exists` (the default). */
  readonly existing?: "replace" | "fail";
  /** Default `data-and-directories`. */
  readonly sync?: SyncPolicy;
}

/**
 * A file without a name yet (O_TMPFILE), or under a temporary one where the file system cannot do that. It gets its
 * name by {@link TempFile.publish}; disposed before that, it leaves nothing behind.
 */
export class TempFile implements Disposable {
  readonly #dirFd: number;
  readonly #dirLabel: string;
  #name: ByteString | undefined;
  #file: File;
  readonly #lifetime = new Lifetime("temporary file");

  private constructor(dirFd: number, dirLabel: string, file: File, name: ByteString | undefined) {
    this.#dirFd = dirFd;
    this.#dirLabel = dirLabel;
    this.#file = file;
    this.#name = name;
  }

  /** @param dirFd stays the caller's and must be open until the file is published or disposed of. */
  static create(dirFd: number, dirLabel: string, options: TempFileOptions = {}): TempFile {
    const mode = options.mode ?? 0o600;
    const label = dirLabel === "" ? "(temporary file)" : `${dirLabel}/(temporary file)`;
    if (options.named !== true) {
      const fd = tryOpenat(dirFd, ".", O_TMPFILE | O_RDWR, mode);
      if (fd >= 0) return new TempFile(dirFd, dirLabel, File.adopt(fd, label), undefined);
      // EISDIR and ENOENT come from kernels and file systems that do not know the flag.
      if (fd !== -EOPNOTSUPP && fd !== -EISDIR && fd !== -ENOENT)
        throw failure("openat O_TMPFILE", -fd, label);
    }
    for (;;) {
      const name = tempName();
      const fd = tryOpenat(dirFd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
      if (fd >= 0) return new TempFile(dirFd, dirLabel, File.adopt(fd, label), name);
      if (fd !== -EEXIST) throw failure("openat", -fd, subjectOf(dirLabel, name));
    }
  }

  /** The open file, for reading and writing until {@link TempFile.closeForWriting}. */
  get file(): File {
    this.#lifetime.assertOpen();
    return this.#file;
  }

  /** Its temporary name, if it has one. */
  get temporaryName(): ByteString | undefined {
    return this.#name;
  }

  /** Opens it anew for reading and closes the writable descriptor, as enabling fs-verity wants. Returns the new file. */
  closeForWriting(): File {
    const fd = tryOpenat(AT_FDCWD, procPath(this.file.fd), O_RDONLY);
    if (fd < 0) throw failure("openat", -fd, this.#file.label);
    const writable = this.#file;
    this.#file = File.adopt(fd, writable.label);
    writable[Symbol.dispose]();
    return this.#file;
  }

  /**
   * Gives the file its name, in this order: the file is synced, it gets the name in one step, the directory is synced;
   * the policy leaves out syncs, never reorders. Whoever looks sees the old file or the whole new one.
   *
   * An unnamed file cannot take the place of another in one step: it is linked under a temporary name, which is then
   * renamed. A crash in between leaves a file that starts with {@link TEMP_PREFIX}.
   * @param dirFd where the name is to be; must be on the same file system.
   */
  publish(
    name: ByteString,
    options: PublishOptions = {},
    dirFd = this.#dirFd,
    dirLabel = this.#dirLabel,
  ): void {
    checkName(name);
    const { existing = "fail", sync = "data-and-directories" } = options;
    const subject = subjectOf(dirLabel, name);
    syncBeforeName(this.file.fd, sync, subject);
    if (this.#name === undefined) {
      const result = linkFd(this.#file.fd, dirFd, name, existing);
      if (result < 0) throw failure("linkat", -result, subject);
    } else this.#renameInto(this.#name, this.#dirFd, name, existing, dirFd, subject);
    syncAfterName(dirFd, sync, subject);
  }

  #renameInto(
    from: ByteString,
    fromDir: number,
    name: ByteString,
    existing: "replace" | "fail",
    dirFd: number,
    subject: string,
  ): void {
    if (existing === "replace") {
      const result = tryRenameAt(fromDir, from, dirFd, name, "replace");
      if (result < 0) throw failure("renameat", -result, subject);
    } else {
      // A link fails if the name is taken on every file system; renameat2's noreplace does not work on all.
      const result = tryLinkFd(this.#file.fd, dirFd, name);
      if (result < 0) throw failure("linkat", -result, subject);
      tryUnlinkAt(fromDir, from);
    }
    this.#name = undefined;
  }

  [Symbol.dispose](): void {
    if (!this.#lifetime.end()) return;
    if (this.#name !== undefined) tryUnlinkAt(this.#dirFd, this.#name);
    this.#file[Symbol.dispose]();
  }
}

/**
 * Gives an open file a name. A link cannot take the place of a name, so to replace one it is made under a temporary
 * name and renamed. Returns 0 or the negated errno.
 */
export function linkFd(fd: number, dirFd: number, name: ByteString, existing: "replace" | "fail"): number {
  const result = tryLinkFd(fd, dirFd, name);
  if (result !== -EEXIST || existing === "fail") return result;
  for (;;) {
    const temporary = tempName();
    const linked = tryLinkFd(fd, dirFd, temporary);
    if (linked === -EEXIST) continue;
    if (linked < 0) return linked;
    const renamed = tryRenameAt(dirFd, temporary, dirFd, name, "replace");
    // Renaming one name of a file over another of the same file does nothing at all, and leaves both.
    tryUnlinkAt(dirFd, temporary);
    return renamed;
  }
}

function tempName(): ByteString {
  return `${TEMP_PREFIX}${randomBytes(9).toString("base64url")}` as ByteString;
}

/** For tests of leftovers and for collectors: whether a name is one of ours. */
export function isTempName(name: ByteString): boolean {
  return name.startsWith(TEMP_PREFIX);
}
