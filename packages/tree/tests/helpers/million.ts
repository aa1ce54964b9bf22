// Builds a tree of a million files with distinct names, times, keys and digests, and prints what memory that takes.
import { type ByteString, utf8 } from "@bootc-store/core";

import { Directory, file, metadataOf, walkTree, XattrPool, Xattrs } from "../../src/index.ts";

const pool = new XattrPool();
const root = new Directory(metadataOf("directory"));
for (let at = 0; at < 10_000; at++) {
  const directory = new Directory(metadataOf("directory", { mtime: { sec: 1_700_000_000 + at, nsec: at } }));
  root.set(`directory-${at}` as ByteString, directory);
  for (let of = 0; of < 99; of++) {
    const number = at * 99 + of;
    const hex = number.toString(16).padStart(64, "0");
    const xattrs = pool.share(
      Xattrs.from([[utf8("security.selinux"), utf8(`system_u:object_r:type${of}_t:s0`)]]),
    );
    const metadata = metadataOf("file", { mtime: { sec: 1_600_000_000 + number, nsec: number }, xattrs });
    const key = `${hex.slice(0, 2)}/${hex.slice(2)}`;
    const name = Buffer.from(`some-file-name-${number}.txt`).toString("latin1") as ByteString;
    directory.set(
      name,
      file(metadata, number + 100, { kind: "external", key: Buffer.from(key).toString("latin1") }),
    );
  }
}
let entries = 0;
for (const _ of walkTree({ root })) entries++;
globalThis.gc?.();
const heapMegabytes = process.memoryUsage().heapUsed / 1e6;
const peakMegabytes = process.resourceUsage().maxRSS / 1e3;
console.log(JSON.stringify({ entries, heapMegabytes, peakMegabytes, top: root.size }));
