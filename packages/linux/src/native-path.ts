import type { ByteString } from "@bootc-store/core";

// Paths go to the kernel as NUL-ended bytes: a string would be cut at a NUL and re-encoded. Calls are
// synchronous, so one buffer a thread and argument is enough, and encoding allocates nothing.

/** The longest path that the kernel takes, with its NUL. */
export const PATH_MAX = 4096;

const first = Buffer.alloc(PATH_MAX * 2);
const second = Buffer.alloc(PATH_MAX * 2);

/** The path as NUL-ended bytes, in a buffer that is good until the next call of this function. */
export function nativePath(path: string): Buffer {
  return encode(path, first);
}

/** The same in another buffer, for calls that take two paths. */
export function nativePath2(path: string): Buffer {
  return encode(path, second);
}

/** NUL-ended bytes of any length in a buffer of their own. */
export function nativeString(text: string): Buffer {
  return Buffer.from(`${text}\0`, "latin1");
}

function encode(path: string, into: Buffer): Buffer {
  if (path.length >= into.length) return nativeString(path);
  into[into.write(path, 0, "latin1")] = 0;
  return into;
}

/** The empty path, with which AT_EMPTY_PATH means the descriptor itself. */
export const EMPTY_PATH = Buffer.alloc(1);

/** A name below an open directory by way of /proc, for calls that know no directory descriptors. */
export function procPath(fd: number, name?: ByteString): string {
  return name === undefined ? `/proc/self/fd/${fd}` : `/proc/self/fd/${fd}/${name}`;
}
