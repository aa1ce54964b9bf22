/* oxlint-disable typescript/await-thenable -- the linter does not know of async disposal in test files */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { printDigest } from "@bootc-store/core";
import { createPool, type Pool } from "@bootc-store/linux";
import { openLab } from "@bootc-store/lab";
import { segmentBytes } from "@bootc-store/oci";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import type { ContainersStorage } from "../src/index.ts";
import { layoutImage, sha256 } from "./helpers/layout.ts";
import { describeTree, openStore, pathsIn, type StorePaths } from "./helpers/store.ts";

const LAYOUT = fileURLToPath(new URL("fixtures/oci", import.meta.url));
const NAME = "localhost/fixture:v1";

const lab = openLab({ visible: [fileURLToPath(new URL("fixtures", import.meta.url))] });
const missing = lab.missing({ root: true, peers: ["skopeo", "podman", "containers-storage"] });
const { skopeo, podman, "containers-storage": cli } = lab.peers;
let pool: Pool;

beforeAll(() => {
  pool = createPool({ size: 2 });
});
afterAll(async () => {
  await pool[Symbol.asyncDispose]();
  lab.close();
});

async function exportedDigests(store: ContainersStorage): Promise<[recorded: string, made: string][]> {
  const all: [string, string][] = [];
  for (const { diffDigest } of await store.layers()) {
    const layer = diffDigest === undefined ? undefined : await store.openLayer(diffDigest);
    if (diffDigest === undefined || layer === undefined) throw new Error("a layer without a tar");
    const parts: Uint8Array[] = [];
    for await (const bytes of segmentBytes(layer.segments())) parts.push(bytes);
    all.push([printDigest(diffDigest), printDigest(sha256(Buffer.concat(parts)))]);
  }
  return all;
}

async function skopeoStore(scratch: string): Promise<StorePaths> {
  const paths = pathsIn(scratch);
  await skopeo.succeed(["--insecure-policy", "copy", "-q", `oci:${LAYOUT}:v1`, paths.reference(NAME)]);
  return paths;
}

describe.skipIf(missing !== undefined)(
  `beside the real tools${missing === undefined ? "" : ` (${missing})`}`,
  () => {
    test("what skopeo wrote is read, and every layer has its exact diff id", async () => {
      await using scratch = lab.scratch();
      await using store = openStore(await skopeoStore(scratch.path));
      const digests = await exportedDigests(store);
      expect(digests).toHaveLength(3);
      for (const [recorded, made] of digests) expect(made).toBe(recorded);
      await using image = await store.openImage("localhost/fixture:v1");
      expect(image?.manifest.bytes).toEqual(Buffer.from(layoutImage(LAYOUT).manifest.bytes));
      expect(image?.layers).toEqual(layoutImage(LAYOUT).layers);
    });

    test("an image written by us is as skopeo writes it, to the byte and the attribute", async () => {
      await using ours = lab.scratch();
      await using theirs = lab.scratch();
      const peer = await skopeoStore(theirs.path);
      const own = pathsIn(ours.path);
      await using store = openStore(own, pool);
      const written = await store.writeImage(layoutImage(LAYOUT), { names: [NAME] });
      expect(written).toMatchObject({ created: true });
      expect(written.layers.map(({ created }) => created)).toEqual([true, true, true]);

      const strip = (text: string): string => text.replaceAll(/"created":"[^"]*"/g, "");
      const read = (paths: StorePaths, name: string): string => readFileSync(join(paths.root, name), "utf8");
      for (const name of ["overlay-layers/layers.json", "overlay-images/images.json"]) {
        expect(strip(read(own, name))).toBe(strip(read(peer, name)));
      }
      for (const { id } of await store.layers()) {
        const diff = `overlay/${id}/diff`;
        expect(describeTree(join(own.root, diff))).toEqual(describeTree(join(peer.root, diff)));
      }
      // Names, kinds, modes and owners of everything; short links are random, and 1.64 adds lower-layers.
      const shape = (paths: StorePaths): string[] =>
        describeTree(paths.root, { times: false })
          .filter(
            (line) =>
              !/^\S+\/lower-layers |^overlay\/(?:\.has-mount-program|[^/]+\/diff\/)|^overlay\/staging/.test(
                line,
              ),
          )
          .map((line) =>
            line
              .replace(/ [0-9a-f]{64}$/, " content")
              .replace(/^overlay\/l\/[A-Z2-7]{26} /, "overlay/l/LINK "),
          )
          .sort();
      expect(shape(own)).toEqual(shape(peer));
    });

    test("containers-storage, podman and skopeo accept an image written by us", async () => {
      await using scratch = lab.scratch();
      const paths = pathsIn(scratch.path);
      {
        await using store = openStore(paths, pool);
        await store.writeImage(layoutImage(LAYOUT), { names: [NAME] });
      }
      const check = await cli.run([...paths.cli, "check"]);
      expect([check.code, check.text + check.errorText]).toEqual([0, expect.any(String)]);
      const listed = JSON.parse(
        (await podman.succeed([...paths.podman, "images", "--format", "json"])).text,
      ) as {
        Names: string[];
        Digest: string;
      }[];
      expect(listed.map(({ Names, Digest }) => [Names, Digest])).toEqual([
        [[NAME], printDigest(layoutImage(LAYOUT).manifest.digest)],
      ]);
      const mounted = (await podman.succeed([...paths.podman, "image", "mount", NAME])).text.trim();
      expect(mounted).toContain(paths.root);
      await podman.succeed([...paths.podman, "image", "umount", NAME]);
      const out = join(scratch.path, "out");
      await skopeo.succeed(["--insecure-policy", "copy", "-q", paths.reference(NAME), `dir:${out}`]);
      for (const { diffId } of layoutImage(LAYOUT).layers) expect(readdirSync(out)).toContain(diffId.hex);
      await podman.succeed([...paths.podman, "rmi", NAME]);
      await using store = openStore(paths);
      expect(await store.images()).toEqual([]);
      expect(await store.layers()).toEqual([]);
    });

    test("an image is written again, and copied from store to store", async () => {
      await using scratch = lab.scratch();
      await using other = lab.scratch();
      await using store = openStore(pathsIn(scratch.path), pool);
      await store.writeImage(layoutImage(LAYOUT), { names: [NAME] });
      const again = await store.writeImage(layoutImage(LAYOUT), { names: ["localhost/other"] });
      expect(again.created).toBe(false);
      expect(again.layers.map(({ created }) => created)).toEqual([false, false, false]);
      expect((await store.images())[0]).toMatchObject({
        names: ["localhost/other:latest", NAME],
        namesHistory: [NAME, "localhost/other:latest"],
      });
      const paths = pathsIn(other.path);
      await using copy = openStore(paths, pool);
      await using image = await store.openImage(NAME);
      if (image === undefined) throw new Error("no image");
      await copy.writeImage(image, { names: [NAME] });
      for (const [recorded, made] of await exportedDigests(copy)) expect(made).toBe(recorded);
      expect((await cli.run([...paths.cli, "check"])).code).toBe(0);
    });
  },
);
