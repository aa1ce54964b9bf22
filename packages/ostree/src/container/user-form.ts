import { Directory, setMetadata, type Tree, walkInodes, Xattrs } from "@bootc-store/tree";

import type { Transaction } from "../repo/transaction.ts";

/**
 * A repository that does not keep owners as they are has the merged tree only as a checkout in user mode shows it: directories,
 * empty files and files that their owner cannot read belong to whoever checks out, and have no attributes.
 */
export function asCheckedOut(tree: Tree, transaction: Transaction): void {
  using probe = transaction.tempFile();
  const { uid, gid } = probe.file.stat();
  for (const inode of walkInodes(tree)) {
    const { metadata } = inode;
    const own = { ...metadata, uid, gid, xattrs: Xattrs.empty };
    if (inode instanceof Directory) setMetadata(inode, own);
    else if (inode.kind === "file" && (inode.size === 0 || (metadata.mode & 0o400) === 0))
      setMetadata(inode, { ...own, mode: metadata.mode | 0o400 });
  }
}
