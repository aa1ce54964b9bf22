// A directory of the host as a tree, its contents being the files themselves.

import type { SourcedTree } from "@bootc-store/backend";
import { type ByteString, throwIfAborted } from "@bootc-store/core";
import { type Dir, fileKey, type FileStat } from "@bootc-store/linux";
import {
  device,
  Directory,
  file,
  type Leaf,
  type Metadata,
  type MetadataInit,
  metadataOf,
  special,
  symlink,
  type Tree,
  Xattrs,
} from "@bootc-store/tree";

/** Reads names and metadata; nothing below other mounts. `dir` must stay open as long as contents are read. */
export function readDirectoryTree(dir: Dir, options: { readonly signal?: AbortSignal } = {}): SourcedTree {
  const leaves = new Map<string, Leaf>();
  const top = new Directory(metadata("directory", dir.statSelf(), xattrsOf(dir.self())));
  const directories = new Map<string, Directory>([["", top]]);
  for (const { path, name, dir: parent, type } of dir.walk({ crossMounts: false })) {
    throwIfAborted(options.signal);
    const stat = parent.stat(name);
    const above = directories.get(path.slice(0, Math.max(0, path.length - name.length - 1))) as Directory;
    const names = parent.listXattrs(name);
    const xattrs = Xattrs.from(names.map((each) => [each, valueOf(parent.getXattr(name, each))] as const));
    if (type === "directory") {
      const made = new Directory(metadata("directory", stat, xattrs));
      above.set(name, made);
      directories.set(path, made);
      continue;
    }
    const key = fileKey(stat);
    const leaf = leaves.get(key) ?? leafOf(parent, name, path, stat, xattrs);
    if (stat.nlink > 1) leaves.set(key, leaf);
    above.set(name, leaf);
  }
  const tree: Tree = { root: top };
  return {
    tree,
    contents: {
      openContent: ({ key }, size) => ({
        size,
        file: { dir, name: key as ByteString },
        async *read() {
          using opened = dir.openFile(key as ByteString);
          for (let at = 0; at < size;) {
            const buffer = Buffer.allocUnsafeSlow(Math.min(1 << 18, size - at));
            const count = opened.readFull(buffer, at);
            if (count === 0) return;
            yield buffer.subarray(0, count);
            at += count;
          }
        },
      }),
    },
  };
}

function leafOf(parent: Dir, name: ByteString, path: ByteString, stat: FileStat, xattrs: Xattrs): Leaf {
  switch (stat.type) {
    case "regular":
      return file(metadata("file", stat, xattrs), stat.size, { kind: "external", key: path });
    case "symlink":
      return symlink(metadata("symlink", stat, xattrs), parent.readLink(name));
    case "character":
      return device("char", metadata("char", stat, xattrs), stat.rdev.major, stat.rdev.minor);
    case "block":
      return device("block", metadata("block", stat, xattrs), stat.rdev.major, stat.rdev.minor);
    case "fifo":
      return special("fifo", metadata("fifo", stat, xattrs));
    default:
      return special("socket", metadata("socket", stat, xattrs));
  }
}

function metadata(kind: Parameters<typeof metadataOf>[0], stat: FileStat, xattrs: Xattrs): Metadata {
  const { uid, gid, mode, mtime } = stat;
  const init: MetadataInit = {
    permissions: mode & 0o7777,
    uid,
    gid,
    mtime: { sec: mtime.seconds, nsec: mtime.nanoseconds },
    xattrs,
  };
  return metadataOf(kind, init);
}

function xattrsOf(self: ReturnType<Dir["self"]>): Xattrs {
  return Xattrs.from(self.listXattrs().map((each) => [each, valueOf(self.getXattr(each))] as const));
}

function valueOf(bytes: Uint8Array): ByteString {
  return Buffer.from(bytes).toString("latin1") as ByteString;
}
