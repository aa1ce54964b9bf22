import { type ByteString, compareByteStrings } from "@bootc-store/core";

import { treeErrors } from "./errors.ts";
import type { Inode } from "./leaf.ts";
import { checkMetadata, type Metadata } from "./metadata.ts";
import { checkName, shown } from "./name.ts";

/**
 * A directory: names, each standing for an inode, iterated in byte order. A directory has one parent: put
 * it in one place only. Do not add names while iterating.
 */
export class Directory {
  readonly kind = "directory";
  #metadata: Metadata;
  #entries = new Map<ByteString, Inode>();
  /** The greatest name, while insertion order is byte order, so that most directories are never sorted. */
  #last: ByteString | undefined = "" as ByteString;
  #frozen = false;

  constructor(metadata: Metadata) {
    checkMetadata("directory", metadata);
    this.#metadata = metadata;
  }

  get metadata(): Metadata {
    return this.#metadata;
  }

  set metadata(metadata: Metadata) {
    this.#assertWritable();
    checkMetadata("directory", metadata);
    this.#metadata = metadata;
  }

  /** How many names there are. */
  get size(): number {
    return this.#entries.size;
  }

  get frozen(): boolean {
    return this.#frozen;
  }

  get(name: ByteString): Inode | undefined {
    return this.#entries.get(name);
  }

  has(name: ByteString): boolean {
    return this.#entries.has(name);
  }

  /** Sets a name, replacing what it stood for. Throws `tree/name-invalid`. */
  set(name: ByteString, inode: Inode): void {
    this.#assertWritable();
    checkName(name);
    if (inode === this) throw treeErrors.error("entry-cycle", "a directory cannot contain itself");
    if (this.#last !== undefined) {
      if (name > this.#last) this.#last = name;
      else if (!this.#entries.has(name)) this.#last = undefined;
    }
    this.#entries.set(name, inode);
  }

  /** Sets a name that must be new. Throws `tree/entry-duplicate`, `tree/name-invalid`. */
  add(name: ByteString, inode: Inode): void {
    if (this.#entries.has(name)) {
      throw treeErrors.error("entry-duplicate", `"${shown(name)}" occurs twice in one directory`);
    }
    this.set(name, inode);
  }

  /** Removes a name; false if there was none. */
  delete(name: ByteString): boolean {
    this.#assertWritable();
    return this.#entries.delete(name);
  }

  /** Removes every name. */
  clear(): void {
    this.#assertWritable();
    this.#entries = new Map();
    this.#last = "" as ByteString;
  }

  /** Names in byte order. */
  names(): MapIterator<ByteString> {
    return this.#sorted().keys();
  }

  /** Names and inodes in byte order of the names. */
  entries(): MapIterator<[ByteString, Inode]> {
    return this.#sorted().entries();
  }

  [Symbol.iterator](): MapIterator<[ByteString, Inode]> {
    return this.#sorted().entries();
  }

  /** From now on every change to this directory throws `tree/frozen`. For a whole tree: `freezeTree`. */
  freeze(): void {
    this.#sorted();
    this.#frozen = true;
  }

  #sorted(): Map<ByteString, Inode> {
    if (this.#last === undefined) {
      const list = [...this.#entries].sort((a, b) => compareByteStrings(a[0], b[0]));
      this.#entries = new Map(list);
      this.#last = list.at(-1)?.[0] ?? ("" as ByteString);
    }
    return this.#entries;
  }

  #assertWritable(): void {
    if (this.#frozen) throw treeErrors.error("frozen", "this tree is frozen");
  }
}
