import type { ByteString } from "@bootc-store/core";

import type { Directory } from "../directory.ts";
import { treeErrors } from "../errors.ts";
import type { TreeLimits } from "../limits.ts";
import { joinPath, shown } from "../name.ts";

/** As many symlinks as the kernel follows in one path. */
const MAX_SYMLINKS = 40;

/** The components of a layer's path with `..` taken away by text; leaving the root is an error. */
export function resolvePath(path: ByteString, limits: TreeLimits): ByteString[] {
  const parts: ByteString[] = [];
  for (const part of path.split("/") as ByteString[]) {
    if (part === "" || part === ".") continue;
    if (part === "..") {
      if (parts.pop() === undefined && !path.startsWith("/")) {
        throw treeErrors.error("path-escapes", `"${shown(path)}" leaves the root of its layer`);
      }
      continue;
    }
    if (part.length > limits.nameLength || part.includes("\0")) {
      throw treeErrors.error("path-invalid", `"${shown(part)}" is no name`, {
        context: { path: shown(path) },
      });
    }
    parts.push(part);
  }
  return parts;
}

/** Whether a relative symlink target leaves the root, by its text, from the directory with these components. */
export function targetEscapes(parent: readonly ByteString[], target: ByteString): boolean {
  if (target.startsWith("/")) return false;
  let depth = parent.length;
  for (const part of target.split("/")) {
    if (part === "" || part === ".") continue;
    depth += part === ".." ? -1 : 1;
    if (depth < 0) return true;
  }
  return false;
}

export interface FindOptions {
  readonly followSymlinks: boolean;
  /** Makes a directory that is missing; without it a missing one ends the search. */
  readonly makeDirectory?: () => Directory;
}

/**
 * The directory that these components name, or `undefined` where one is missing. Throws
 * `tree/path-not-directory`.
 */
export function findDirectory(
  root: Directory,
  parts: readonly ByteString[],
  options: FindOptions,
): Directory | undefined {
  const chain: Directory[] = [root];
  /** What is still to be looked up, last first; only the path's own components may be created. */
  const rest: { readonly name: ByteString; readonly own: boolean }[] = [];
  for (let at = parts.length - 1; at >= 0; at--) rest.push({ name: parts[at] as ByteString, own: true });
  let links = 0;
  for (let step = rest.pop(); step !== undefined; step = rest.pop()) {
    if (step.name === "..") {
      if (chain.length > 1) chain.pop();
      continue;
    }
    const directory = chain[chain.length - 1] as Directory;
    const inode = directory.get(step.name);
    if (inode?.kind === "directory") chain.push(inode);
    else if (inode === undefined) {
      if (options.makeDirectory === undefined) return undefined;
      if (!step.own) {
        throw treeErrors.error(
          "path-not-directory",
          `"${shown(joinPath(parts))}" goes through a symlink that points to nothing`,
        );
      }
      const made = options.makeDirectory();
      directory.set(step.name, made);
      chain.push(made);
    } else if (inode.kind === "symlink" && options.followSymlinks) {
      if (++links > MAX_SYMLINKS) {
        throw treeErrors.error(
          "path-not-directory",
          `"${shown(joinPath(parts))}" goes through too many symlinks`,
        );
      }
      if (inode.target.startsWith("/")) chain.length = 1;
      for (const part of inode.target.split("/").reverse() as ByteString[]) {
        if (part !== "" && part !== ".") rest.push({ name: part, own: false });
      }
    } else {
      throw treeErrors.error(
        "path-not-directory",
        `"${shown(step.name)}" is a ${inode.kind}, but "${shown(joinPath(parts))}" goes through it`,
      );
    }
  }
  return chain[chain.length - 1];
}
