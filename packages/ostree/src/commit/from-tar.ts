import { type ByteString, byteString, displayName, textOf, throwIfAborted } from "@bootc-store/core";
import { Hasher } from "@bootc-store/linux";
import { peekBytes, readTar, type TarEntry, type SegmentContent } from "@bootc-store/oci";
import { TYPE_BITS, Xattrs } from "@bootc-store/tree";

import { ostreeErrors } from "../errors.ts";
import type { Checksum } from "../format/checksum.ts";
import { contentPrefix, type FileInfo, SYMLINK_MODE } from "../format/file-info.ts";
import type { Transaction } from "../repo/transaction.ts";
import { applyRules, type CommitModifier, type PlainRules, rulesFor } from "./modifier.ts";
import { type CpioItem, isCpio, readCpio } from "./cpio.ts";
import type { MutableTree } from "./mutable-tree.ts";

export interface StoreTarOptions {
  readonly modifier?: CommitModifier;
  readonly matched?: Set<ByteString>;
  /** Makes directories that have no entry before what is in them, 0755 and owned as the entry that needs them. */
  readonly autocreateParents?: boolean;
  /** Gives an entry another path. */
  readonly rename?: (path: string) => string;
  readonly signal?: AbortSignal;
}

/**
 * Stores a tar, or a cpio archive, and lays it over a tree, as ostree does with libarchive. Throws `ostree/tar-invalid`,
 * `ostree/file-type-unsupported`, `ostree/tree-conflict` and the errors of reading tars.
 */
export async function storeTar(
  transaction: Transaction,
  tar: AsyncGenerator<Uint8Array>,
  into: MutableTree,
  options: StoreTarOptions = {},
): Promise<void> {
  const store = new TarStore(transaction, into, options);
  for await (const { entry, content } of entriesOf(tar)) {
    throwIfAborted(options.signal);
    await store.entry(entry, content);
  }
  store.finish();
}

async function* entriesOf(archive: AsyncGenerator<Uint8Array>): AsyncGenerator<CpioItem> {
  const { head, all } = await peekBytes(archive, 6);
  if (isCpio(head)) {
    yield* readCpio(all);
    return;
  }
  for await (const item of readTar(all)) if (item.kind === "entry") yield item;
}

class TarStore {
  readonly #transaction: Transaction;
  readonly #root: MutableTree;
  readonly #options: StoreTarOptions;
  readonly #modifier: CommitModifier;
  readonly #rules: PlainRules;
  /** Links are made when everything else is there. */
  readonly #links: { path: ByteString[]; target: ByteString[]; entry: TarEntry }[] = [];

  constructor(transaction: Transaction, root: MutableTree, options: StoreTarOptions) {
    this.#transaction = transaction;
    this.#root = root;
    this.#options = options;
    this.#modifier = options.modifier ?? {};
    this.#rules = rulesFor(this.#modifier, transaction.repo.config);
  }

  async entry(entry: TarEntry, content: SegmentContent<never> | undefined): Promise<void> {
    if (entry.type === "global") return;
    const path = this.#path(entry.name);
    const absolute = `/${path.join("/")}` as ByteString;
    if (this.#modifier.skip?.has(absolute) === true) {
      this.#options.matched?.add(absolute);
      return;
    }
    if (entry.type === "directory") {
      this.#directory(path, entry, absolute);
      return;
    }
    const name = path.at(-1);
    if (name === undefined) throw invalid(`"${displayName(entry.name)}" is the root and no directory`);
    const parent = this.#parent(path, entry);
    if (entry.type === "hardlink") {
      this.#links.push({ path, target: this.#path(entry.linkName), entry });
      // One with content of its own replaces what it links to.
      if (content === undefined || entry.storedSize === 0) return;
    }
    const info = this.#info(entry, absolute);
    if (entry.type === "symlink") {
      parent.setFile(name, this.#transaction.writeSymlink(info).checksum);
    } else if (entry.type === "file" || entry.type === "hardlink") {
      parent.setFile(name, await this.#content(info, content, entry.size));
    } else {
      throw ostreeErrors.error(
        "file-type-unsupported",
        `Unsupported file type for path "${displayName(entry.name)}"`,
        {
          context: { path: displayName(entry.name), type: entry.type },
        },
      );
    }
  }

  finish(): void {
    for (const { path, target, entry } of this.#links) {
      if (entry.storedSize > 0) continue;
      const parent = this.#parent(path, entry);
      const source = this.#lookup(target.slice(0, -1));
      const checksum = source?.files.get(target.at(-1) as ByteString);
      if (checksum === undefined) {
        throw invalid(
          `Processing deferred hardlink ${displayName(path.join("/") as ByteString)}: No such file or directory: ${displayName(target.join("/") as ByteString)}`,
        );
      }
      parent.setFile(path.at(-1) as ByteString, checksum);
    }
    if (this.#root.meta === undefined && this.#options.autocreateParents === true) {
      this.#root.meta = this.#autoMeta(0, 0, "/" as ByteString);
    }
  }

  #lookup(path: readonly ByteString[]): MutableTree | undefined {
    let tree: MutableTree | undefined = this.#root;
    for (const part of path) tree = tree?.dirs.get(part);
    return tree;
  }

  #path(name: ByteString): ByteString[] {
    const text = textOf(name);
    if (text === undefined) throw invalid("Archive entry pathname is not valid UTF-8");
    let path = text;
    for (;;) {
      const stripped = path.replace(/^(?:\/\.\.(?=\/)|\.?\/+)/, "");
      if (stripped === path) break;
      path = stripped;
    }
    if (this.#options.rename !== undefined) path = this.#options.rename(path.replace(/\/+$/, ""));
    const parts = path.split("/").filter((part) => part !== "" && part !== ".");
    if (parts.includes("..")) throw invalid(`Invalid filename '..' in path "${displayName(name)}"`);
    return parts.map((part) => byteString(Buffer.from(part)));
  }

  #directory(path: readonly ByteString[], entry: TarEntry, absolute: ByteString): void {
    const name = path.at(-1);
    const dir = name === undefined ? this.#root : this.#parent(path, entry).ensureDir(name);
    dir.meta = this.#transaction.writeDirmeta(this.#info(entry, absolute));
  }

  /** The directory of an entry. Where any on the way is missing and may be made, all of them get the entry's owner. */
  #parent(path: readonly ByteString[], entry: TarEntry): MutableTree {
    const parents = path.slice(0, -1);
    const found = this.#lookup(parents);
    if (found?.meta !== undefined) return found;
    if (this.#options.autocreateParents !== true) {
      throw invalid(`No such file or directory: ${displayName((parents.join("/") || "/") as ByteString)}`);
    }
    let tree = this.#root;
    let at = "" as ByteString;
    tree.meta = this.#autoMeta(entry.uid, entry.gid, "/" as ByteString);
    for (const part of parents) {
      at = `${at}/${part}` as ByteString;
      tree = tree.ensureDir(part);
      tree.meta = this.#autoMeta(entry.uid, entry.gid, at);
    }
    return tree;
  }

  #autoMeta(uid: number, gid: number, path: ByteString): Checksum {
    const mode = TYPE_BITS.directory | 0o755;
    const info: FileInfo = { uid, gid, mode, xattrs: Xattrs.empty };
    const label = this.#modifier.label?.(path, mode);
    return this.#transaction.writeDirmeta(applyRules(info, this.#rules, undefined, label));
  }

  #info(entry: TarEntry, path: ByteString): FileInfo {
    const type =
      entry.type === "directory"
        ? TYPE_BITS.directory
        : entry.type === "symlink"
          ? TYPE_BITS.symlink
          : TYPE_BITS.file;
    const mode = entry.type === "symlink" ? SYMLINK_MODE : type | (entry.mode & 0o7777);
    // An attribute without a value would be hashed and could not be read back from a bare repository.
    const xattrs = this.#rules.noXattrs
      ? Xattrs.empty
      : Xattrs.from([...entry.xattrs].filter(([, value]) => value.length > 0));
    const info: FileInfo = {
      uid: entry.uid,
      gid: entry.gid,
      mode,
      xattrs,
      ...(entry.type === "symlink" ? { target: entry.linkName } : {}),
    };
    const override = this.#modifier.statOverrides?.get(path);
    if (override !== undefined) this.#options.matched?.add(path);
    return applyRules(info, this.#rules, override, this.#modifier.label?.(path, mode));
  }

  async #content(
    info: FileInfo,
    content: SegmentContent<never> | undefined,
    size: number,
  ): Promise<Checksum> {
    if (content === undefined) return (await this.#transaction.writeFile(new Uint8Array(0), info)).checksum;
    if (size <= 1 << 20) {
      const pieces: Uint8Array[] = [];
      for await (const piece of content.read()) pieces.push(piece);
      return (await this.#transaction.writeFile(Buffer.concat(pieces), info)).checksum;
    }
    using temporary = this.#transaction.tempFile();
    const hasher = new Hasher({ ostree: { algorithm: "sha256", prefix: contentPrefix(info) } });
    for await (const piece of content.read()) {
      temporary.file.write(piece);
      hasher.update(piece);
    }
    return (await this.#transaction.adopt(temporary, info, hasher.finish().ostree, hasher.size)).checksum;
  }
}

function invalid(problem: string): Error {
  return ostreeErrors.error("tar-invalid", problem);
}
