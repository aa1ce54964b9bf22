// The members of a tar that is a file, by name: where each one's content is. Contents are passed over, not read.

import { type ByteString, displayName } from "@bootc-store/core";
import type { File } from "@bootc-store/linux";

import { collect } from "../../collect.ts";
import { ociErrors } from "../../errors.ts";
import type { TarEntry } from "../../tar/entry.ts";
import { BLOCK } from "../../tar/header.ts";
import { TarParser } from "../../tar/parser.ts";
import { fileChunks } from "../chunks.ts";
import type { FileStore } from "../file-store.ts";
import type { BlobContent } from "../port.ts";

interface Member {
  readonly offset: number;
  readonly size: number;
  /** Where a symbolic or hard link points, as a name of the archive. */
  readonly link?: ByteString;
}

/** Members of an archive at most. */
const MEMBER_LIMIT = 100_000;
const LINK_LIMIT = 8;

export class TarIndex implements FileStore {
  readonly #file: File;
  readonly #members: ReadonlyMap<ByteString, Member>;
  readonly label: string;

  private constructor(file: File, members: ReadonlyMap<ByteString, Member>, label: string) {
    this.#file = file;
    this.#members = members;
    this.label = label;
  }

  /** Takes over the file. Throws `oci/archive-invalid` and the `oci/tar-*` errors. */
  static open(file: File, label: string): TarIndex {
    try {
      return new TarIndex(file, scan(file, label), label);
    } catch (error) {
      file[Symbol.dispose]();
      throw error;
    }
  }

  async readOptional(path: ByteString, limit: number): Promise<Uint8Array | undefined> {
    const content = this.openOptional(path);
    if (content === undefined) return undefined;
    return await collect(content.read(), limit, `${this.label}: ${displayName(path)}`);
  }

  openOptional(path: ByteString): BlobContent | undefined {
    let member = this.#members.get(path);
    for (let links = 0; member?.link !== undefined; links++) {
      if (links === LINK_LIMIT) {
        throw ociErrors.error(
          "archive-invalid",
          `${this.label}: "${displayName(path)}" is a link without an end`,
        );
      }
      member = this.#members.get(member.link);
    }
    if (member === undefined) return undefined;
    const { offset, size } = member;
    return { size, read: ({ reuse = false } = {}) => fileChunks(this.#file, offset, size, reuse) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#file[Symbol.dispose]();
  }
}

function scan(file: File, label: string): Map<ByteString, Member> {
  const members = new Map<ByteString, Member>();
  let entry: TarEntry | undefined;
  const parser = new TarParser({
    inline() {},
    entry: (found) => (entry = found),
    data() {},
    entryEnd() {},
  });
  const block = Buffer.alloc(BLOCK);
  let at = 0;
  while (!parser.ended) {
    const count = file.readFull(block, at);
    if (count === 0) break;
    parser.push(block.subarray(0, count));
    at += count;
    if (entry === undefined) continue;
    if (members.size >= MEMBER_LIMIT) {
      throw ociErrors.error("archive-invalid", `${label}: it has more than ${MEMBER_LIMIT} members`);
    }
    add(members, entry, at);
    entry = undefined;
    at += parser.passOver();
  }
  parser.end();
  if (at > file.stat().size) {
    throw ociErrors.error(
      "tar-truncated",
      `${label}: the archive ends at ${file.stat().size}, within a member`,
    );
  }
  return members;
}

function add(members: Map<ByteString, Member>, entry: TarEntry, offset: number): void {
  const name = cleanName(entry.name);
  if (entry.type === "file" && entry.sparse === undefined)
    members.set(name, { offset, size: entry.storedSize });
  else if (entry.type === "hardlink") members.set(name, { offset, size: 0, link: cleanName(entry.linkName) });
  else if (entry.type === "symlink") {
    const base = entry.linkName.startsWith("/")
      ? ""
      : `${name.slice(0, Math.max(name.lastIndexOf("/"), 0))}/`;
    members.set(name, { offset, size: 0, link: cleanName(`${base}${entry.linkName}` as ByteString) });
  } else members.delete(name);
}

/** A name without what says nothing; `..` is taken away with what is before it, and never leaves the archive. */
export function cleanName(name: ByteString): ByteString {
  const parts: string[] = [];
  for (const part of name.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return parts.join("/") as ByteString;
}
