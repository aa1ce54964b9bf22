/* oxlint-disable typescript/await-thenable -- the linter does not know of async disposal in test files */
// Stores that are laid out otherwise: images kept apart, and containers that do not outlive a boot.

import { cpSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import type { Layer } from "@bootc-store/backend";
import { isStoreError, printDigest, utf8 } from "@bootc-store/core";
import { openLab } from "@bootc-store/lab";
import { Dir } from "@bootc-store/linux";
import { segmentBytes } from "@bootc-store/oci";
import { afterAll, describe, expect, test } from "vitest";

import { ContainersStorage } from "../src/index.ts";
import { layoutImage, sha256 } from "./helpers/layout.ts";
import { ours } from "./helpers/stand-in.ts";
import { openStore, pathsIn, type StorePaths } from "./helpers/store.ts";

const LAYOUT = fileURLToPath(new URL("fixtures/oci", import.meta.url));
const NAME = "localhost/fixture:v1";

const lab = openLab();
const missing = lab.missing({ root: true, peers: ["podman", "containers-storage"] });
const { podman, "containers-storage": cli } = lab.peers;
afterAll(() => lab.close());

describe.skipIf(missing !== undefined)(`beside${missing === undefined ? "" : ` (${missing})`}`, () => {
  test("a split image store is read, and not written", async () => {
    await using scratch = lab.scratch();
    const paths = pathsIn(scratch.path);
    const apart = join(scratch.path, "images");
    for (const path of [paths.root, paths.run, apart]) mkdirSync(path, { mode: 0o700 });
    const layout = join(scratch.path, "layout");
    cpSync(LAYOUT, layout, { recursive: true });
    const pulled = await podman.succeed([
      ...paths.podman,
      "--imagestore",
      apart,
      "pull",
      "-q",
      `oci:${layout}:v1`,
    ]);
    const id = pulled.text.trim();
    await cli.succeed([...paths.cli, "--image-store", apart, "create-container", "-n", "c", id]);
    expect(existsSync(join(paths.root, "overlay-images/images.json"))).toBe(false);
    {
      await using store = ContainersStorage.open({
        graphRoot: Dir.openHost(utf8(paths.root)),
        runRoot: Dir.openHost(utf8(paths.run)),
        imageStore: Dir.openHost(utf8(apart)),
      });
      await using image = await store.openImage(id);
      expect(image?.manifest.bytes).toEqual(Buffer.from(layoutImage(LAYOUT).manifest.bytes));
      for (const [at, { diffId }] of (image?.layers ?? []).entries()) {
        const layer = (await image?.openLayer(at)) as Layer;
        const parts: Uint8Array[] = [];
        for await (const bytes of segmentBytes(layer.segments())) parts.push(bytes);
        expect(printDigest(sha256(Buffer.concat(parts)))).toBe(printDigest(diffId));
      }
      expect((await store.containers()).map(({ names }) => names)).toEqual([["c"]]);
      expect(await store.layers()).toHaveLength(4);
      const findings = await Array.fromAsync(store.verify());
      expect(findings.filter(({ severity }) => severity === "error")).toEqual([]);
      const refused = await store.writeImage(layoutImage(LAYOUT)).catch((error: unknown) => error);
      expect(isStoreError(refused, "containers-storage/store-read-only")).toBe(true);
      expect(String(refused)).toContain("split image store");
    }
    for (const args of [["images"], ["images", "-j"], ["layers", "-q"], ["containers"], ["image", id]]) {
      const real = await cli.run([...paths.cli, "--image-store", apart, ...args]);
      const own = await ours(paths, ["--image-store", apart, ...args]);
      const sorted = (text: string): string[] => text.split("\n").sort();
      expect([args, own.code, sorted(own.out)]).toEqual([args, real.code, sorted(real.text)]);
    }
    expect((await ours(paths, ["--image-store", apart, "delete-image", id])).code).toBe(1);
  });

  test("a transient store has its containers in the run root", async () => {
    await using scratch = lab.scratch();
    const both = [pathsIn(join(scratch.path, "ours")), pathsIn(join(scratch.path, "theirs"))] as const;
    for (const paths of both) {
      await using store = openStore(paths);
      await store.writeImage(layoutImage(LAYOUT), { names: [NAME] });
    }
    const [own, peer] = both;
    const args = (...rest: string[]): string[] => ["--transient-store", ...rest];
    const left = (paths: StorePaths): unknown[] =>
      [
        join(paths.run, "overlay-containers/volatile-containers.json"),
        join(paths.run, "overlay-layers/volatile-layers.json"),
        join(paths.root, "overlay-containers/containers.json"),
        join(paths.root, "overlay-containers/volatile-containers.json"),
        join(paths.root, "overlay-layers/volatile-layers.json"),
        join(paths.root, "overlay-layers/layers.json"),
      ].map((path) => (existsSync(path) ? plain(readFileSync(path, "utf8")) : undefined));
    for (const command of [
      ["create-container", "-n", "one", NAME],
      ["create-container", "-n", "two", NAME],
      ["delete-container", "one"],
    ]) {
      const real = await cli.run([...peer.cli, ...args(...command)]);
      const said = await ours(own, args(...command));
      expect([command, said.code, plain(said.out)]).toEqual([command, real.code, plain(real.text)]);
      expect([command, left(own)]).toEqual([command, left(peer)]);
    }
    // Each reads the other's.
    expect((await ours(peer, args("containers"))).out).toContain("name: two");
    expect((await cli.succeed([...own.cli, ...args("containers")])).text).toContain("name: two");
    expect((await ours(own, ["delete-image", NAME])).code).toBe(1);
    expect((await cli.run([...own.cli, ...args("check")])).code).toBe(0);
  });
});

/** Without what is random or of the moment, but for the fixture's own layers. */
function plain(text: string): string {
  return text
    .replaceAll(/"created":"[^"]*"/g, "")
    .replaceAll(/\b(?!178bf0|d0d2ca|e0d8f7|1b053e|2f9f43|7415b2|f9eeee|3b3b1d)[0-9a-f]{64}\b/g, "ID");
}
