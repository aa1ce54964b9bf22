/* oxlint-disable typescript/await-thenable -- the linter does not know of async disposal in test files */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { b, codeOf, onLinux, scratch } from "../../tests/helpers.ts";
import {
  computeVerity,
  createPool,
  hashBytes,
  Hasher,
  hashFile,
  hashFiles,
  VerityHasher,
  type VerityParams,
} from "../index.ts";

/** Made and cross-checked with fsverity-utils; see tests/fixtures/README.md. */
const table = readFileSync(new URL("../../tests/fixtures/fsverity.tsv", import.meta.url), "utf8")
  .trimEnd()
  .split("\n")
  .slice(1)
  .map((line) => line.split("\t"))
  .map(([content = "", size = "", sha256 = "", sha512 = ""]) => ({
    content,
    size: Number(size),
    sha256,
    sha512,
  }));

function contentOf(content: string, size: number): Buffer {
  if (content === "empty" || content === "zeros") return Buffer.alloc(size);
  if (content === "pattern")
    return Buffer.from(Uint8Array.from({ length: size }, (_, i) => i * 7 + Math.floor(i / 4096)));
  return Buffer.from(JSON.parse(content) as string);
}

describe("fs-verity digests", () => {
  it.each(table)("of $content, $size bytes", ({ content, size, sha256, sha512 }) => {
    const data = contentOf(content, size);
    expect(data.length).toBe(size);
    expect(computeVerity(data, { algorithm: "sha256" }).toString("hex")).toBe(sha256);
    expect(computeVerity(data, { algorithm: "sha512" }).toString("hex")).toBe(sha512);
  });

  it("are the same however the bytes are cut", () => {
    fc.assert(
      fc.property(
        fc.constantFrom<VerityParams>(
          { algorithm: "sha256" },
          { algorithm: "sha512" },
          { algorithm: "sha256", blockSize: 1024, salt: Buffer.from("salt") },
        ),
        fc.nat({ max: 300_000 }),
        fc.array(fc.nat({ max: 20_000 }), { minLength: 1, maxLength: 20 }),
        (params, size, cuts) => {
          const data = contentOf("pattern", size);
          const hasher = new VerityHasher(params);
          let at = 0;
          for (let turn = 0; at < size; turn++) {
            const length = (cuts[turn % cuts.length] ?? 0) + (turn % 7 === 0 ? 1 : 0);
            hasher.update(data.subarray(at, at + length));
            at += length;
          }
          expect(hasher.finish().equals(computeVerity(data, params))).toBe(true);
        },
      ),
      { numRuns: 60 },
    );
  });

  // fsverity digest --hash-alg=sha256 --block-size=1024 --salt=73616c74 of the pattern, by fsverity-utils 1.5.
  it("know salts and block sizes", () => {
    const salted = (size: number, params: VerityParams): string =>
      computeVerity(contentOf("pattern", size), params).toString("hex");
    expect(salted(100_000, { algorithm: "sha256", salt: Buffer.from("salt") })).toBe(
      "0af1b1158e7b367778dbd248e8308ce43c76e352105ed02f50f8aaf9921f5913",
    );
    expect(salted(100_000, { algorithm: "sha512", salt: Buffer.from("salt"), blockSize: 1024 })).toBe(
      "f3ca36166b44aac17ddbebbd6e9cebcc06a8b697ce41779b90bb5b741d304c41f3bcb472517490c73eaf1e6f37ad2fe2bafd72725382beffd9d4728b81bdfbd3",
    );
  });

  it("refuse parameters that do not exist", () => {
    const compute = (params: VerityParams): string => codeOf(() => computeVerity(Buffer.from("x"), params));
    expect(compute({ algorithm: "md5" as "sha256" })).toBe("linux/verity-parameters");
    expect(compute({ algorithm: "sha256", blockSize: 3000 })).toBe("linux/verity-parameters");
    expect(compute({ algorithm: "sha256", blockSize: 512 })).toBe("linux/verity-parameters");
    expect(compute({ algorithm: "sha256", salt: Buffer.alloc(33) })).toBe("linux/verity-parameters");
  });
});

const WANT = {
  diffId: { algorithm: "sha256" },
  long: { algorithm: "sha512" },
  mid: { algorithm: "sha384" },
  ostree: { algorithm: "sha256", prefix: Buffer.from("header\0") },
  verity: { verity: { algorithm: "sha512" } },
} as const;

function expected(data: Uint8Array): { [key: string]: string } {
  const plain = (name: string, ...parts: Uint8Array[]): string =>
    parts.reduce((state, part) => state.update(part), createHash(name)).digest("hex");
  return {
    diffId: plain("sha256", data),
    long: plain("sha512", data),
    mid: plain("sha384", data),
    ostree: plain("sha256", Buffer.from("header\0"), data),
    verity: computeVerity(data, { algorithm: "sha512" }).toString("hex"),
  };
}

describe("Hasher", () => {
  it("computes several digests in one pass", () => {
    const data = contentOf("pattern", 123_456);
    const hasher = new Hasher(WANT);
    hasher.update(data.subarray(0, 1000));
    hasher.update(data.subarray(1000));
    expect(hasher.size).toBe(data.length);
    expect(hasher.finish()).toEqual(expected(data));
    expect(hashBytes(data, WANT)).toEqual(expected(data));
  });
});

describe.skipIf(!onLinux)("hashing files", () => {
  it.each([0, 1, 262_143, 262_144, 262_145, 1_000_000])("of %i bytes", (size) => {
    using s = scratch();
    const data = contentOf("pattern", size);
    s.dir.atomicWrite(b("f"), data, { sync: "none" });
    using file = s.dir.openFile(b("f"));
    expect(hashFile(file, WANT)).toEqual({ size, digests: expected(data) });
  });

  it("stops at a signal", () => {
    using s = scratch();
    s.dir.atomicWrite(b("f"), Buffer.alloc(1_000_000), { sync: "none" });
    using file = s.dir.openFile(b("f"));
    expect(codeOf(() => hashFile(file, WANT, AbortSignal.abort()))).toBe("core/cancelled");
  });

  it.each([0, 1, 2])("in batches on a pool of %i, failures beside results", async (size) => {
    using s = scratch();
    const sizes = [0, 10, 5000, 300_000];
    for (const each of sizes) s.dir.atomicWrite(b(`f${each}`), contentOf("pattern", each), { sync: "none" });
    s.dir.symlink(b("f10"), b("link"));
    using open = s.dir.openFile(b("f10"));
    await using pool = createPool({ size });
    const results = await pool.run(hashFiles, {
      dir: s.dir.fd,
      want: WANT,
      files: [
        ...sizes.map((each) => ({ path: b(`f${each}`) })),
        { path: b("link") },
        { path: b("none") },
        { fd: open.fd, want: { own: { algorithm: "sha256", prefix: Buffer.from("x") } } },
      ],
    });
    expect(results.slice(0, 4)).toEqual(
      sizes.map((each) => ({ size: each, digests: expected(contentOf("pattern", each)) })),
    );
    expect(results.slice(4, 6)).toMatchObject([
      { error: { code: "linux/path-symlink", context: { path: "link" } } },
      { error: { code: "linux/not-found", context: { path: "none", errno: 2 } } },
    ]);
    const own = createHash("sha256").update("x").update(contentOf("pattern", 10)).digest("hex");
    expect(results[6]).toEqual({ size: 10, digests: { own } });
    expect(open.stat().size).toBe(10);
  });
});
