import type { ByteString } from "@bootc-store/core";
import { tryLockFd } from "./calls/lock.ts";
import { tryOpenat } from "./calls/open.ts";
import { fileKey, statFd, tryStatAt } from "./calls/stat.ts";
import { O_DIRECTORY, O_RDONLY } from "./constants.ts";
import { openFileAt } from "./dir-open.ts";
import { ENOENT } from "./errno.ts";
import { failure, subjectOf } from "./failure.ts";
import { File } from "./file.ts";
import { shown } from "./list.ts";
import { Lock, type LockOptions } from "./lock.ts";
import { tryRecordLock } from "./record-locks.ts";
import { inParent } from "./resolve.ts";

/** Takes the lock of a file below a directory, or of the directory itself; `undefined` if somebody else has it. */
export function tryLockAt(
  dir: number,
  path: ByteString | undefined,
  label: string,
  options: LockOptions,
): Lock | undefined {
  const mode = options.mode ?? "exclusive";
  const open = (): File => openForLock(dir, path, label, options);
  if (options.kind === "record") {
    const found =
      path === undefined ? statFd(dir, shown(label)) : inParent(dir, path, label, undefined, tryStatAt);
    const hold = tryRecordLock(typeof found === "number" ? undefined : fileKey(found), open, mode);
    return hold === undefined ? undefined : new Lock("record", mode, hold.file, hold);
  }
  const file = open();
  let taken = false;
  try {
    taken = tryLockFd(file.fd, options.kind, mode, file.label);
    return taken ? new Lock(options.kind, mode, file, undefined) : undefined;
  } finally {
    if (!taken) file[Symbol.dispose]();
  }
}

function openForLock(dir: number, path: ByteString | undefined, label: string, options: LockOptions): File {
  if (path === undefined) {
    const fd = tryOpenat(dir, ".", O_RDONLY | O_DIRECTORY);
    if (fd < 0) throw failure("openat", -fd, shown(label));
    return File.adopt(fd, shown(label));
  }
  const writes = options.kind !== "flock" && (options.mode ?? "exclusive") === "exclusive";
  const file = openFileAt(dir, path, label, {
    access: options.access ?? (writes ? "read-write" : "read"),
    ...(options.create === undefined ? {} : { create: options.create }),
  });
  if (file === undefined) throw failure("openat", ENOENT, subjectOf(label, path));
  return file;
}
