// How the tools end: a message on standard error in the words of the C library, and exit code 1.

import { isStoreError } from "@bootc-store/core";
import { errnoName } from "@bootc-store/linux";

/** Ends a tool with exit code 1 after it printed `text`. */
export class ToolExit extends Error {
  override readonly name = "ToolExit";
  readonly text: string;

  constructor(text: string) {
    super(text);
    this.text = text;
  }
}

/** `TOOL: MESSAGE: REASON`, the reason being that of the error, as err(3) prints it. */
export function failed(tool: string, message: string, error: unknown): ToolExit {
  const reason = reasonOf(error);
  // What is no failed call of the system's has to be seen for what it is.
  if (reason === undefined) throw error;
  return new ToolExit(`${tool}: ${message}: ${reason}\n`);
}

/** `TOOL: MESSAGE`, as errx(3) prints it. */
export function refused(tool: string, message: string): ToolExit {
  return new ToolExit(`${tool}: ${message}\n`);
}

/** What strerror(3) says of an error's errno; of errors of ours that the C program has an errno for, that one. */
export function reasonOf(error: unknown): string | undefined {
  if (!isStoreError(error)) return undefined;
  const { errno } = error.context;
  if (typeof errno === "number") return strerror(errno);
  const own = ERRNO_OF[error.code];
  if (own !== undefined) return own;
  return error.kind === "corrupt" || error.kind === "usage" ? MESSAGES["EINVAL"] : error.message;
}

export function strerror(errno: number): string {
  return MESSAGES[errnoName(errno)] ?? `Unknown error ${errno}`;
}

/** glibc's words. */
const MESSAGES: { readonly [name: string]: string } = {
  EPERM: "Operation not permitted",
  ENOENT: "No such file or directory",
  EIO: "Input/output error",
  ENXIO: "No such device or address",
  EBADF: "Bad file descriptor",
  EAGAIN: "Resource temporarily unavailable",
  ENOMEM: "Cannot allocate memory",
  EACCES: "Permission denied",
  EBUSY: "Device or resource busy",
  EEXIST: "File exists",
  EXDEV: "Invalid cross-device link",
  ENODEV: "No such device",
  ENOTDIR: "Not a directory",
  EISDIR: "Is a directory",
  EINVAL: "Invalid argument",
  ENFILE: "Too many open files in system",
  EMFILE: "Too many open files",
  ENOTTY: "Inappropriate ioctl for device",
  ETXTBSY: "Text file busy",
  EFBIG: "File too large",
  ENOSPC: "No space left on device",
  EROFS: "Read-only file system",
  EMLINK: "Too many links",
  ERANGE: "Numerical result out of range",
  ENAMETOOLONG: "File name too long",
  ELOOP: "Too many levels of symbolic links",
  ENODATA: "No data available",
  EOVERFLOW: "Value too large for defined data type",
  EOPNOTSUPP: "Operation not supported",
  EDQUOT: "Disk quota exceeded",
  ESTALE: "Stale file handle",
  EUCLEAN: "Structure needs cleaning",
};

const ERRNO_OF: { readonly [code: string]: string | undefined } = {
  "linux/name-empty": MESSAGES["ENOENT"],
  "linux/path-symlink": MESSAGES["ELOOP"],
  "composefs/attributes-too-large": MESSAGES["ERANGE"],
  "erofs/file-too-large": MESSAGES["EFBIG"],
};
