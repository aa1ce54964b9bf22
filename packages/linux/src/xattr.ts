// Extended attributes by descriptor or by the path of a name below one. Names are byte strings with their prefix
// (`user.`, `trusted.`, `security.`); values are bytes.

import { displayName, type ByteString } from "@bootc-store/core";
import {
  tryGetXattr,
  tryListXattrs,
  tryRemoveXattr,
  trySetXattr,
  type XattrMode,
  type XattrTarget,
} from "./calls/xattr.ts";
import { ENODATA, EOPNOTSUPP } from "./errno.ts";
import { linuxErrors } from "./errors.ts";
import { failure } from "./failure.ts";

export function getXattr(target: XattrTarget, name: ByteString, subject: string): Buffer {
  checkXattrName(name);
  const value = tryGetXattr(target, name);
  if (typeof value === "number") throw xattrFailure("getxattr", -value, subject, name);
  return value;
}

/** `undefined` where the attribute is not there, or the file system has none at all. */
export function getXattrOptional(target: XattrTarget, name: ByteString, subject: string): Buffer | undefined {
  checkXattrName(name);
  const value = tryGetXattr(target, name);
  if (typeof value !== "number") return value;
  if (value === -ENODATA || value === -EOPNOTSUPP) return undefined;
  throw xattrFailure("getxattr", -value, subject, name);
}

/** The names in byte order; none on a file system that has no attributes. */
export function listXattrs(target: XattrTarget, subject: string): ByteString[] {
  const names = tryListXattrs(target);
  if (typeof names !== "number") return (names as ByteString[]).sort();
  if (names === -EOPNOTSUPP) return [];
  throw failure("listxattr", -names, subject);
}

export function setXattr(
  target: XattrTarget,
  name: ByteString,
  value: Uint8Array,
  mode: XattrMode,
  subject: string,
): void {
  checkXattrName(name);
  const result = trySetXattr(target, name, value, mode);
  if (result < 0) throw xattrFailure("setxattr", -result, subject, name);
}

export function removeXattr(target: XattrTarget, name: ByteString, subject: string): void {
  checkXattrName(name);
  const result = tryRemoveXattr(target, name);
  if (result < 0) throw xattrFailure("removexattr", -result, subject, name);
}

function checkXattrName(name: ByteString): void {
  // oxlint-disable-next-line no-control-regex -- a NUL would end the name early
  if (/^[\u0001-\u00ff]{1,255}$/s.test(name)) return;
  throw linuxErrors.error("argument-invalid", `not a name of an extended attribute: "${name.slice(0, 64)}"`);
}

function xattrFailure(call: string, errno: number, subject: string, name: ByteString): Error {
  return failure(call, errno, `${subject} (${displayName(name)})`, {
    path: subject,
    xattr: displayName(name),
  });
}
