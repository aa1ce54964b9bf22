import { type ByteString, displayName, isStoreError, utf8 } from "@bootc-store/core";

import type { Checksum } from "../format/checksum.ts";
import type { FileInfo } from "../format/file-info.ts";
import { xattrList } from "../format/xattrs.ts";
import { printValue } from "../gvariant/print.ts";
import { readContent } from "../objects/content.ts";
import { lookupPath, rootOf, type TreeNode } from "../read/tree-path.ts";
import { revParse } from "../read/rev-parse.ts";
import type { Repo } from "../repo/repo.ts";
import { command } from "./command.ts";
import type { Cli } from "./context.ts";
import { OstreeFailure } from "./failure.ts";

const LS_OPTIONS = {
  dironly: { kind: "flag", short: "d" },
  recursive: { kind: "flag", short: "R" },
  checksum: { kind: "flag", short: "C" },
  xattrs: { kind: "flag", short: "X" },
  "nul-filenames-only": { kind: "flag" },
} as const;

interface LsOptions {
  readonly dironly: boolean;
  readonly recursive: boolean;
  readonly checksum: boolean;
  readonly xattrs: boolean;
  readonly "nul-filenames-only": boolean;
}

export const ls = command({
  name: "ls",
  usage: "COMMIT [PATH...]",
  options: LS_OPTIONS,
  async run(cli, options, args) {
    using repo = cli.openRepo(options.repo);
    const [rev, ...paths] = args;
    if (rev === undefined) throw new OstreeFailure("An COMMIT argument is required", true);
    const root = rootOf(repo, revParse(repo, rev));
    const lister = new Lister(cli, repo, options);
    for (const path of paths.length === 0 ? ["/"] : paths) {
      const absolute = `/${path
        .split("/")
        .filter((part) => part !== "")
        .join("/")}`;
      let node: TreeNode;
      try {
        node = lookupPath(repo, root, utf8(path));
      } catch (error) {
        if (!isStoreError(error, "ostree/path-not-found", "ostree/path-not-directory")) throw error;
        throw new OstreeFailure(`Inspecting path '${path}': ${error.message}`);
      }
      await lister.entry(utf8(absolute), node);
      if (node.kind === "directory" && !options.dironly) await lister.children(utf8(absolute), node.tree);
    }
  },
});

class Lister {
  readonly #cli: Cli;
  readonly #repo: Repo;
  readonly #options: LsOptions;

  constructor(cli: Cli, repo: Repo, options: LsOptions) {
    this.#cli = cli;
    this.#repo = repo;
    this.#options = options;
  }

  async entry(path: ByteString, node: TreeNode): Promise<void> {
    if (this.#options["nul-filenames-only"]) {
      await this.#cli.write(`${Buffer.from(path, "latin1").toString("utf8")}\0`);
      return;
    }
    if (node.kind === "directory") {
      await this.#print("d", this.#repo.readDirmeta(node.meta), 0, `${node.tree} ${node.meta}`, path);
      return;
    }
    using object = this.#repo.openFile(node.checksum);
    const { info, size } = object;
    await this.#print(info.target === undefined ? "-" : "l", info, size, node.checksum, path);
  }

  async #print(
    type: string,
    info: FileInfo,
    size: number,
    checksums: string,
    path: ByteString,
  ): Promise<void> {
    let line = `${type}0${(info.mode & 0o7777).toString(8).padStart(4, "0")} ${info.uid} ${info.gid} ${String(size).padStart(6)} `;
    if (this.#options.checksum) line += `${checksums} `;
    if (this.#options.xattrs) line += `{ ${printValue("a(ayay)", xattrList(info.xattrs))} } `;
    line += text(path);
    if (info.target !== undefined) line += ` -> ${text(info.target)}`;
    await this.#cli.line(line);
  }

  async children(path: ByteString, tree: Checksum): Promise<void> {
    const { files, dirs } = this.#repo.readDirtree(tree);
    const base = path === "/" ? "" : path;
    for (const [name, checksum] of files)
      await this.entry(`${base}/${name}` as ByteString, { kind: "file", checksum });
    for (const [name, dir] of dirs) {
      const below = `${base}/${name}` as ByteString;
      await this.entry(below, { kind: "directory", ...dir });
      if (this.#options.recursive) await this.children(below, dir.tree);
    }
  }
}

/** Names as they are: what shows them is the terminal of whoever asked. */
function text(name: ByteString): string {
  return Buffer.from(name, "latin1").toString("utf8");
}

export const cat = command({
  name: "cat",
  usage: "COMMIT PATH...",
  options: {},
  async run(cli, options, args) {
    using repo = cli.openRepo(options.repo);
    const [rev, ...paths] = args;
    if (rev === undefined || paths.length === 0) {
      throw new OstreeFailure("A COMMIT and at least one PATH argument are required", true);
    }
    const root = rootOf(repo, revParse(repo, rev));
    for (const path of paths) {
      let node = lookupPath(repo, root, utf8(path));
      let at = utf8(path);
      // Links are followed within the tree.
      for (let links = 0; node.kind === "file"; links++) {
        using object = repo.openFile(node.checksum);
        const { target } = object.info;
        if (target === undefined) {
          for await (const piece of readContent(object)) await cli.bytes(piece);
          break;
        }
        if (links > 40) throw new OstreeFailure("Too many levels of symbolic links");
        at = resolve(at, target);
        node = lookupPath(repo, root, at);
      }
      if (node.kind === "directory") throw new OstreeFailure(`Can't open directory: ${displayName(at)}`);
    }
  },
});

function resolve(from: ByteString, target: ByteString): ByteString {
  const parts = target.startsWith("/") ? [] : from.split("/").slice(0, -1);
  for (const part of target.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return parts.join("/") as ByteString;
}
