// Layers whose contents are files of another store: workers make objects of them.
import { mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { Layer } from "@bootc-store/backend";
import { digestFromHex, utf8 } from "@bootc-store/core";
import { createPool, Dir, type Pool } from "@bootc-store/linux";
import { segmentBytes, type TarEntryToWrite } from "@bootc-store/oci";
import { buildImage, layerOf, leakedDescriptors } from "@bootc-store/testkit";
import { afterAll, describe, expect, test } from "vitest";

import { writeLayer } from "../src/oci/layer.ts";
import { Repository } from "../src/index.ts";

const pools = [0, 1, 2].map((size) => createPool({ size }));
afterAll(() => Promise.all(pools.map((pool) => pool[Symbol.asyncDispose]())));

interface Made extends AsyncDisposable {
  readonly repository: Repository;
  readonly path: string;
}

async function repository(): Promise<Made> {
  const path = mkdtempSync(join(tmpdir(), "bootc-store-layer-files-"));
  using dir = Dir.openHost(utf8(path));
  const made = await Repository.init(dir, { sync: "none" });
  return {
    repository: made.repository,
    path,
    async [Symbol.asyncDispose]() {
      await made.repository[Symbol.asyncDispose]();
      rmSync(path, { recursive: true, force: true });
    },
  };
}

/** Contents of every size that is treated in its own way, more than one batch of them, some twice. */
async function manyFiles(): Promise<Uint8Array> {
  const sizes = [0, 1, 64, 65, 4095, 4096, 4097, (1 << 18) - 1, 1 << 18, (1 << 18) + 1, 3 << 20];
  const entries = Array.from({ length: 400 }, (_, at): TarEntryToWrite => {
    const size = at < sizes.length ? (sizes[at] as number) : 65 + (at % 90) * 7;
    const content = Buffer.alloc(size, at % 90);
    return { entry: { type: "file", name: utf8(`f${at}`), size }, content };
  });
  const image = await buildImage({ layers: [entries] });
  return image.tars[0] as Uint8Array;
}

/** The layer with its contents as files, out of a directory that is closed when the last segment was taken. */
function asFiles(tar: Uint8Array, path: string, change?: (name: string, at: number) => void): Layer {
  const plain = layerOf(tar);
  return {
    diffId: plain.diffId,
    async *segments(options) {
      using dir = Dir.openHost(utf8(path));
      let at = 0;
      for await (const segment of plain.segments(options)) {
        if (segment.kind === "inline") {
          yield segment;
          continue;
        }
        const name = `content-${at}`;
        const bytes = Buffer.concat(await Array.fromAsync(segment.content.read()));
        writeFileSync(join(path, name), bytes);
        change?.(join(path, name), at);
        at++;
        const read = async function* (): AsyncGenerator<Uint8Array> {
          yield bytes;
        };
        yield { kind: "content", content: { size: bytes.length, file: { dir, name: utf8(name) }, read } };
      }
    },
  };
}

function files(): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), "bootc-store-contents-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

const objectsOf = (path: string): string[] =>
  readdirSync(join(path, "objects"), { recursive: true, encoding: "utf8" }).sort();

describe("a layer whose contents are files", () => {
  test.for(pools.map((pool): [number, Pool] => [pool.size, pool]))(
    "is the same repository with %i workers as without",
    async ([, pool]) => {
      const tar = await manyFiles();
      await using alone = await repository();
      const expected = await writeLayer(alone.repository, layerOf(tar));
      await using shared = await repository();
      using contents = files();
      const written = await writeLayer(shared.repository, asFiles(tar, contents.path), { pool });
      expect(objectsOf(shared.path)).toEqual(objectsOf(alone.path));
      expect(written.inlined).toBe(expected.inlined);
      const { openLayer } = await import("../src/oci/layer.ts");
      const layer = await openLayer(shared.repository, layerOf(tar).diffId);
      const bytes = Buffer.concat(
        await Array.fromAsync(segmentBytes(layer?.segments() ?? layerOf(new Uint8Array()).segments())),
      );
      expect(bytes.equals(tar)).toBe(true);
      const all = Object.values(written.content).reduce((sum, { files: count }) => sum + count, 0);
      expect(all).toBe(Object.values(expected.content).reduce((sum, { files: count }) => sum + count, 0));
    },
  );

  test.for([
    ["is shorter", "composefs/content-size", (name: string) => truncateSync(name, 100)],
    ["is longer", "composefs/content-size", (name: string) => writeFileSync(name, "x", { flag: "a" })],
    ["is gone", "linux/not-found", (name: string) => rmSync(name)],
    [
      "has other bytes",
      "composefs/layer-mismatch",
      (name: string) => writeFileSync(name, "y", { flag: "r+" }),
    ],
  ] as const)("one of which %s is refused, and has no name", async ([, code, change]) => {
    const tar = await manyFiles();
    const pool = pools[2] as Pool;
    for (const which of [5, 200, 395]) {
      await using made = await repository();
      using contents = files();
      const leak = await leakedDescriptors(async () => {
        const layer = asFiles(tar, contents.path, (name, at) => (at === which ? change(name) : undefined));
        await expect(writeLayer(made.repository, layer, { pool })).rejects.toMatchObject({ code });
      });
      expect(leak).toEqual([]);
      expect(readdirSync(made.path)).not.toContain("streams");
    }
  });

  test("a diff id that is another one is refused", async () => {
    await using made = await repository();
    using contents = files();
    const layer = {
      ...asFiles(await manyFiles(), contents.path),
      diffId: digestFromHex("sha256", "0".repeat(64)),
    };
    await expect(writeLayer(made.repository, layer, { pool: pools[1] as Pool })).rejects.toMatchObject({
      code: "composefs/layer-mismatch",
    });
  });

  test("an object of another content under the name of one of them is not believed", async () => {
    const tar = await manyFiles();
    await using made = await repository();
    using contents = files();
    await writeLayer(made.repository, asFiles(tar, contents.path), { pool: pools[2] as Pool });
    const rest = objectsOf(made.path).find((name) => name.includes("/")) ?? "";
    rmSync(join(made.path, "streams"), { recursive: true });
    writeFileSync(join(made.path, "objects", rest), "y", { flag: "r+" });
    await expect(
      writeLayer(made.repository, asFiles(tar, contents.path), { pool: pools[2] as Pool }),
    ).rejects.toMatchObject({
      code: "composefs/object-mismatch",
      context: { digest: rest.replace("/", "") },
    });
  });

  test("ends when it is cancelled, and leaves nothing running", async () => {
    const tar = await manyFiles();
    await using made = await repository();
    using contents = files();
    const stop = new AbortController();
    const layer = asFiles(tar, contents.path, (_, at) => (at === 300 ? stop.abort() : undefined));
    await expect(
      writeLayer(made.repository, layer, { pool: pools[2] as Pool, signal: stop.signal }),
    ).rejects.toMatchObject({ code: "core/cancelled" });
  });
});
