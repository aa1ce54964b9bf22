import { type ByteString, displayName } from "@bootc-store/core";

import { treeErrors } from "./errors.ts";

/** Throws `tree/name-invalid` unless the kernel would take this as the name of a directory entry. */
export function checkName(name: ByteString, most = 255): void {
  if (
    name.length === 0 ||
    name.length > most ||
    name === "." ||
    name === ".." ||
    name.includes("/") ||
    name.includes("\0")
  ) {
    throw treeErrors.error("name-invalid", `not a file name: "${shown(name)}"`, {
      context: { length: name.length },
    });
  }
}

/**
 * The components of a path. Slashes at both ends and repeated ones do not count, nor do `.` components; the
 * root is the empty list. Throws `tree/path-invalid` for `..` and for what is no name.
 */
export function splitPath(path: ByteString, nameLength = 255): ByteString[] {
  const parts: ByteString[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === ".." || part.length > nameLength || part.includes("\0")) {
      throw treeErrors.error("path-invalid", `"${shown(part as ByteString)}" is no name`, {
        context: { path: shown(path) },
      });
    }
    parts.push(part as ByteString);
  }
  return parts;
}

/** A path of components as it is shown and looked up: absolute, `/` for the root. */
export function joinPath(parts: readonly ByteString[]): ByteString {
  return `/${parts.join("/")}` as ByteString;
}

/** A name or path in a message: printable, and cut if it is absurdly long. */
export function shown(name: ByteString): string {
  return name.length <= 400 ? displayName(name) : `${displayName(name.slice(0, 400) as ByteString)}…`;
}
