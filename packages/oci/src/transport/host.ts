// Paths of the host that references and configuration name. They are opened below the host's root, as its links say,
// so that a root of another system can be looked at as well.

import { type ByteString, isStoreError, utf8 } from "@bootc-store/core";
import type { Dir, File } from "@bootc-store/linux";

import { ociErrors } from "../errors.ts";

/** The machine whose paths are meant. */
export interface Host {
  /** Its root directory. */
  readonly root: Dir;
  /** Absolute path where relative ones start; `/` unless given. */
  readonly cwd?: string;
}

const FOLLOW = { resolution: "inRoot" } as const;

/** A path below the host's root, with nothing in it that says nothing; empty for the root itself. */
export function hostPath(host: Host, path: string): ByteString {
  const whole = path.startsWith("/") ? path : `${host.cwd ?? "/"}/${path}`;
  return utf8(
    whole
      .split("/")
      .filter((part) => part !== "" && part !== ".")
      .join("/"),
  );
}

/** A directory of the host. The caller closes it. */
export function openHostDir(host: Host, path: string): Dir {
  const below = hostPath(host, path);
  return below === "" ? host.root.duplicate() : host.root.openDir(below, FOLLOW);
}

/** {@link openHostDir}, with `undefined` where nothing is. */
export function openHostDirOptional(host: Host, path: string): Dir | undefined {
  const below = hostPath(host, path);
  return below === "" ? host.root.duplicate() : host.root.openDirOptional(below, FOLLOW);
}

/** Makes a directory of the host, with its parents, and opens it. */
export function ensureHostDir(host: Host, path: string): Dir {
  const below = hostPath(host, path);
  if (below === "") return host.root.duplicate();
  const there = host.root.openDirOptional(below, FOLLOW);
  if (there !== undefined) return there;
  host.root.ensureDir(below, { ...FOLLOW, parents: true });
  return host.root.openDir(below, FOLLOW);
}

/** A regular file of the host, or anything that can be read once where `any` is asked for. */
export function openHostFile(host: Host, path: string, type: "regular" | "any" = "regular"): File {
  return host.root.openFile(hostPath(host, path), { ...FOLLOW, type });
}

/** The bytes of a configuration file; `undefined` where there is none. */
export function readHostFileOptional(host: Host, path: string, limit: number): Uint8Array | undefined {
  try {
    return host.root.readFileOptional(hostPath(host, path), { ...FOLLOW, limit });
  } catch (error) {
    // A file in the place of a directory on the way: nothing can be there.
    if (isStoreError(error, "linux/not-a-directory")) return undefined;
    throw error;
  }
}

/** The directory that holds a path of the host, opened, and the name in it. The caller closes it. */
export function openHostParent(host: Host, path: string): { readonly dir: Dir; readonly name: ByteString } {
  const below = hostPath(host, path);
  const slash = below.lastIndexOf("/");
  const name = below.slice(slash + 1) as ByteString;
  if (name === "" || name === "..") {
    throw ociErrors.error("reference-invalid", `"${path.slice(0, 300)}" is not the path of a file`);
  }
  return { dir: openHostDir(host, `/${below.slice(0, Math.max(slash, 0))}`), name };
}
