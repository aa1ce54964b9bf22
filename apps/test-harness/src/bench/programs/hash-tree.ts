// Ours for "hash": the SHA-256 of every regular file of a tree, over all cores, printed as sha256sum does.
import { type ByteString, utf8 } from "@bootc-store/core";
import { createPool, Dir, hashFiles, type HashFilesInput } from "@bootc-store/linux";

const [root] = process.argv.slice(2);
if (root === undefined) throw new Error("usage: hash-tree.ts DIR");
using dir = Dir.openHost(utf8(root));
await using pool = createPool();

const BATCH = 128;
const sent: ByteString[][] = [];

function* batches(): Generator<HashFilesInput> {
  let paths: ByteString[] = [];
  const batch = (): HashFilesInput => {
    sent.push(paths);
    const input = {
      dir: dir.fd,
      files: paths.map((path) => ({ path })),
      want: { sha256: { algorithm: "sha256" } },
    } as const;
    paths = [];
    return input;
  };
  for (const entry of dir.walk()) {
    if (entry.type !== "regular") continue;
    paths.push(entry.path);
    if (paths.length === BATCH) yield batch();
  }
  if (paths.length > 0) yield batch();
}

let done = 0;
for await (const results of pool.map(hashFiles, batches())) {
  const paths = sent[done++] ?? [];
  let text = "";
  for (const [index, result] of results.entries()) {
    if ("error" in result) throw new Error(result.error.message);
    text += `${result.digests["sha256"]}  ${paths[index]}\n`;
  }
  process.stdout.write(text, "latin1");
}
