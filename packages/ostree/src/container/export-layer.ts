// Layers out of commits: the objects of one as the files of a repository of mode bare-split-xattrs, with its tree as hard
// links to them; or its tree alone.

import { type ByteString, utf8 } from "@bootc-store/core";
import type { Xattrs } from "@bootc-store/tree";

import type { Checksum } from "../format/checksum.ts";
import { isSymlink } from "../format/file-info.ts";
import { xattrList } from "../format/xattrs.ts";
import { gvariant } from "../gvariant/index.ts";
import { readContent } from "../objects/content.ts";
import type { FileObject } from "../objects/reader.ts";
import type { Repo } from "../repo/repo.ts";
import { GnuHeader, padding, paxHeader } from "./gnu-header.ts";

const REPO = "sysroot/ostree/repo";
const CONFIG = "[core]\nrepo_version=1\nmode=bare-split-xattrs\n";
const XATTRS = gvariant("a(ayay)");
const END = new Uint8Array(1024);
const ROOT = { mode: 0o755, uid: 0, gid: 0 };

/** Contents of a commit and the paths that have each, in the order of a walk that sees files before directories. */
export function contentsOf(repo: Repo, commit: Checksum): Map<Checksum, ByteString[]> {
  const found = new Map<Checksum, ByteString[]>();
  const walk = (tree: Checksum, at: string): void => {
    const { files, dirs } = repo.readDirtree(tree);
    for (const [name, checksum] of files) {
      const path = `${at}${name}` as ByteString;
      const paths = found.get(checksum);
      if (paths === undefined) found.set(checksum, [path]);
      else paths.push(path);
    }
    for (const [name, dir] of dirs) walk(dir.tree, `${at}${name}/`);
  };
  walk(repo.readCommit(commit).tree, "");
  return found;
}

/** The layer with a commit, its directories, and the contents that are in no chunk. */
export async function* commitLayer(
  repo: Repo,
  commit: Checksum,
  contents: ReadonlyMap<Checksum, readonly ByteString[]>,
): AsyncGenerator<Uint8Array> {
  yield new GnuHeader(repo.readDirmeta(repo.readCommit(commit).meta)).encode("directory", "./" as ByteString);
  yield* repoStructure();
  yield* metadataObjects(repo, commit);
  yield* objects(repo, contents);
  yield END;
}

/** A layer of contents alone. */
export async function* chunkLayer(
  repo: Repo,
  contents: ReadonlyMap<Checksum, readonly ByteString[]>,
): AsyncGenerator<Uint8Array> {
  yield* repoStructure();
  yield* objects(repo, contents);
  yield END;
}

/** A layer of files: the tree of a commit, but for its root. Attributes of directories are not in it. */
export async function* treeLayer(repo: Repo, commit: Checksum): AsyncGenerator<Uint8Array> {
  yield* plainTree(repo, repo.readCommit(commit).tree, "");
  yield END;
}

function* repoStructure(): Generator<Uint8Array> {
  const directories = ["sysroot", "sysroot/ostree", REPO, `${REPO}/objects`];
  for (let shard = 0; shard < 256; shard++)
    directories.push(`${REPO}/objects/${shard.toString(16).padStart(2, "0")}`);
  for (const name of [
    "extensions",
    "refs",
    "refs/heads",
    "refs/mirrors",
    "refs/remotes",
    "state",
    "tmp",
    "tmp/cache",
  ])
    directories.push(`${REPO}/${name}`);
  for (const path of directories) yield new GnuHeader(ROOT).encode("directory", utf8(path));
  yield* plainFile(`${REPO}/config`, Buffer.from(CONFIG));
}

function* plainFile(path: string, bytes: Uint8Array): Generator<Uint8Array> {
  yield new GnuHeader({ ...ROOT, mode: 0o644 }).encode("file", utf8(path), { size: bytes.length });
  yield bytes;
  yield padding(bytes.length);
}

function objectPath(checksum: Checksum, type: string): string {
  return `${REPO}/objects/${checksum.slice(0, 2)}/${checksum.slice(2)}.${type}`;
}

function* metadataObjects(repo: Repo, commit: Checksum): Generator<Uint8Array> {
  const { reader } = repo;
  yield* plainFile(objectPath(commit, "commit"), reader.readMetadata(commit, "commit"));
  const detached = reader.readMetadataOptional(commit, "commitmeta");
  if (detached !== undefined) yield* plainFile(objectPath(commit, "commitmeta"), detached);
  const written = new Set<string>();
  const object = function* (checksum: Checksum, type: "dirtree" | "dirmeta"): Generator<Uint8Array> {
    const path = objectPath(checksum, type);
    if (written.has(path)) return;
    written.add(path);
    yield* plainFile(path, reader.readMetadata(checksum, type));
  };
  const walk = function* (tree: Checksum, at: string): Generator<Uint8Array> {
    yield* object(tree, "dirtree");
    for (const [name, dir] of repo.readDirtree(tree).dirs) {
      const path = `${at}${name}`;
      yield* object(dir.meta, "dirmeta");
      // The repository's own directory is there already.
      if (path !== "sysroot")
        yield new GnuHeader(repo.readDirmeta(dir.meta)).encode("directory", tarPath(path as ByteString));
      yield* walk(dir.tree, `${path}/`);
    }
  };
  const { tree, meta } = repo.readCommit(commit);
  yield* object(meta, "dirmeta");
  yield* walk(tree, "");
  const varDir = repo.readDirtree(tree).dirs.get(utf8("var"));
  if (varDir === undefined || !repo.readDirtree(varDir.tree).dirs.has(utf8("tmp")))
    yield new GnuHeader({ ...ROOT, mode: 0o1777 }).encode("directory", utf8("var/tmp"));
}

async function* objects(
  repo: Repo,
  contents: ReadonlyMap<Checksum, readonly ByteString[]>,
): AsyncGenerator<Uint8Array> {
  for (const checksum of [...contents.keys()].sort()) {
    using object = repo.openFile(checksum);
    const { info, size } = object;
    yield* plainFile(objectPath(checksum, "file-xattrs-link"), XATTRS.encode(xattrList(info.xattrs)));
    const header = new GnuHeader(info);
    const path = utf8(objectPath(checksum, "file"));
    yield* entry(header, path, object, checksum);
    for (const name of contents.get(checksum) ?? []) {
      // Empty files are none the better for being one.
      if (size === 0 && !isSymlink(info)) yield header.clone().encode("file", tarPath(name));
      else yield header.clone().encode("hardlink", tarPath(name), { target: path });
    }
  }
}

async function* entry(
  header: GnuHeader,
  path: ByteString,
  object: FileObject,
  checksum: Checksum,
): AsyncGenerator<Uint8Array> {
  const { info, size } = object;
  yield paxHeader(shownXattrs(info.xattrs));
  if (info.target !== undefined) {
    yield header.encode("symlink", path, { target: info.target });
    return;
  }
  yield header.encode("file", path, { size });
  yield* readContent(object, `${checksum}.file`);
  yield padding(size);
}

function* shownXattrs(xattrs: Xattrs): Generator<readonly [ByteString, ByteString]> {
  for (const [name, value] of xattrs) {
    if (name !== "security.selinux") yield [`SCHILY.xattr.${name}` as ByteString, value];
  }
}

async function* plainTree(repo: Repo, tree: Checksum, at: string): AsyncGenerator<Uint8Array> {
  const { files, dirs } = repo.readDirtree(tree);
  for (const [name, checksum] of files) {
    using object = repo.openFile(checksum);
    yield* entry(new GnuHeader(object.info), tarPath(`${at}${name}` as ByteString), object, checksum);
  }
  for (const [name, dir] of dirs) {
    const path = `${at}${name}`;
    yield new GnuHeader(repo.readDirmeta(dir.meta)).encode("directory", tarPath(path as ByteString));
    yield* plainTree(repo, dir.tree, `${path}/`);
  }
}

/** In an image `/usr/etc` is `/etc`. */
function tarPath(path: ByteString): ByteString {
  return path === "usr/etc" || path.startsWith("usr/etc/") ? (path.slice("usr/".length) as ByteString) : path;
}
