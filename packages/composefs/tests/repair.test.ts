// What must not be lost, whatever a repository went through: power cuts, old formats, images that share what they have.
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { Image, LayerSegment } from "@bootc-store/backend";
import { digestFromHex, isStoreError, utf8 } from "@bootc-store/core";
import { computeVerity, Dir } from "@bootc-store/linux";
import { type TarEntryToWrite, writeTar } from "@bootc-store/oci";
import { buildImage, layerOf } from "@bootc-store/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { ComposefsBackend, removeTag, Repository, restoreLinks } from "../src/index.ts";
import { CONTENT_TYPES } from "../src/splitstream/layout.ts";
import { SplitstreamWriter } from "../src/splitstream/writer.ts";

const LONG = "content that is long enough to be an object of its own, since it has more than 64 bytes";

const file = (name: string, text: string): TarEntryToWrite => {
  const content = Buffer.from(text);
  return { entry: { type: "file", name: utf8(name), size: content.length }, content };
};
const dir = (name: string): TarEntryToWrite => ({ entry: { type: "directory", name: utf8(name) } });

const image = (): Promise<Image> =>
  buildImage({ layers: [[dir("boot/"), dir("sysroot/"), dir("usr/"), file("usr/tool", LONG)]] });

/** The same configuration under another manifest. */
async function sibling(): Promise<Image> {
  const first = await image();
  const parsed = JSON.parse(Buffer.from(first.manifest.bytes).toString()) as object;
  const bytes = Buffer.from(JSON.stringify({ ...parsed, annotations: { other: "1" } }));
  const digest = digestFromHex("sha256", createHash("sha256").update(bytes).digest("hex"));
  return { ...first, manifest: { ...first.manifest, bytes, digest } };
}

let path: string;
let at: Dir;
beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), "bootc-store-repair-"));
  at = Dir.openHost(utf8(path));
});
afterEach(() => {
  at[Symbol.dispose]();
  rmSync(path, { recursive: true, force: true });
});

const code = async (work: Promise<unknown>): Promise<string> => {
  try {
    await work;
  } catch (error) {
    return isStoreError(error) ? error.code : String(error);
  }
  return "nothing thrown";
};

const findings = async (backend: ComposefsBackend): Promise<string[]> => {
  const found: string[] = [];
  for await (const finding of backend.verify()) found.push(finding.code);
  return found;
};

const objectPath = (id: string): string => join(path, "objects", id.slice(0, 2), id.slice(2));
const idOf = (text: string): string =>
  Buffer.from(computeVerity(Buffer.from(text), { algorithm: "sha512" })).toString("hex");

describe("a repository of the old format", () => {
  beforeEach(() => {
    const id = Buffer.from(computeVerity(Buffer.from(LONG), { algorithm: "sha256" })).toString("hex");
    mkdirSync(join(objectPath(id), ".."), { recursive: true });
    writeFileSync(objectPath(id), LONG);
  });

  test("is not taken for an empty place", async () => {
    expect(await code(Repository.init(at, { algorithm: "sha256" }))).toBe("composefs/metadata-missing");
    expect(await code(Repository.init(at, { algorithm: "sha512", old: "upgrade" }))).toBe(
      "composefs/already-initialized",
    );
    expect(existsSync(join(path, "meta.json"))).toBe(false);
  });

  test("is upgraded to what its objects are", async () => {
    const { repository, created } = await Repository.init(at, { algorithm: "sha256", old: "upgrade" });
    expect({ created, algorithm: repository.algorithm }).toEqual({ created: false, algorithm: "sha256" });
    await repository[Symbol.asyncDispose]();
    expect(existsSync(join(path, "meta.json"))).toBe(true);
  });

  test("is read without being changed", async () => {
    const repository = await Repository.open(at, { old: "upgrade", readOnly: true });
    expect(repository.algorithm).toBe("sha256");
    await repository[Symbol.asyncDispose]();
    expect(readdirSync(path)).toEqual(["objects"]);
  });
});

test("a manifest keeps what it shares with one that is collected", async () => {
  await using backend = await ComposefsBackend.ensure(at, { sync: "none" });
  await backend.writeImage(await image(), { names: ["a"] });
  // Attaches an image for booting to the configuration, which is written anew for it.
  await backend.writeImage(await sibling(), { names: ["b"], bootable: true });
  expect(removeTag(backend.repository, "b")).toBe(true);
  await backend.applyGc(await backend.planGc());
  await using opened = await backend.openImage("a");
  expect(opened?.layers).toHaveLength(1);
  expect(await findings(backend)).toEqual([]);
});

test("an object that a power cut left empty is written again, and one that is gone comes back", async () => {
  await using backend = await ComposefsBackend.ensure(at, { sync: "none" });
  const { objects } = backend.repository;
  const { id } = objects.put(Buffer.from(LONG));
  truncateSync(objectPath(id), 0);
  expect(objects.put(Buffer.from(LONG)).how).toBe("copied");
  expect(statSync(objectPath(id)).size).toBe(LONG.length);

  await backend.writeImage(await image(), { names: ["a"] });
  unlinkSync(objectPath(idOf(LONG)));
  expect(await findings(backend)).toContain("composefs/object-missing");
  await backend.writeImage(await image(), { names: ["a"] });
  expect(await findings(backend)).toEqual([]);
});

test("a name that is gone of a layer, a configuration or an image is told, and comes back", async () => {
  await using backend = await ComposefsBackend.ensure(at, { sync: "none" });
  await backend.writeImage(await image(), { names: ["a"] });
  const named = ["images", "streams"].flatMap((folder) =>
    readdirSync(join(path, folder))
      .filter((name) => name !== "refs" && !name.startsWith("oci-manifest-"))
      .map((name) => `${folder}/${name}`),
  );
  expect(named).toHaveLength(3);
  for (const name of named) {
    const before = readlinkSync(join(path, name));
    unlinkSync(join(path, name));
    const found = await Array.fromAsync(backend.verify());
    expect(found.map(({ code: each, subject }) => [each, subject.path])).toEqual([
      ["composefs/link-missing", name],
    ]);
    expect(await restoreLinks(backend.repository, found)).toEqual([name]);
    expect(readlinkSync(join(path, name))).toBe(before);
    expect(await findings(backend)).toEqual([]);
  }
});

test("a collection waits for what the same program writes", async () => {
  await using backend = await ComposefsBackend.ensure(at, { sync: "none" });
  backend.repository.objects.put(Buffer.from(LONG));
  const plan = await backend.planGc();
  const parts: Uint8Array[] = [];
  for await (const part of writeTar([file("tool", LONG)])) parts.push(part);
  const layer = layerOf(Buffer.concat(parts));
  let collecting: Promise<unknown> | undefined;
  let ended = false;
  const slow = {
    ...layer,
    async *segments(): AsyncGenerator<LayerSegment> {
      let content = 0;
      for await (const segment of layer.segments()) {
        yield segment;
        if (segment.kind !== "content" || content++ > 0) continue;
        collecting = backend.applyGc(plan).finally(() => (ended = true));
        await new Promise((resolve) => setTimeout(resolve, 100));
        expect(ended).toBe(false);
      }
    },
  };
  await backend.writeLayer(slow);
  await collecting;
  expect(await code(collecting ?? Promise.reject(new Error("never begun")))).toBe("nothing thrown");
});

test("bytes between two objects are bounded", () => {
  const writer = new SplitstreamWriter("sha512", CONTENT_TYPES.layer, { inline: 1000, tables: 1000 });
  writer.inline(new Uint8Array(900));
  expect(() => writer.inline(new Uint8Array(101))).toThrowError(/more than 1000 bytes/);
  writer.destroy();
});
