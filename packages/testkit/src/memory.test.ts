import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { Image, Layer } from "@bootc-store/backend";
import { digestFromHex, utf8 } from "@bootc-store/core";
import { segmentBytes, type TarSegment } from "@bootc-store/oci";
import { emptyTree, file, metadataOf, symlink } from "@bootc-store/tree";
import { describe, expect, test } from "vitest";

import {
  contractScenarios,
  type ContractStore,
  describeScenarios,
  leakedDescriptors,
  MemoryBackend,
} from "./index.ts";

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const sha = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

function layerOf(...parts: (Uint8Array | { content: Uint8Array })[]): Layer {
  const bytes = Buffer.concat(parts.map((part) => ("content" in part ? part.content : part)));
  return {
    diffId: digestFromHex("sha256", sha(bytes)),
    async *segments(): AsyncGenerator<TarSegment<never>> {
      for (const part of parts) {
        if (!("content" in part)) yield { kind: "inline", bytes: part };
        else {
          yield {
            kind: "content",
            content: {
              size: part.content.length,
              async *read() {
                yield part.content;
              },
            },
          };
        }
      }
    },
  };
}

function imageOf(name: string, layers: readonly Layer[]): Image {
  const config = text(JSON.stringify({ name, rootfs: layers.map((layer) => layer.diffId.hex) }));
  const manifest = text(JSON.stringify({ config: sha(config) }));
  return {
    config: {
      mediaType: "application/vnd.oci.image.config.v1+json",
      digest: digestFromHex("sha256", sha(config)),
      bytes: config,
    },
    manifest: {
      mediaType: "application/vnd.oci.image.manifest.v1+json",
      digest: digestFromHex("sha256", sha(manifest)),
      bytes: manifest,
    },
    layers: layers.map(({ diffId }) => ({ diffId })),
    openLayer: async (index) => layers[index] as Layer,
    async [Symbol.asyncDispose]() {},
  };
}

async function memoryStore(): Promise<ContractStore> {
  const backend = new MemoryBackend();
  const kept = imageOf("kept", [layerOf(text("head"), { content: text("reachable") }, text("end"))]);
  const stray = imageOf("stray", [layerOf(text("h"), { content: text("unreachable") })]);
  return {
    backend,
    async fill() {
      await backend.writeImage(kept, { names: ["localhost/kept:latest"] });
    },
    async damage() {
      const key = sha(text("reachable"));
      backend.objects.corrupt(key, text("Reachable"));
      return [key];
    },
    async leaveGarbage() {
      await backend.writeImage(stray);
    },
    async revive() {
      await backend.writeImage(stray, { names: ["localhost/stray:latest"] });
    },
    async fingerprint() {
      const roots = await Array.fromAsync(backend.roots());
      return JSON.stringify([await backend.inspect(), await backend.usage(), roots, backend.objects.keys()]);
    },
    async [Symbol.asyncDispose]() {
      await backend[Symbol.asyncDispose]();
    },
  };
}

describeScenarios("the contract", contractScenarios("memory", {}, memoryStore), {
  async scratch() {
    const path = await mkdtemp(join(tmpdir(), "bootc-store-memory-"));
    return {
      path,
      async [Symbol.asyncDispose]() {
        await rm(path, { recursive: true });
      },
    };
  },
});

describe("the ports", () => {
  test("a layer comes out with the bytes that went in, and is checked on the way", async () => {
    const backend = new MemoryBackend();
    const layer = layerOf(text("a"), { content: text("content") }, text("b"));
    expect(await backend.hasLayer(layer.diffId)).toBe(false);
    const written = await backend.writeLayer(layer);
    expect(written).toMatchObject({ created: true, content: { copied: { files: 1, bytes: 7 } } });
    expect(await backend.writeLayer(layer)).toMatchObject({ created: false });
    const again = await backend.openLayer(layer.diffId);
    const bytes = Buffer.concat(
      await Array.fromAsync(segmentBytes(again?.segments() ?? layerOf().segments())),
    );
    expect(bytes.toString()).toBe("acontentb");

    const lying = { ...layerOf(text("x")), diffId: digestFromHex("sha256", "0".repeat(64)) };
    await expect(backend.writeLayer(lying)).rejects.toMatchObject({ code: "memory/layer-mismatch" });
    expect(await backend.hasLayer(lying.diffId)).toBe(false);
  });

  test("an image is found by id, name and digest, and names move", async () => {
    const backend = new MemoryBackend();
    const one = imageOf("one", [layerOf(text("1"))]);
    const two = imageOf("two", [layerOf(text("1")), layerOf(text("2"))]);
    await backend.writeImage(one, { names: ["n"] });
    const written = await backend.writeImage(two, { names: ["n"] });
    expect(written.layers.map((layer) => layer.created)).toEqual([false, true]);
    await using found = await backend.openImage("n");
    expect(found?.config.digest).toEqual(two.config.digest);
    expect((await backend.openImage(`sha256:${one.manifest.digest.hex}`))?.config.digest).toEqual(
      one.config.digest,
    );
    expect(await backend.openImage("absent")).toBeUndefined();
    expect(await Array.fromAsync(backend.listImages())).toHaveLength(2);
  });

  test("a tree moves from one store to another and keeps its identity", async () => {
    const from = new MemoryBackend();
    const { key } = from.objects.put(text("some content that is not inline"));
    const { root } = emptyTree();
    const shared = file(metadataOf("file"), 31, { kind: "external", key });
    root.add(utf8("a"), shared);
    root.add(utf8("b"), shared);
    root.add(utf8("l"), symlink(metadataOf("symlink"), utf8("a")));
    const first = await from.writeTree({ tree: { root }, contents: from.trees });
    const to = new MemoryBackend("ostree");
    const second = await to.writeTree(await from.readTree(first.id));
    expect(second).toMatchObject({ id: first.id, created: true, content: { copied: { files: 1 } } });
    const { tree } = await to.readTree(second.id);
    expect(tree.root.get(utf8("a"))).toBe(tree.root.get(utf8("b")));
    await expect(to.readTree("absent")).rejects.toMatchObject({ code: "memory/tree-missing" });
  });
});

test("a descriptor that stays open is seen", async () => {
  const { open } = await import("node:fs/promises");
  expect(await leakedDescriptors(async () => {})).toEqual([]);
  const handles: { close(): Promise<void> }[] = [];
  const leaked = await leakedDescriptors(async () => void handles.push(await open("/dev/null")));
  for (const handle of handles) await handle.close();
  if (process.platform === "linux") expect(leaked).toEqual([expect.stringContaining("/dev/null")]);
});
