import type { ByteString } from "@bootc-store/core";
import { defineTask, Dir, throwIfCancelled } from "@bootc-store/linux";
import { Xattrs } from "@bootc-store/tree";

import { ostreeErrors } from "../errors.ts";
import type { FileInfo } from "../format/file-info.ts";
import type { WritePlaces } from "../objects/places.ts";
import { ObjectWriter } from "../objects/writer.ts";
import type { CloneChoice, WrittenFile } from "../objects/written-file.ts";

/** Metadata of a content as it crosses to a worker. */
export interface PlainInfo {
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
  /** Name, value, name, value, … */
  readonly xattrs: readonly ByteString[];
}

export function plainInfo(info: FileInfo): PlainInfo {
  return { uid: info.uid, gid: info.gid, mode: info.mode, xattrs: [...info.xattrs].flat() };
}

export function infoOf({ uid, gid, mode, xattrs }: PlainInfo): FileInfo {
  if (xattrs.length === 0) return { uid, gid, mode, xattrs: Xattrs.empty };
  const pairs: [ByteString, ByteString][] = [];
  for (let at = 0; at < xattrs.length; at += 2)
    pairs.push([xattrs[at] as ByteString, xattrs[at + 1] as ByteString]);
  return { uid, gid, mode, xattrs: Xattrs.from(pairs) };
}

/** A content that lies in a file of its own. */
export interface StoredContent {
  /** Descriptor of the directory, which stays open until the batch is done. */
  readonly dir: number;
  readonly name: ByteString;
  readonly size: number;
  readonly info: PlainInfo;
}

export interface StoreContentsInput {
  readonly places: WritePlaces;
  readonly clone: CloneChoice;
  readonly items: readonly StoredContent[];
}

/** Stores contents that are files of their own, each read once; in the order given. The first failure ends it. */
export const storeContents = defineTask(
  import.meta.url,
  "storeContents",
  async (input: StoreContentsInput, { signal }): Promise<WrittenFile[]> => {
    using writer = new ObjectWriter(input.places);
    const written: WrittenFile[] = [];
    for (const { dir, name, size, info } of input.items) {
      throwIfCancelled(signal);
      using file = Dir.borrow(dir, "content").openFile(name);
      if (file.stat().size !== size) throw wrongSize(name, size, file.stat().size);
      written.push(await writer.writeFile(file, infoOf(info), input.clone));
    }
    return written;
  },
);

export function wrongSize(what: string, expected: number, actual: number): Error {
  return ostreeErrors.error(
    "content-size",
    `${what}: ${expected} bytes were announced, and there are ${actual}`,
    {
      context: { expected, actual },
    },
  );
}
