/* oxlint-disable typescript/await-thenable -- the linter does not know of async disposal in test files */
// Every place of images: written by us and read by us, by skopeo, and the reverse.
import { execFileSync, spawn } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

import { isStoreError, printDigest, utf8 } from "@bootc-store/core";
import { Dir, sharedBytes } from "@bootc-store/linux";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";

import {
  copyImage,
  type CopyImageResult,
  type Host,
  type ImageTransportSource,
  MEDIA_TYPES,
  openImageSink,
  openImageSource,
  parseImageReference,
  readImage,
  segmentBytes,
} from "../src/index.ts";
import { makeImage, makeIndex, type MemorySource, sha256, tarOf } from "./helpers/image.ts";
import { lab } from "./lab.ts";

afterAll(() => lab.close());

const root = Dir.openHost(utf8("/"));
afterAll(() => root[Symbol.dispose]());
const host: Host = { root };

let work = "";
beforeEach(() => {
  work = mkdtempSync("/tmp/bootc-store-oci-");
});
afterEach(() => rmSync(work, { recursive: true }));

async function source(text: string): Promise<ImageTransportSource> {
  return await openImageSource(parseImageReference(text), { host });
}

async function copy(
  from: string | ImageTransportSource,
  to: string,
  options: { all?: boolean } = {},
): Promise<CopyImageResult> {
  await using reading = typeof from === "string" ? await source(from) : from;
  await using sink = await openImageSink(parseImageReference(to), { host, sync: "none" });
  return await copyImage(reading, sink, { platform: { os: "linux", architecture: "amd64" }, ...options });
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    if (isStoreError(error)) return error.code;
    throw error;
  }
  return "accepted";
}

/** What an image unpacks to: the tars of its layers by their digests. */
async function tarsOf(from: string): Promise<string[]> {
  await using image = await readImage(await source(from));
  const tars: string[] = [];
  for (let index = 0; index < image.layers.length; index++) {
    const layer = await image.openLayer(index);
    const bytes = Buffer.concat(await Array.fromAsync(segmentBytes(layer.segments())));
    expect(printDigest(layer.diffId)).toBe(`sha256:${sha256(bytes)}`);
    tars.push(sha256(bytes));
  }
  return tars;
}

async function sample(): Promise<{ image: MemorySource; tars: string[] }> {
  const tars = [
    await tarOf({ a: "first", "d/b": Buffer.alloc(200_000, "x") }),
    await tarOf({ c: "second" }),
    await tarOf({ e: Buffer.alloc(3 << 20, 7) }),
  ];
  const image = makeImage([
    [tars[0] as Buffer, "gzip"],
    [tars[1] as Buffer, "plain"],
    [tars[2] as Buffer, "zstd"],
  ]);
  return { image, tars: tars.map(sha256) };
}

const places = (): Record<string, string> => ({
  oci: `oci:${work}/layout:v1`,
  "oci-archive": `oci-archive:${work}/a.tar:v1`,
  dir: `dir:${work}/dir`,
  "docker-archive": `docker-archive:${work}/d.tar:example.com/x:v1`,
});

describe("between any two places", () => {
  const kinds = ["oci", "oci-archive", "dir", "docker-archive"];
  test.each(kinds.flatMap((from) => kinds.map((to) => [from, to] as const)))("%s to %s", async (from, to) => {
    const { image, tars } = await sample();
    const first = await copy(image, places()[from] as string);
    expect(await tarsOf(places()[from] as string)).toEqual(tars);
    const target = (places()[to] as string).replace(work, `${work}/2`);
    mkdirSync(`${work}/2`);
    const second = await copy(places()[from] as string, target);
    expect(await tarsOf(target)).toEqual(tars);
    if (from === "docker-archive" || to === "docker-archive") return;
    // Bit for bit: same manifest, same blobs.
    expect(printDigest(second.document.digest)).toBe(printDigest(image.top.digest));
    expect(printDigest(first.document.digest)).toBe(printDigest(image.top.digest));
    expect(second.blobs.map(({ digest }) => printDigest(digest)).sort()).toEqual(
      [...image.blobs.keys()].sort(),
    );
  });

  test("an index with all of its images, and one of them", async () => {
    const index = await makeIndex(["arm64", "amd64", "s390x"]);
    await copy(index, `oci:${work}/all:x`, { all: true });
    await copy(`oci:${work}/all:x`, `oci-archive:${work}/all.tar`, { all: true });
    await copy(`oci-archive:${work}/all.tar`, `dir:${work}/d`, { all: true });
    const result = await copy(`dir:${work}/d`, `oci:${work}/back:x`, { all: true });
    expect(printDigest(result.document.digest)).toBe(printDigest(index.top.digest));
    expect(readdirSync(`${work}/back/blobs/sha256`).sort()).toEqual(
      [...index.blobs.keys(), printDigest(index.top.digest)].map((digest) => digest.slice(7)).sort(),
    );
    const one = await copy(`oci:${work}/back:x`, `oci:${work}/one`);
    expect(one.document.mediaType).toBe(MEDIA_TYPES.manifest);
    expect(readdirSync(`${work}/one/blobs/sha256`)).toHaveLength(3);
    expect(await codeOf(copy(`oci:${work}/back:x`, `docker-archive:${work}/x.tar`, { all: true }))).toBe(
      "oci/destination-unsupported",
    );
  });
});

describe("layouts", () => {
  test("selecting by name, number and alone", async () => {
    const images = await Promise.all(
      ["1", "2", "3"].map(async (text) => makeImage([[await tarOf({ f: text }), "gzip"]])),
    );
    for (const [at, image] of images.entries()) await copy(image, `oci:${work}/l:v${at}`);
    const digest = async (text: string): Promise<string> => {
      await using opened = await source(text);
      return printDigest((await opened.readDocument()).digest);
    };
    const digests = images.map((image) => printDigest(image.top.digest));
    expect(await digest(`oci:${work}/l:v1`)).toBe(digests[1]);
    expect(await digest(`oci:${work}/l:@2`)).toBe(digests[2]);
    expect(await codeOf(digest(`oci:${work}/l`))).toBe("oci/image-not-unique");
    expect(await codeOf(digest(`oci:${work}/l:v9`))).toBe("oci/image-not-found");
    expect(await codeOf(digest(`oci:${work}/l:@3`))).toBe("oci/image-not-found");
    expect(await codeOf(digest(`oci:${work}/none`))).toBe("oci/image-not-found");
    // A name moves: the image that had it stays, nameless.
    await copy(images[2] as MemorySource, `oci:${work}/l:v0`);
    expect(await digest(`oci:${work}/l:v0`)).toBe(digests[2]);
    expect(await digest(`oci:${work}/l:@0`)).toBe(digests[0]);
    const index = JSON.parse(readFileSync(`${work}/l/index.json`, "utf8")) as {
      manifests: { annotations?: object }[];
    };
    expect(index.manifests).toHaveLength(4);
    expect(index.manifests[0]?.annotations).toBeUndefined();
    // The same image without a name takes the place of itself.
    await copy(images[0] as MemorySource, `oci:${work}/l:again`);
    expect(await digest(`oci:${work}/l:@0`)).toBe(digests[0]);
    expect(await digest(`oci:${work}/l:again`)).toBe(digests[0]);
    mkdirSync(`${work}/p:q`);
    await expect(source(`oci:${work}/p:q`)).rejects.toMatchObject({
      hint: expect.stringContaining("first colon") as string,
    });
  });

  test("damage is found, each kind by its code", async () => {
    const { image } = await sample();
    await copy(image, `oci:${work}/l`);
    const blobs = `${work}/l/blobs/sha256`;
    const manifest = JSON.parse(Buffer.from(image.top.bytes).toString()) as {
      layers: { digest: string }[];
      config: { digest: string };
    };
    const layer = `${blobs}/${manifest.layers[0]?.digest.slice(7)}`;
    const whole = readFileSync(layer);
    const damages: [Uint8Array | undefined, string][] = [
      [whole.subarray(0, whole.length - 1), "oci/content-size"],
      [Buffer.concat([whole, Buffer.from([0])]), "oci/content-size"],
      [Buffer.from(whole.map((byte, at) => (at === 100 ? byte ^ 1 : byte))), "oci/compressed-invalid"],
      [undefined, "oci/blob-not-found"],
    ];
    for (const [bytes, code] of damages) {
      if (bytes === undefined) rmSync(layer);
      else writeFileSync(layer, bytes);
      expect([code, "oci/digest-mismatch"]).toContain(await codeOf(tarsOf(`oci:${work}/l`)));
      expect(await codeOf(copy(`oci:${work}/l`, `oci:${work}/copy`))).toBe(
        code === "oci/compressed-invalid" ? "oci/digest-mismatch" : code,
      );
      // Nothing was named, and the damaged blob was not taken.
      expect(existsSync(`${work}/copy/index.json`)).toBe(false);
      expect(existsSync(`${work}/copy/blobs/sha256/${manifest.layers[0]?.digest.slice(7)}`)).toBe(false);
    }
    writeFileSync(layer, whole);
    const top = `${blobs}/${image.top.digest.hex}`;
    writeFileSync(top, readFileSync(top, "utf8").replace("2", "3"));
    expect(await codeOf(copy(`oci:${work}/l`, `dir:${work}/d`))).toBe("oci/digest-mismatch");
    writeFileSync(`${work}/l/oci-layout`, '{"imageLayoutVersion":"2.0.0"}');
    expect(await codeOf(source(`oci:${work}/l`))).toBe("oci/layout-invalid");
    writeFileSync(`${work}/l/oci-layout`, '{"imageLayoutVersion":"1.0.0"}');
    writeFileSync(`${work}/l/index.json`, "{}");
    expect(await codeOf(source(`oci:${work}/l`))).toBe("oci/document-invalid");
    rmSync(`${work}/l/index.json`);
    expect(await codeOf(source(`oci:${work}/l`))).toBe("oci/layout-invalid");
  });

  test("a configuration with other diff ids, or another number of them, is a contradiction", async () => {
    const tar = await tarOf({ a: "b" });
    const image = makeImage([[tar, "gzip"]]);
    const other = makeImage([[await tarOf({ a: "c" }), "gzip"]]);
    const manifest = JSON.parse(Buffer.from(image.top.bytes).toString()) as {
      layers: unknown[];
      config: unknown;
    };
    const wrong = JSON.parse(Buffer.from(other.top.bytes).toString()) as {
      layers: unknown[];
      config: unknown;
    };
    for (const [changed, code] of [
      [{ ...manifest, layers: wrong.layers }, "oci/diff-id-mismatch"],
      [{ ...manifest, layers: [] }, "oci/layer-count"],
    ] as const) {
      const mixed = makeImage([[tar, "gzip"]]);
      for (const [digest, bytes] of other.blobs) mixed.blobs.set(digest, bytes);
      const bytes = Buffer.from(JSON.stringify(changed));
      mixed.top = {
        mediaType: MEDIA_TYPES.manifest,
        digest: { algorithm: "sha256", hex: sha256(bytes) },
        bytes,
      };
      rmSync(`${work}/l`, { recursive: true, force: true });
      await copy(mixed, `oci:${work}/l`);
      expect(await codeOf(tarsOf(`oci:${work}/l`))).toBe(code);
    }
  });
});

describe("archives", () => {
  test("compressed, and through a pipe", async () => {
    const { image, tars } = await sample();
    await copy(image, `oci-archive:${work}/a.tar`);
    writeFileSync(`${work}/a.tar.gz`, gzipSync(readFileSync(`${work}/a.tar`)));
    expect(await tarsOf(`oci-archive:${work}/a.tar.gz`)).toEqual(tars);
    root.mknod(utf8(`${work.slice(1)}/fifo`), "fifo");
    const writer = spawn("sh", ["-c", `cat ${work}/a.tar > ${work}/fifo`]);
    const ended = new Promise((resolve) => writer.on("close", resolve));
    expect(await tarsOf(`oci-archive:${work}/fifo`)).toEqual(tars);
    await ended;
    expect(readdirSync(work).sort()).toEqual(["a.tar", "a.tar.gz", "fifo"]);
  });

  test("as docker writes them: links among layers, and names", async () => {
    const tar = await tarOf({ f: "x" });
    const config = JSON.stringify({
      os: "linux",
      architecture: "amd64",
      rootfs: { type: "layers", diff_ids: [`sha256:${sha256(tar)}`, `sha256:${sha256(tar)}`] },
    });
    mkdirSync(`${work}/t/one`, { recursive: true });
    mkdirSync(`${work}/t/two`);
    writeFileSync(`${work}/t/one/layer.tar`, tar);
    symlinkSync("../one/layer.tar", `${work}/t/two/layer.tar`);
    writeFileSync(`${work}/t/config.json`, config);
    const list = (tags: string[] | null): object => ({
      Config: "config.json",
      RepoTags: tags,
      Layers: ["one/layer.tar", "two/layer.tar"],
    });
    const pack = (value: unknown): void => {
      writeFileSync(`${work}/t/manifest.json`, JSON.stringify(value));
      execFileSync("tar", ["-C", `${work}/t`, "-cf", `${work}/d.tar`, "."]);
    };
    pack([list(["x:1", "q.io/y:2"]), list(null)]);
    const hex = sha256(tar);
    expect(await tarsOf(`docker-archive:${work}/d.tar:x:1`)).toEqual([hex, hex]);
    expect(await tarsOf(`docker-archive:${work}/d.tar:q.io/y:2`)).toEqual([hex, hex]);
    expect(await tarsOf(`docker-archive:${work}/d.tar:@1`)).toEqual([hex, hex]);
    expect(await codeOf(tarsOf(`docker-archive:${work}/d.tar`))).toBe("oci/image-not-unique");
    expect(await codeOf(tarsOf(`docker-archive:${work}/d.tar:y`))).toBe("oci/image-not-found");
    pack([{ ...list(null), Layers: ["one/layer.tar"] }]);
    expect(await codeOf(tarsOf(`docker-archive:${work}/d.tar`))).toBe("oci/layer-count");
    pack([{ ...list(null), Layers: ["one/layer.tar", "three"] }]);
    expect(await codeOf(tarsOf(`docker-archive:${work}/d.tar`))).toBe("oci/archive-invalid");
    pack({});
    expect(await codeOf(tarsOf(`docker-archive:${work}/d.tar`))).toBe("oci/archive-invalid");
    rmSync(`${work}/t/one/layer.tar`);
    symlinkSync("../two/layer.tar", `${work}/t/one/layer.tar`);
    pack([list(null)]);
    expect(await codeOf(tarsOf(`docker-archive:${work}/d.tar`))).toBe("oci/archive-invalid");
  });

  test("one that is cut, and one that would be written over", async () => {
    const { image } = await sample();
    await copy(image, `docker-archive:${work}/d.tar`);
    expect(await codeOf(copy(image, `docker-archive:${work}/d.tar`))).toBe("oci/destination-conflict");
    const whole = readFileSync(`${work}/d.tar`);
    for (const size of [700, 100_000]) {
      writeFileSync(`${work}/cut.tar`, whole.subarray(0, size));
      expect(await codeOf(source(`docker-archive:${work}/cut.tar`))).toMatch(
        /^oci\/(?:tar-truncated|archive-invalid)$/,
      );
    }
  });
});

test("dir: is not written over other things, and is over an image", async () => {
  const { image, tars } = await sample();
  mkdirSync(`${work}/mine`);
  writeFileSync(`${work}/mine/file`, "");
  expect(await codeOf(copy(image, `dir:${work}/mine`))).toBe("oci/destination-conflict");
  await copy(await makeIndex(["amd64"]), `dir:${work}/d`);
  await copy(image, `dir:${work}/d`);
  expect(await tarsOf(`dir:${work}/d`)).toEqual(tars);
  expect(readdirSync(`${work}/d`)).toHaveLength(2 + 4);
  writeFileSync(`${work}/d/version`, "Directory Transport Version: 2.0\n");
  expect(await codeOf(source(`dir:${work}/d`))).toBe("oci/layout-invalid");
});

const noXfs = lab.missing({ root: true, filesystems: ["xfs"] });
test.skipIf(noXfs !== undefined)(`blobs are shared where both sides are files ${noXfs ?? ""}`, async () => {
  await using system = await lab.filesystem("xfs");
  const { image } = await sample();
  await copy(image, `oci:${system.path}/a:x`);
  const { blobs } = await copy(`oci:${system.path}/a:x`, `dir:${system.path}/b`);
  expect(blobs.map(({ how }) => how)).toEqual(["cloned", "cloned", "cloned", "cloned"]);
  using dir = Dir.openHost(utf8(`${system.path}/b`));
  const large = blobs.reduce((a, b) => (a.size > b.size ? a : b));
  using file = dir.openFile(utf8(large.digest.hex));
  expect(sharedBytes(file)).toBeGreaterThan(0);
  const again = await copy(`dir:${system.path}/b`, `oci:${system.path}/a:y`);
  expect(again.blobs.map(({ how }) => how)).toEqual(["reused", "reused", "reused", "reused"]);
});

const noSkopeo = lab.missing({ peers: ["skopeo"] });
describe.skipIf(noSkopeo !== undefined)(`with skopeo ${noSkopeo ?? ""}`, () => {
  const skopeo = async (...args: string[]): Promise<string> =>
    (await lab.peers.skopeo.succeed(["--insecure-policy", ...args])).text;

  test.each(["oci", "oci-archive", "dir", "docker-archive"])("%s of ours is read by it", async (kind) => {
    const { image, tars } = await sample();
    const place = places()[kind] as string;
    await copy(image, place);
    const info = JSON.parse(await skopeo("inspect", place)) as { Digest: string; Layers: string[] };
    expect(info.Layers).toHaveLength(3);
    if (kind !== "docker-archive") expect(info.Digest).toBe(printDigest(image.top.digest));
    await skopeo("copy", place, `oci:${work}/back:x`);
    expect(await tarsOf(`oci:${work}/back:x`)).toEqual(tars);
  });

  test.each(["oci", "oci-archive", "dir", "docker-archive"])("%s of its own is read by us", async (kind) => {
    const { image, tars } = await sample();
    await copy(image, `oci:${work}/ours:x`);
    const place = places()[kind] as string;
    await skopeo("copy", `oci:${work}/ours:x`, place);
    expect(await tarsOf(place)).toEqual(tars);
    const info = JSON.parse(await skopeo("inspect", place)) as { Digest: string };
    await using opened = await source(place);
    if (kind !== "docker-archive")
      expect(printDigest((await opened.readDocument()).digest)).toBe(info.Digest);
    // What we make of it is what it makes of it.
    const target = place.replace(work, `${work}/2`);
    mkdirSync(`${work}/2`);
    await copy(place, target);
    expect(await tarsOf(target)).toEqual(tars);
  });

  test("an index in a layout", async () => {
    const index = await makeIndex(["arm64", "amd64"]);
    await copy(index, `oci:${work}/all:x`, { all: true });
    await skopeo("copy", "--all", `oci:${work}/all:x`, `dir:${join(work, "d")}`);
    await using opened = await source(`dir:${work}/d`);
    expect(printDigest((await opened.readDocument()).digest)).toBe(printDigest(index.top.digest));
    const result = await copy(`dir:${work}/d`, `oci:${work}/again:x`, { all: true });
    expect(printDigest(result.document.digest)).toBe(printDigest(index.top.digest));
  });
});
