import { createHash } from "node:crypto";

import {
  type Content,
  type ContentSource,
  type SourcedTree,
  TallyBuilder,
  type WrittenTree,
} from "@bootc-store/backend";
import { bytesOf, throwIfAborted } from "@bootc-store/core";
import {
  Directory,
  type File,
  file,
  type Inode,
  type Leaf,
  type Metadata,
  type Tree,
} from "@bootc-store/tree";

import { memoryErrors, type MemoryObjects } from "./objects.ts";

/** Trees, by the SHA-256 of a plain printing of them; file contents are objects. */
export class MemoryTrees implements ContentSource {
  readonly #trees = new Map<string, { tree: Tree; references: readonly string[] }>();
  readonly #objects: MemoryObjects;

  constructor(objects: MemoryObjects) {
    this.#objects = objects;
  }

  ids(): string[] {
    return [...this.#trees.keys()].sort();
  }

  references(id: string): readonly string[] {
    return this.#trees.get(id)?.references ?? [];
  }

  delete(id: string): boolean {
    return this.#trees.delete(id);
  }

  read(id: string): SourcedTree {
    const found = this.#trees.get(id);
    if (found === undefined)
      throw memoryErrors.error("tree-missing", `no tree ${id}`, { context: { digest: id } });
    return { tree: found.tree, contents: this };
  }

  openContent(content: { readonly key: string }): Content {
    return this.#objects.content(content.key);
  }

  async write(source: SourcedTree, signal: AbortSignal | undefined): Promise<WrittenTree> {
    const tally = new TallyBuilder();
    const copier = new Copier(source.contents, this.#objects, tally, signal);
    const root = await copier.directory(source.tree.root);
    const id = createHash("sha256").update(print(root)).digest("hex");
    const created = !this.#trees.has(id);
    if (created) this.#trees.set(id, { tree: { root }, references: [...copier.references].sort() });
    return { id, created, content: tally.tally() };
  }
}

class Copier {
  readonly references = new Set<string>();
  readonly #leaves = new Map<Leaf, Leaf>();
  readonly #contents: ContentSource;
  readonly #objects: MemoryObjects;
  readonly #tally: TallyBuilder;
  readonly #signal: AbortSignal | undefined;

  constructor(
    contents: ContentSource,
    objects: MemoryObjects,
    tally: TallyBuilder,
    signal: AbortSignal | undefined,
  ) {
    this.#contents = contents;
    this.#objects = objects;
    this.#tally = tally;
    this.#signal = signal;
  }

  async directory(source: Directory): Promise<Directory> {
    throwIfAborted(this.#signal);
    const copy = new Directory(source.metadata);
    for (const [name, inode] of source) copy.add(name, await this.#inode(inode));
    return copy;
  }

  async #inode(inode: Inode): Promise<Inode> {
    if (inode.kind === "directory") return await this.directory(inode);
    const known = this.#leaves.get(inode);
    if (known !== undefined) return known;
    const copy = inode.kind === "file" ? await this.#file(inode) : { ...inode };
    this.#leaves.set(inode, copy);
    return copy;
  }

  async #file(source: File): Promise<File> {
    const { content, metadata, size } = source;
    if (content.kind !== "external") return file(metadata, size, content);
    const parts: Uint8Array[] = [];
    for await (const part of this.#contents.openContent(content, size).read()) parts.push(part);
    const bytes = Buffer.concat(parts);
    if (bytes.length !== size) {
      throw memoryErrors.error(
        "content-size",
        `a file of ${size} bytes has ${bytes.length} bytes of content`,
      );
    }
    const { key, created } = this.#objects.put(bytes);
    this.#tally.add(created ? "copied" : "reused", size);
    this.references.add(key);
    return file(metadata, size, { kind: "external", key, sha256: key });
  }
}

/** Everything a tree is, in a form that two equal trees share; hard links by the order of first names. */
function print(root: Directory): string {
  const numbers = new Map<Leaf, number>();
  const lines: string[] = [];
  const visit = (path: string, inode: Inode): void => {
    if (inode.kind === "directory") {
      lines.push(`${path} d ${printMetadata(inode.metadata)}`);
      for (const [name, child] of inode) visit(`${path}/${name}`, child);
      return;
    }
    const number = numbers.get(inode);
    if (number !== undefined) {
      lines.push(`${path} = ${number}`);
      return;
    }
    numbers.set(inode, numbers.size);
    lines.push(`${path} ${inode.kind} ${printMetadata(inode.metadata)} ${printLeaf(inode)}`);
  };
  visit("", root);
  return lines.join("\n");
}

function printMetadata({ mode, uid, gid, mtime, xattrs }: Metadata): string {
  const attributes = [...xattrs].map(
    ([name, value]) => `${name}=${Buffer.from(bytesOf(value)).toString("hex")}`,
  );
  return [mode.toString(8), uid, gid, mtime.sec, mtime.nsec, ...attributes].join(" ");
}

function printLeaf(leaf: Leaf): string {
  if (leaf.kind === "symlink") return leaf.target;
  if (leaf.kind === "char" || leaf.kind === "block") return `${leaf.major}:${leaf.minor}`;
  if (leaf.kind !== "file") return "";
  if (leaf.content.kind === "external") return `${leaf.size} ${leaf.content.key}`;
  if (leaf.content.kind === "sparse") return `${leaf.size} zeros`;
  return `${leaf.size} ${Buffer.from(leaf.content.bytes).toString("hex")}`;
}
