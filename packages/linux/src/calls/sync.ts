import { failure } from "../failure.ts";
import { declareCalls, lastErrno, libc } from "../ffi.ts";

const native = declareCalls<{
  fsync(fd: number): number;
  fdatasync(fd: number): number;
  syncfs(fd: number): number;
}>({
  fsync: libc("fsync", "int"),
  fdatasync: libc("fdatasync", "int"),
  syncfs: libc("syncfs", "int"),
});

/** fsync(2): content and all metadata of a file, or the entries of a directory. Blocks until the device has it. */
export function fsync(fd: number, subject = `descriptor ${fd}`): void {
  if (native.fsync(fd) !== 0) throw failure("fsync", lastErrno(), subject);
}

/** fdatasync(2): content, and of the metadata what is needed to read it back. */
export function fdatasync(fd: number, subject = `descriptor ${fd}`): void {
  if (native.fdatasync(fd) !== 0) throw failure("fdatasync", lastErrno(), subject);
}

/** syncfs(2): everything that is dirty on the file system of this descriptor. */
export function syncfs(fd: number, subject = `descriptor ${fd}`): void {
  if (native.syncfs(fd) !== 0) throw failure("syncfs", lastErrno(), subject);
}
