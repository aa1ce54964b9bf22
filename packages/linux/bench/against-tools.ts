/* oxlint-disable typescript/await-thenable -- the linter does not know of async disposal in files that are not built */
// Walks a tree and hashes its files, in turn with find(1) and sha256sum(1), and prints medians.
//
//     node --conditions=@bootc-store/source bench/against-tools.ts /usr
import { execFileSync } from "node:child_process";
import { availableParallelism } from "node:os";
import { byteString, type ByteString } from "@bootc-store/core";
import { createPool, Dir, hashFiles, type HashSpecs } from "../src/index.ts";

const path = process.argv[2] ?? "/usr";
const rounds = Number(process.argv[3] ?? 5);
using root = Dir.openHost(byteString(Buffer.from(path)));

async function median(name: string, work: () => unknown): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const start = performance.now();
    await work();
    times.push(performance.now() - start);
  }
  times.sort((a, b) => a - b);
  const middle = times[times.length >> 1] ?? 0;
  const [least = 0] = times;
  console.log(
    `${name.padEnd(44)} ${middle.toFixed(0).padStart(7)} ms   least ${least.toFixed(0).padStart(6)}`,
  );
  return middle;
}

function tool(program: string, ...args: string[]): void {
  execFileSync(program, args, { stdio: ["ignore", "ignore", "inherit"] });
}

console.log(`${path}: ${[...root.walk()].length} entries`);
await median("find", () => tool("find", path));
await median("walk", () => {
  for (const _ of root.walk());
});
await median("find -printf of all metadata", () => tool("find", path, "-printf", "%m %n %U %G %s %T@ %p\n"));
await median("walk with stat", () => {
  for (const entry of root.walk()) entry.dir.stat(entry.name);
});
await median("walk with stat and list of xattrs", () => {
  for (const entry of root.walk()) {
    entry.dir.stat(entry.name);
    entry.dir.listXattrs(entry.name);
  }
});

const files: ByteString[] = [];
for (const entry of root.walk()) if (entry.type === "regular") files.push(entry.path);
const batches: ByteString[][] = [];
for (let at = 0; at < files.length; at += 64) batches.push(files.slice(at, at + 64));

async function hashAll(size: number, want: HashSpecs): Promise<void> {
  await using pool = createPool({ size });
  const inputs = batches.map((batch) => ({
    dir: root.fd,
    want,
    files: batch.map((file) => ({ path: file })),
  }));
  for await (const results of pool.map(hashFiles, inputs)) {
    for (const result of results) if ("error" in result) console.error(result.error.message);
  }
}

const sha256 = { a: { algorithm: "sha256" } } as const;
const verity = { a: { verity: { algorithm: "sha512" } } } as const;
const both = { a: { algorithm: "sha256" }, b: { verity: { algorithm: "sha512" } } } as const;
console.log(`${files.length} files`);
await median("find -type f | xargs sha256sum", () =>
  tool("sh", "-c", `find ${path} -type f -print0 | xargs -0 sha256sum`),
);
await median("sha256, on this thread", () => hashAll(0, sha256));
const cores = availableParallelism();
await median(`sha256, pool of ${cores}`, () => hashAll(cores, sha256));
await median("fs-verity sha512, on this thread", () => hashAll(0, verity));
await median(`fs-verity sha512, pool of ${cores}`, () => hashAll(cores, verity));
await median(`sha256 and fs-verity sha512, pool of ${cores}`, () => hashAll(cores, both));
