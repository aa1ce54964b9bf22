import { type ByteString, displayName } from "@bootc-store/core";
import type { Dir } from "@bootc-store/linux";
import { createHash } from "node:crypto";

import { openInfo } from "../commit/directory-task.ts";
import { contentPrefix, encodeDirmeta, type FileInfo } from "../format/file-info.ts";
import { formatSize } from "../format/size.ts";
import { sha256 } from "../format/checksum.ts";
import { readContent } from "../objects/content.ts";
import { readXattrs } from "../objects/reader.ts";
import { revParse } from "../read/rev-parse.ts";
import { rootOf } from "../read/tree-path.ts";
import { parseObjectKey, Traversal } from "../read/traverse.ts";
import type { Repo } from "../repo/repo.ts";
import { Xattrs } from "@bootc-store/tree";
import { command } from "./command.ts";
import { OstreeFailure } from "./failure.ts";

export const diff = command({
  name: "diff",
  usage: "REV TARGETDIR",
  options: {
    stats: { kind: "flag" },
    "fs-diff": { kind: "flag" },
    "no-xattrs": { kind: "flag" },
    "owner-uid": { kind: "number" },
    "owner-gid": { kind: "number" },
  },
  async run(cli, options, args) {
    const [first, second] = args;
    if (first === undefined) throw new OstreeFailure("REV must be specified", true);
    using repo = cli.openRepo(options.repo);
    const a = second === undefined ? `${first}^` : first;
    const b = second ?? first;
    if (options.stats) {
      const reach = (rev: string): ReadonlySet<string> => {
        const traversal = new Traversal(repo.reader);
        traversal.addCommit(revParse(repo, rev));
        return traversal.reachable;
      };
      const left = reach(a);
      const right = reach(b);
      const common = [...left].filter((key) => right.has(key));
      await cli.line(`[A] Object Count: ${left.size}`);
      await cli.line(`[B] Object Count: ${right.size}`);
      await cli.line(`Common Object Count: ${common.length}`);
      const size = common.reduce((sum, key) => sum + storedSize(repo, key), 0);
      await cli.line(`Common Object Size: ${formatSize(size)}`);
      if (!options["fs-diff"]) return;
    }
    const noXattrs = options["no-xattrs"] || repo.config.disableXattrs || repo.mode === "bare-user-only";
    const side = (rev: string): Side =>
      rev.startsWith("/") || rev.startsWith("./")
        ? new DirectorySide(cli.context.openDir(rev), noXattrs, {
            uid: options["owner-uid"],
            gid: options["owner-gid"],
          })
        : new CommitSide(repo, revParse(repo, rev), noXattrs);
    using left = side(a);
    using right = side(b);
    const found: Found = { modified: [], removed: [], added: [] };
    await compareSides(left, right, left.root, right.root, found);
    for (const path of found.modified) await cli.line(`M    ${path}`);
    for (const path of found.removed) await cli.line(`D    ${path}`);
    for (const path of found.added) await cli.line(`A    ${path}`);
  },
});

function storedSize(repo: Repo, key: string): number {
  const { checksum, type } = parseObjectKey(key);
  if (type !== "file") return repo.reader.readMetadata(checksum, type as "commit").length;
  using object = repo.openFile(checksum);
  return object.storedSize;
}

export interface Found {
  readonly modified: string[];
  readonly removed: string[];
  readonly added: string[];
}

interface Node {
  readonly name: ByteString;
  readonly path: ByteString;
  readonly kind: "directory" | "file" | "symlink";
}

interface Side extends Disposable {
  readonly root: Node;
  children(node: Node): Map<ByteString, Node>;
  /** Of a file its content checksum, of a directory that of its metadata. */
  identity(node: Node): Promise<string>;
  shown(path: ByteString): string;
}

export async function compareSides(a: Side, b: Side, left: Node, right: Node, found: Found): Promise<void> {
  const before = a.children(left);
  const after = b.children(right);
  for (const [name, node] of before) {
    const other = after.get(name);
    if (other === undefined) {
      found.removed.push(a.shown(node.path));
      continue;
    }
    if (node.kind !== other.kind) {
      found.modified.push(a.shown(node.path));
      continue;
    }
    if ((await a.identity(node)) !== (await b.identity(other))) found.modified.push(a.shown(node.path));
    if (node.kind === "directory") await compareSides(a, b, node, other, found);
  }
  for (const [name, node] of after) if (!before.has(name)) added(b, node, found);
}

function added(side: Side, node: Node, found: Found): void {
  found.added.push(side.shown(node.path));
  if (node.kind === "directory") for (const child of side.children(node).values()) added(side, child, found);
}

class CommitSide implements Side {
  readonly root: Node = { name: "" as ByteString, path: "" as ByteString, kind: "directory" };
  readonly #repo: Repo;
  readonly #noXattrs: boolean;
  readonly #dirs = new Map<string, { tree: string; meta: string }>();
  readonly #files = new Map<string, string>();

  constructor(repo: Repo, commit: string, noXattrs: boolean) {
    this.#repo = repo;
    this.#noXattrs = noXattrs;
    this.#dirs.set("", rootOf(repo, commit));
  }

  children(node: Node): Map<ByteString, Node> {
    const dir = this.#dirs.get(node.path);
    const nodes = new Map<ByteString, Node>();
    if (dir === undefined) return nodes;
    const { files, dirs } = this.#repo.readDirtree(dir.tree);
    for (const [name, checksum] of files) {
      const path = `${node.path}/${name}` as ByteString;
      this.#files.set(path, checksum);
      using object = this.#repo.openFile(checksum);
      nodes.set(name, { name, path, kind: object.info.target === undefined ? "file" : "symlink" });
    }
    for (const [name, child] of dirs) {
      const path = `${node.path}/${name}` as ByteString;
      this.#dirs.set(path, child);
      nodes.set(name, { name, path, kind: "directory" });
    }
    return nodes;
  }

  async identity(node: Node): Promise<string> {
    const dir = this.#dirs.get(node.path);
    if (dir !== undefined) {
      if (!this.#noXattrs) return dir.meta;
      return sha256(encodeDirmeta({ ...this.#repo.readDirmeta(dir.meta), xattrs: Xattrs.empty }));
    }
    const checksum = this.#files.get(node.path) as string;
    if (!this.#noXattrs) return checksum;
    using object = this.#repo.openFile(checksum);
    const state = createHash("sha256").update(contentPrefix({ ...object.info, xattrs: Xattrs.empty }));
    for await (const piece of readContent(object)) state.update(piece);
    return state.digest("hex");
  }

  shown(path: ByteString): string {
    return displayName(path);
  }

  [Symbol.dispose](): void {}
}

export class DirectorySide implements Side {
  readonly root: Node = { name: "" as ByteString, path: "" as ByteString, kind: "directory" };
  readonly #dir: Dir;
  readonly #noXattrs: boolean;
  readonly #owner: { readonly uid: number | undefined; readonly gid: number | undefined };

  constructor(
    dir: Dir,
    noXattrs: boolean,
    owner: { readonly uid: number | undefined; readonly gid: number | undefined },
  ) {
    this.#dir = dir;
    this.#noXattrs = noXattrs;
    this.#owner = owner;
  }

  children(node: Node): Map<ByteString, Node> {
    using dir = node.path === "" ? this.#dir.duplicate() : this.#dir.openDir(node.path);
    const nodes = new Map<ByteString, Node>();
    // Files first, then directories, as in a commit.
    for (const kind of ["file", "directory"] as const) {
      for (const { name, type } of dir.list()) {
        const own = type === "directory" ? "directory" : type === "symlink" ? "symlink" : "file";
        if ((own === "directory") !== (kind === "directory")) continue;
        nodes.set(name, {
          name,
          path: (node.path === "" ? name : `${node.path}/${name}`) as ByteString,
          kind: own,
        });
      }
    }
    return nodes;
  }

  #owned(info: FileInfo): FileInfo {
    const { uid, gid } = this.#owner;
    return {
      ...info,
      uid: uid === undefined || uid < 0 ? info.uid : uid,
      gid: gid === undefined || gid < 0 ? info.gid : gid,
    };
  }

  async identity(node: Node): Promise<string> {
    if (node.kind === "directory") {
      using dir = this.#dir.openDir(node.path);
      const { uid, gid, mode } = dir.statSelf();
      const xattrs = this.#noXattrs ? Xattrs.empty : readXattrs(dir.self());
      return sha256(encodeDirmeta(this.#owned({ uid, gid, mode, xattrs })));
    }
    using opened = openInfo(this.#dir, node.path, this.#noXattrs);
    const state = createHash("sha256").update(contentPrefix(this.#owned(opened.info)));
    if (opened.file !== undefined) {
      const buffer = Buffer.allocUnsafeSlow(1 << 18);
      for (let at = 0; ;) {
        const count = opened.file.readFull(buffer, at);
        state.update(buffer.subarray(0, count));
        at += count;
        if (count < buffer.length) break;
      }
    }
    return state.digest("hex");
  }

  shown(path: ByteString): string {
    return displayName(path);
  }

  [Symbol.dispose](): void {
    this.#dir[Symbol.dispose]();
  }
}
