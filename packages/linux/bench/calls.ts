/* oxlint-disable typescript/await-thenable -- the linter does not know of async disposal in files that are not built */
// Nanoseconds a call, of the calls that stores make by the hundred thousand. Best of four rounds.
import { mkdtempSync, rmSync, statSync, lstatSync } from "node:fs";
import { join } from "node:path";
import { byteString, type ByteString } from "@bootc-store/core";
import { createPool, Dir, hashBytes } from "../src/index.ts";
import { double } from "../tests/tasks.ts";

const place = mkdtempSync("/dev/shm/linux-bench-");
using dir = Dir.openHost(byteString(Buffer.from(place)));
const name = "a-file-name" as ByteString;
const inner = "sub/a-file-name" as ByteString;
dir.makeDir("sub" as ByteString);
dir.atomicWrite(name, Buffer.alloc(4096));
dir.link(name, inner);
dir.setXattr(name, "trusted.x" as ByteString, Buffer.alloc(20));

function bench(label: string, count: number, work: () => void): void {
  for (let at = 0; at < 2000; at++) work();
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 4; round++) {
    const start = performance.now();
    for (let at = 0; at < count; at++) work();
    best = Math.min(best, performance.now() - start);
  }
  console.log(`${label.padEnd(50)} ${((best / count) * 1e6).toFixed(0).padStart(8)} ns`);
}

bench("fs.lstatSync by path", 100_000, () => lstatSync(join(place, name)));
bench("stat, one name", 100_000, () => dir.stat(name));
bench("stat, two names", 100_000, () => dir.stat(inner));
bench("openFile and close, one name", 100_000, () => dir.openFile(name)[Symbol.dispose]());
bench("openFile and close, two names", 100_000, () => dir.openFile(inner)[Symbol.dispose]());
bench("openDir and close", 100_000, () => dir.openDir("sub" as ByteString)[Symbol.dispose]());
bench("readFile of 4 KiB", 100_000, () => dir.readFile(name));
bench("getXattr", 100_000, () => dir.getXattr(name, "trusted.x" as ByteString));
bench("getXattrOptional, absent", 100_000, () => dir.getXattrOptional(name, "trusted.y" as ByteString));
bench("statOptional, absent", 100_000, () => dir.statOptional("absent" as ByteString));
bench("atomicWrite of 4 KiB, nothing synced", 20_000, () =>
  dir.atomicWrite("w" as ByteString, Buffer.alloc(4096), { sync: "none" }),
);

const mib = Buffer.alloc(1 << 20, "0123456789abcdef");
const rate = (label: string, specs: Parameters<typeof hashBytes>[1]): void => {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 20; round++) {
    const start = performance.now();
    for (let at = 0; at < 10; at++) hashBytes(mib, specs);
    best = Math.min(best, performance.now() - start);
  }
  console.log(`${label.padEnd(50)} ${((10 * mib.length) / 1e6 / best).toFixed(2).padStart(8)} GB/s`);
};
rate("sha256", { a: { algorithm: "sha256" } });
rate("sha512", { a: { algorithm: "sha512" } });
rate("fs-verity sha256", { a: { verity: { algorithm: "sha256" } } });
rate("fs-verity sha512", { a: { verity: { algorithm: "sha512" } } });

await using pool = createPool({ size: 2 });
const starting = performance.now();
await pool.run(double, 1);
console.log(
  `first task, with the start of its worker            ${(performance.now() - starting).toFixed(1).padStart(8)} ms`,
);
const one = performance.now();
for (let at = 0; at < 5000; at++) await pool.run(double, at);
console.log(
  `task, one after the other                          ${(((performance.now() - one) / 5000) * 1000).toFixed(1).padStart(8)} us`,
);
const many = performance.now();
let total = 0;
for await (const value of pool.map(
  double,
  Array.from({ length: 20_000 }, (_, at) => at),
))
  total += value;
console.log(
  `task, many at once                                 ${(((performance.now() - many) / 20_000) * 1000).toFixed(1).padStart(8)} us`,
);
if (total !== 399_980_000 || statSync(place).nlink < 2) throw new Error("wrong");
rmSync(place, { recursive: true });
