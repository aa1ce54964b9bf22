import { StoreError } from "@bootc-store/core";

/** An error that is shown as ostree shows it: `error: MESSAGE`, exit code 1. */
export class OstreeFailure extends Error {
  /** Whether the command's usage is shown first. */
  readonly usage: boolean;

  constructor(message: string, usage = false) {
    super(message);
    this.usage = usage;
  }
}

const WORDS: { readonly [errno: string]: string } = {
  ENOENT: "No such file or directory",
  EEXIST: "File exists",
  ENOTDIR: "Not a directory",
  EISDIR: "Is a directory",
  ENOTEMPTY: "Directory not empty",
  EACCES: "Permission denied",
  EPERM: "Operation not permitted",
  EROFS: "Read-only file system",
  ENOSPC: "No space left on device",
  EDQUOT: "Disk quota exceeded",
  EXDEV: "Invalid cross-device link",
  EMLINK: "Too many links",
  EIO: "Input/output error",
  EINVAL: "Invalid argument",
  ELOOP: "Too many levels of symbolic links",
  ENAMETOOLONG: "File name too long",
};

/** The message of an error, in the words of the C library where a call failed. */
export function messageOf(error: unknown): string {
  if (!(error instanceof StoreError)) return error instanceof Error ? error.message : String(error);
  const { call, errnoName, path } = error.context;
  const words = errnoName === undefined ? undefined : WORDS[errnoName];
  const message = words === undefined ? error.message : `${call ?? "open"}(${path ?? ""}): ${words}`;
  const trail = [...error.trail].reverse().map(({ op }) => op);
  return [...trail.filter((op) => op !== undefined), message].join(": ");
}
