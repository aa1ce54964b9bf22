import { type ByteString, displayName } from "@bootc-store/core";

import { ostreeErrors } from "../errors.ts";
import type { Checksum } from "../format/checksum.ts";
import type { Repo } from "../repo/repo.ts";

/** What a path in a commit names. */
export type TreeNode =
  | { readonly kind: "directory"; readonly tree: Checksum; readonly meta: Checksum }
  | { readonly kind: "file"; readonly checksum: Checksum };

export function rootOf(repo: Repo, commit: Checksum): TreeNode & { kind: "directory" } {
  const { tree, meta } = repo.readCommit(commit);
  return { kind: "directory", tree, meta };
}

/** Components of a path; empty ones and `.` say nothing. */
export function pathParts(path: ByteString): ByteString[] {
  return path.split("/").filter((part) => part !== "" && part !== ".") as ByteString[];
}

/** What is at a path below a directory, links not followed. Throws `ostree/path-not-found`, `ostree/path-not-directory`. */
export function lookupPath(repo: Repo, root: TreeNode, path: ByteString): TreeNode {
  let node = root;
  const parts = pathParts(path);
  for (const [at, part] of parts.entries()) {
    if (node.kind !== "directory")
      throw ostreeErrors.error("path-not-directory", "Not a directory", {
        context: { path: displayName(path) },
      });
    const tree = repo.readDirtree(node.tree);
    const dir = tree.dirs.get(part);
    const file = tree.files.get(part);
    if (dir !== undefined) node = { kind: "directory", ...dir };
    else if (file !== undefined) node = { kind: "file", checksum: file };
    else {
      const shown = displayName(`/${parts.slice(0, at + 1).join("/")}` as ByteString);
      throw ostreeErrors.error("path-not-found", `No such file or directory: ${shown}`, {
        context: { path: shown },
      });
    }
  }
  return node;
}
