/* oxlint-disable typescript/await-thenable -- the linter does not know of async disposal in test files */
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { gzipSync } from "node:zlib";

import { isStoreError, parseDigest, utf8 } from "@bootc-store/core";
import { Dir } from "@bootc-store/linux";
import { afterAll, describe, expect, test } from "vitest";

import {
  checkTocEntries,
  copyImage,
  decompress,
  type Descriptor,
  encodeTarEntry,
  isEstargz,
  isZstdChunked,
  MEDIA_TYPES,
  openImageSink,
  openImageSource,
  parseImageReference,
  parseToc,
  type ReadRange,
  readEstargzToc,
  readImageManifest,
  readTar,
  readZstdChunkedFooter,
  readZstdChunkedToc,
  TAR_END,
  type TarEntry,
  tarPadding,
  writeTar,
} from "../src/index.ts";
import { chunksOf, makeImage } from "./helpers/image.ts";
import { lab } from "./lab.ts";

afterAll(() => lab.close());

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    if (isStoreError(error)) return error.code;
    throw error;
  }
  return "accepted";
}

async function entriesOf(blob: Uint8Array): Promise<TarEntry[]> {
  const entries: TarEntry[] = [];
  for await (const item of readTar(decompress(chunksOf(blob))))
    if (item.kind === "entry") entries.push(item.entry);
  return entries;
}

const rangesOf =
  (blob: Uint8Array): ReadRange =>
  async (offset, size) =>
    blob.subarray(offset, offset + size);

const missing = lab.missing({ peers: ["skopeo"] });
test.skipIf(missing !== undefined)(`zstd:chunked as skopeo writes it ${missing ?? ""}`, async () => {
  const work = mkdtempSync("/tmp/bootc-store-oci-");
  using root = Dir.openHost(utf8("/"));
  const host = { root };
  try {
    const big = Buffer.alloc(300_000, "some text that is long and not so long ").fill(0, 100_000, 150_000);
    const tar = Buffer.concat(
      await Array.fromAsync(
        writeTar([
          { entry: { type: "directory", name: utf8("d"), mtime: { sec: 1_700_000_000, nsec: 123_000_000 } } },
          {
            entry: {
              type: "file",
              name: utf8("d/big"),
              size: big.length,
              xattrs: [[utf8("user.x"), utf8("ä\0")]],
            },
            content: big,
          },
          { entry: { type: "file", name: utf8("d/empty"), size: 0 } },
          { entry: { type: "hardlink", name: utf8("hard"), linkName: utf8("d/big") } },
          { entry: { type: "symlink", name: utf8("soft"), linkName: utf8("../d/big") } },
          { entry: { type: "char", name: utf8("dev"), devMajor: 5, devMinor: 1 } },
        ]),
      ),
    );
    {
      await using sink = await openImageSink(parseImageReference(`oci:${work}/l:1`), { host });
      await copyImage(makeImage([[tar, "gzip"]]), sink);
    }
    await lab.peers.skopeo.succeed([
      "--insecure-policy",
      "copy",
      "--dest-compress-format",
      "zstd:chunked",
      "--dest-force-compress-format",
      `oci:${work}/l:1`,
      `oci:${work}/z:1`,
    ]);
    await using source = await openImageSource(parseImageReference(`oci:${work}/z:1`), { host });
    const manifest = await readImageManifest(source, { platform: { os: "linux", architecture: "amd64" } });
    const layer = manifest.layers[0] as Descriptor;
    const blob = readFileSync(`${work}/z/blobs/sha256/${layer.digest.hex}`);
    expect(isZstdChunked(layer)).toBe(true);
    expect(isEstargz(layer)).toBe(false);
    // All frames of it are read, and make the same tar.
    expect(Buffer.concat(await Array.fromAsync(decompress(chunksOf(blob)))).equals(tar)).toBe(true);
    const toc = await readZstdChunkedToc(layer, rangesOf(blob));
    expect(toc.entries.map(({ type }) => type)).toEqual(["dir", "reg", "reg", "hardlink", "symlink", "char"]);
    checkTocEntries(toc, await entriesOf(blob));
    // Each piece is a frame of its own, and what it decompresses to has its digest.
    const file = toc.entries[1];
    expect(file?.digest).toBe(`sha256:${createHash("sha256").update(big).digest("hex")}`);
    const { zstdDecompressSync } = await import("node:zlib");
    const chunks = file?.chunks ?? [];
    expect(chunks.some(({ zeros }) => zeros)).toBe(true);
    for (const [at, chunk] of chunks.entries()) {
      const bytes = big.subarray(chunk.chunkOffset, chunk.chunkOffset + chunk.chunkSize);
      if (chunk.zeros) {
        expect(bytes.every((byte) => byte === 0)).toBe(true);
        continue;
      }
      const end = chunks.slice(at + 1).find(({ zeros }) => !zeros)?.offset ?? file?.endOffset;
      expect(zstdDecompressSync(blob.subarray(chunk.offset, end)).equals(bytes)).toBe(true);
    }
    const footer = await readZstdChunkedFooter(blob.length, rangesOf(blob));
    const annotation = layer.annotations?.["io.github.containers.zstd-chunked.manifest-position"];
    expect(annotation).toBe(`${footer.toc.offset}:${footer.toc.size}:${footer.toc.uncompressed}:1`);

    const changed = (key: string, value: string): Descriptor => ({
      ...layer,
      annotations: { ...layer.annotations, [key]: value },
    });
    const prefix = "io.github.containers.zstd-chunked.";
    const read = rangesOf(blob);
    expect(
      await codeOf(
        readZstdChunkedToc(changed(`${prefix}manifest-checksum`, `sha256:${"0".repeat(64)}`), read),
      ),
    ).toBe("oci/digest-mismatch");
    expect(await codeOf(readZstdChunkedToc(changed(`${prefix}manifest-position`, "1:2"), read))).toBe(
      "oci/toc-invalid",
    );
    expect(
      await codeOf(readZstdChunkedToc(changed(`${prefix}manifest-position`, `${blob.length}:9:9:1`), read)),
    ).toBe("oci/toc-invalid");
    expect(
      await codeOf(readZstdChunkedToc(changed(`${prefix}manifest-position`, "0:9:999999999999:1"), read)),
    ).toBe("oci/toc-invalid");
    const { offset, size, uncompressed } = footer.toc;
    expect(
      await codeOf(
        readZstdChunkedToc(
          changed(`${prefix}manifest-position`, `${offset}:${size}:${uncompressed - 1}:1`),
          read,
        ),
      ),
    ).toMatch(/oci\/(?:toc|compressed)-invalid/);
    expect(
      await codeOf(readZstdChunkedToc(changed("containerd.io/snapshot/stargz/toc.digest", "x"), read)),
    ).toBe("oci/toc-invalid");
    const split = footer.tarSplit as typeof footer.toc;
    const damaged = Buffer.from(blob);
    damaged[split.offset + 20] = (damaged[split.offset + 20] as number) ^ 1;
    expect(await codeOf(readZstdChunkedToc(layer, rangesOf(damaged)))).toBe("oci/digest-mismatch");
  } finally {
    rmSync(work, { recursive: true });
  }
});

describe("eStargz", () => {
  /** A layer of two files, as the specification has it: each in a member of its own. */
  function make(legacy: boolean): { blob: Buffer; layer: Descriptor } {
    const part = (name: string, content: Buffer): Buffer[] => {
      const head = encodeTarEntry({
        type: "file",
        name: utf8(name),
        size: content.length,
        mtime: { sec: 1_700_000_000, nsec: 0 },
      });
      return [Buffer.from(head), Buffer.concat([content, tarPadding(content.length)])];
    };
    const members: Buffer[] = [];
    const entries: object[] = [];
    let at = 0;
    for (const [name, text] of [
      ["a", "first"],
      ["b", "second file"],
    ] as const) {
      const [head, content] = part(name, Buffer.from(text)).map((bytes) => gzipSync(bytes)) as [
        Buffer,
        Buffer,
      ];
      entries.push({
        name,
        type: "reg",
        size: text.length,
        modtime: "2023-11-14T22:13:20Z",
        mode: 0o644,
        offset: at + head.length,
        digest: `sha256:${createHash("sha256").update(text).digest("hex")}`,
      });
      members.push(head, content);
      at += head.length + content.length;
    }
    const json = Buffer.from(JSON.stringify({ version: 1, entries }));
    const [head, content] = part("stargz.index.json", json) as [Buffer, Buffer];
    members.push(gzipSync(Buffer.concat([head, content, TAR_END])));
    const digits = at.toString(16).padStart(16, "0");
    const extra = legacy
      ? Buffer.from(`${digits}STARGZ`)
      : Buffer.concat([Buffer.from("SG"), Buffer.from([22, 0]), Buffer.from(`${digits}STARGZ`)]);
    members.push(
      Buffer.concat([
        Buffer.from([0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255, extra.length, 0]),
        extra,
        Buffer.from([1, 0, 0, 255, 255]),
        Buffer.alloc(8),
      ]),
    );
    const blob = Buffer.concat(members);
    const digest = `sha256:${createHash("sha256").update(json).digest("hex")}`;
    return {
      blob,
      layer: {
        mediaType: MEDIA_TYPES.layerGzip,
        digest: parseDigest(`sha256:${createHash("sha256").update(blob).digest("hex")}`),
        size: blob.length,
        annotations: { "containerd.io/snapshot/stargz/toc.digest": digest },
      },
    };
  }

  test.each([[false], [true]])("footer, table and tar agree (older form: %s)", async (legacy) => {
    const { blob, layer } = make(legacy);
    expect(isEstargz(layer)).toBe(true);
    const toc = await readEstargzToc(layer, rangesOf(blob));
    const entries = await entriesOf(blob);
    expect(entries.map(({ name }) => name)).toEqual(["a", "b", "stargz.index.json"]);
    checkTocEntries(toc, entries, { wholeSeconds: true });
    const other = {
      ...layer,
      annotations: { "containerd.io/snapshot/stargz/toc.digest": `sha256:${"0".repeat(64)}` },
    };
    expect(await codeOf(readEstargzToc(other, rangesOf(blob)))).toBe("oci/digest-mismatch");
    const cut = blob.subarray(0, blob.length - 1);
    expect(await codeOf(readEstargzToc({ ...layer, size: cut.length }, rangesOf(cut)))).toBe(
      "oci/toc-invalid",
    );
    const elsewhere = Buffer.from(blob);
    elsewhere.write("ffffffffffffffff", blob.length - (legacy ? 35 : 35), "latin1");
    expect(await codeOf(readEstargzToc(layer, rangesOf(elsewhere)))).toBe("oci/toc-invalid");
  });

  test("a table that says something else than the tar", async () => {
    const { blob, layer } = make(false);
    const toc = await readEstargzToc(layer, rangesOf(blob));
    const entries = await entriesOf(blob);
    const rows: [object, string][] = [
      [{ size: 6 }, "size"],
      [{ mode: 0o600 }, "mode"],
      [{ uid: 1 }, "owner"],
      [{ type: "dir" }, "type"],
      [{ name: utf8("c") }, "named"],
      [{ mtime: { sec: 1, nsec: 0 } }, "time"],
      [{ xattrs: new Map([[utf8("user.a"), utf8("b")]]) }, "attributes"],
    ];
    for (const [change, reason] of rows) {
      const [first, ...rest] = toc.entries;
      const changed = { ...toc, entries: [{ ...first, ...change } as (typeof toc.entries)[number], ...rest] };
      expect(() => checkTocEntries(changed, entries, { wholeSeconds: true })).toThrow(reason);
    }
    expect(() => checkTocEntries({ ...toc, entries: toc.entries.slice(1) }, entries)).toThrow(
      "1 entries, and 2",
    );
  });
});

test.each([
  ['{"entries":[{"type":"reg","name":"a"},{"type":"reg","name":"./a"}]}', "oci/toc-invalid"],
  ['{"entries":[{"type":"sock","name":"a"}]}', "oci/toc-invalid"],
  ['{"entries":[{"type":"chunk","name":"a"}]}', "oci/toc-invalid"],
  [
    '{"entries":[{"type":"reg","name":"a","size":9,"chunkSize":4},{"type":"chunk","name":"a","chunkOffset":5}]}',
    "oci/toc-invalid",
  ],
  ['{"entries":[{"type":"reg","name":"a","size":-1}]}', "oci/toc-invalid"],
  ['{"entries":[{"type":"reg","name":"a","modtime":"yesterday"}]}', "oci/toc-invalid"],
  ['{"entries":[]} x', "oci/json-invalid"],
  ['{"entries":[],"Entries":[]}', "oci/json-invalid"],
  [
    '{"entries":[{"type":"reg","name":"a","size":9,"chunkSize":4},{"type":"chunk","name":"a","chunkOffset":4}]}',
    "accepted",
  ],
])("a table: %s", async (text, code) => {
  expect(await codeOf(Promise.resolve().then(() => parseToc(Buffer.from(text))))).toBe(code);
});
