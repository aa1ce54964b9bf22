// Ours for "copy": a tree with owners, modes, times, attributes, links and hard links, as cp -a does.
import { type ByteString, utf8 } from "@bootc-store/core";
import { Dir, fileKey, placeContent } from "@bootc-store/linux";

const [source, target] = process.argv.slice(2);
if (source === undefined || target === undefined) throw new Error("usage: copy-tree.ts FROM TO");
using from = Dir.openHost(utf8(source));
const parent = target.slice(0, target.lastIndexOf("/")) || "/";
const name = utf8(target.slice(target.lastIndexOf("/") + 1));
using around = Dir.openHost(utf8(parent));
around.makeDir(name);
using to = around.openDir(name);

const names = new Map<string, ByteString>();
/** Set last, the deepest first: what is put into a directory changes its times. */
const directories: { path: ByteString; stat: ReturnType<Dir["stat"]> }[] = [];

/** The directory that files are being put into: a walk stays in one for a while. */
let current = { path: "", dir: to.duplicate() };

function parentOf(path: ByteString): Dir {
  const slash = path.lastIndexOf("/");
  const above = slash < 0 ? "" : path.slice(0, slash);
  if (above !== current.path) {
    current.dir[Symbol.dispose]();
    current = { path: above, dir: above === "" ? to.duplicate() : to.openDir(above as ByteString) };
  }
  return current.dir;
}

for (const entry of from.walk()) {
  const { path } = entry;
  const stat = entry.dir.stat(entry.name);
  const owner = { uid: stat.uid, gid: stat.gid };
  const times = { atime: stat.atime, mtime: stat.mtime };
  if (entry.type === "regular") {
    const key = stat.nlink > 1 ? fileKey(stat) : undefined;
    const first = key === undefined ? undefined : names.get(key);
    if (first !== undefined) {
      to.link(first, path);
      continue;
    }
    if (key !== undefined) names.set(key, path);
    using file = entry.dir.openFile(entry.name);
    const xattrs = file.listXattrs().map((xattr) => [xattr, file.getXattr(xattr)] as const);
    placeContent(file, parentOf(path), entry.name, {
      mode: stat.mode & 0o7777,
      owner,
      times,
      xattrs,
      sync: "none",
    });
    continue;
  }
  if (entry.type === "directory") {
    to.makeDir(path);
    directories.push({ path, stat });
    continue;
  }
  if (entry.type === "symlink") to.symlink(entry.dir.readLink(entry.name), path);
  else throw new Error(`${path}: a ${entry.type} in this input`);
  to.setOwner(path, owner.uid, owner.gid);
  to.setTimes(path, times);
}
for (const { path, stat } of directories.reverse()) {
  to.setOwner(path, stat.uid, stat.gid);
  to.setMode(path, stat.mode & 0o7777);
  to.setTimes(path, { atime: stat.atime, mtime: stat.mtime });
}
current.dir[Symbol.dispose]();
const root = from.statSelf();
around.setMode(name, root.mode & 0o7777);
around.setTimes(name, { atime: root.atime, mtime: root.mtime });
