import type { ByteString } from "@bootc-store/core";
import { tryClone } from "./calls/clone.ts";
import type { TimeChange } from "./calls/metadata.ts";
import { copyContent } from "./copy.ts";
import type { Dir } from "./dir.ts";
import type { SyncPolicy } from "./durability.ts";
import { syncAfterName } from "./durability.ts";
import { EMLINK, EPERM, EXDEV } from "./errno.ts";
import { linuxErrors } from "./errors.ts";
import { failure } from "./failure.ts";
import type { File } from "./file.ts";
import { linkFd, type TempFile } from "./temp-file.ts";
import { cannotClone, fileSystemKey } from "./reflink-probe.ts";
import type { CancelSignal } from "./signal.ts";

/** How content came to be at its place: blocks shared, the same inode under a second name, or blocks of its own. */
export type HowPlaced = "cloned" | "linked" | "copied";

/** Makes `to`, an empty file open for writing, share the blocks of `from`. False where these two cannot. */
export function cloneFile(from: File, to: File): boolean {
  const result = tryClone(from.fd, to.fd);
  if (result === 0) return true;
  if (cannotClone(-result)) return false;
  throw failure("ioctl FICLONE", -result, to.label);
}

/** Clones where that works, else copies, and says which. */
export function cloneOrCopy(from: File, to: File, signal?: CancelSignal): "cloned" | "copied" {
  if (cloneFile(from, to)) return "cloned";
  copyContent(from, to, signal);
  return "copied";
}

export interface PlaceOptions {
  /** Whether blocks may be shared. Default true. */
  readonly clone?: boolean;
  /**
   * Whether the source's inode itself may be given the name where cloning does not work. Then its owner, mode, times
   * and attributes are the source's, and what is asked for below is not applied. Default false.
   */
  readonly link?: boolean;
  /** Whether a copy will do where nothing better works. Default true. */
  readonly copy?: boolean;
  /** What if the name is taken. Default `fail`. */
  readonly existing?: "replace" | "fail";
  /** Of a cloned or copied file. Default 0o644. */
  readonly mode?: number;
  readonly owner?: { readonly uid: number; readonly gid: number };
  readonly xattrs?: Iterable<readonly [name: ByteString, value: Uint8Array]>;
  readonly times?: { readonly atime?: TimeChange; readonly mtime?: TimeChange };
  /** Called with the filled file before it gets its name, for instance to enable fs-verity or to check its digest. */
  readonly prepare?: (temporary: TempFile) => void;
  readonly sync?: SyncPolicy;
  readonly signal?: CancelSignal;
}

/** Pairs of file systems that could not share, so that a file that ends as a link costs no temporary one first. */
const noCloning = new Set<string>();

/**
 * Puts the content of an open file under a name, whole or not at all: shared where the file system can, else by a
 * second name where that is allowed, else copied. Says which it was.
 */
export function placeContent(
  source: File,
  dir: Dir,
  name: ByteString,
  options: PlaceOptions = {},
): HowPlaced {
  const { clone = true, link = false, copy = true } = options;
  const pair = clone && link ? `${fileSystemKey(source)} ${fileSystemKey(dir.self())}` : "";
  const reasons: string[] = [];
  if (clone && !noCloning.has(pair)) {
    using temporary = dir.tempFile();
    if (cloneFile(source, temporary.file)) {
      finish(temporary, dir, name, options);
      return "cloned";
    }
    if (pair !== "") noCloning.add(pair);
    if (!link && copy) {
      copyContent(source, temporary.file, options.signal);
      finish(temporary, dir, name, options);
      return "copied";
    }
  }
  if (clone) reasons.push("the two file systems cannot share blocks");
  if (link) {
    const refusal = placeLink(source, dir, name, options);
    if (refusal === undefined) return "linked";
    reasons.push(refusal);
  }
  if (!copy) {
    const subject = dir.labelOf(name);
    throw linuxErrors.error(
      "cross-device",
      `${subject}: content cannot be placed without a copy: ${reasons.join("; ")}`,
      {
        context: { path: subject },
      },
    );
  }
  using temporary = dir.tempFile();
  copyContent(source, temporary.file, options.signal);
  finish(temporary, dir, name, options);
  return "copied";
}

function finish(temporary: TempFile, dir: Dir, name: ByteString, options: PlaceOptions): void {
  const { file } = temporary;
  if (options.owner !== undefined) file.setOwner(options.owner.uid, options.owner.gid);
  for (const [key, value] of options.xattrs ?? []) file.setXattr(key, value);
  file.setMode(options.mode ?? 0o644);
  if (options.times !== undefined) file.setTimes(options.times);
  options.prepare?.(temporary);
  temporary.publish(
    name,
    {
      existing: options.existing ?? "fail",
      ...(options.sync === undefined ? {} : { sync: options.sync }),
    },
    dir.fd,
    dir.label,
  );
}

/** Gives the source's inode the name; the reason where that cannot be. */
function placeLink(source: File, dir: Dir, name: ByteString, options: PlaceOptions): string | undefined {
  const result = linkFd(source.fd, dir.fd, name, options.existing ?? "fail");
  if (result === -EXDEV) return "they are not the same, so no link can be made";
  if (result === -EMLINK) return "the file has as many names as it can have";
  if (result === -EPERM) return "the kernel does not let this user link this file";
  if (result < 0) throw failure("linkat", -result, dir.labelOf(name));
  syncAfterName(dir.fd, options.sync ?? "data-and-directories", dir.label);
  return undefined;
}
