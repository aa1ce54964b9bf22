import { type ByteString, throwIfAborted } from "@bootc-store/core";

import type { Checksum } from "../format/checksum.ts";
import { readContent } from "../objects/content.ts";
import type { TreeNode } from "../read/tree-path.ts";
import type { Repo } from "../repo/repo.ts";
import { padding, tarEnd, tarHeader } from "./tar-header.ts";

export interface ExportOptions {
  /** Of all entries, seconds since 1970. */
  readonly mtime: number;
  /** Before all paths. */
  readonly prefix?: ByteString;
  readonly noXattrs?: boolean;
  /** False ends it after two empty blocks, as ostree does in a file that it is told of. */
  readonly fillRecord?: boolean;
  readonly signal?: AbortSignal;
}

/** A directory or file of a commit as a tar. A content that occurs again is a hard link to where it was first. */
export async function* exportTar(
  repo: Repo,
  node: TreeNode,
  options: ExportOptions,
): AsyncGenerator<Uint8Array> {
  let written = 0;
  for await (const piece of new TarExport(repo, options).node(node, options.prefix ?? NO_PREFIX)) {
    written += piece.length;
    yield piece;
  }
  yield tarEnd(written, options.fillRecord ?? true);
}

const NO_PREFIX = "" as ByteString;
const DOT = "." as ByteString;

class TarExport {
  readonly #repo: Repo;
  readonly #options: ExportOptions;
  /** Where a content was put first. */
  readonly #seen = new Map<Checksum, ByteString>();

  constructor(repo: Repo, options: ExportOptions) {
    this.#repo = repo;
    this.#options = options;
  }

  async *node(node: TreeNode, path: ByteString): AsyncGenerator<Uint8Array> {
    throwIfAborted(this.#options.signal);
    const { mtime } = this.#options;
    if (node.kind === "file") {
      yield* this.#file(node.checksum, path);
      return;
    }
    const { uid, gid, mode, xattrs } = this.#repo.readDirmeta(node.meta);
    const attributes = this.#options.noXattrs === true ? {} : { xattrs };
    const below = path === "" ? path : `${path}/`;
    yield tarHeader({
      path: path === "" ? DOT : path,
      type: "directory",
      mode,
      uid,
      gid,
      size: 0,
      mtime,
      ...attributes,
    });
    const { files, dirs } = this.#repo.readDirtree(node.tree);
    for (const [name, checksum] of files) yield* this.#file(checksum, `${below}${name}` as ByteString);
    for (const [name, dir] of dirs)
      yield* this.node({ kind: "directory", ...dir }, `${below}${name}` as ByteString);
  }

  async *#file(checksum: Checksum, path: ByteString): AsyncGenerator<Uint8Array> {
    const { mtime } = this.#options;
    using object = this.#repo.openFile(checksum);
    const { info, size } = object;
    const { uid, gid, mode, target } = info;
    const attributes = this.#options.noXattrs === true ? {} : { xattrs: info.xattrs };
    const entry = { path, mode, uid, gid, mtime, ...attributes };
    if (target !== undefined) {
      yield tarHeader({ ...entry, type: "symlink", size: 0, link: target });
      return;
    }
    const first = this.#seen.get(checksum);
    if (first !== undefined) {
      yield tarHeader({ path, mode, uid, gid, mtime, type: "hardlink", size: 0, link: first });
      return;
    }
    this.#seen.set(checksum, path);
    yield tarHeader({ ...entry, type: "file", size });
    yield* readContent(object, `${checksum}.file`);
    yield padding(size);
  }
}
