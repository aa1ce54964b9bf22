/* oxlint-disable typescript/await-thenable -- the linter does not know of async disposal in test files */
// The stand-in and the program, told the same on stores that are the same: what they print, their exit codes and what they
// leave are compared, ids that are random and times apart.

import { execFileSync } from "node:child_process";
import { appendFileSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

import { openLab } from "@bootc-store/lab";
import { afterAll, describe, expect, test } from "vitest";

import { layoutImage, sha256 } from "./helpers/layout.ts";
import { ours, type Said } from "./helpers/stand-in.ts";
import { openStore, pathsIn, type StorePaths } from "./helpers/store.ts";
import { tar } from "./helpers/tar.ts";

const LAYOUT = fileURLToPath(new URL("fixtures/oci", import.meta.url));
const NAME = "localhost/fixture:v1";
const L1 = "178bf0fbd1f322788b2d0d0e6efe2f6a5d96171e3b14ab6e6d4bf966e3ef62ad";
const L2 = "d0d2cacc16d760c9ec832e21bf7963490d0eed78081686cfda603894c0deae57";
const L3 = "e0d8f7fa6c7c59d7151b4542a8defb79c67fffb0878962662171537139f5eead";

const lab = openLab();
const missing = lab.missing({ root: true, peers: ["containers-storage"] });
const peer = lab.peers["containers-storage"];
afterAll(() => lab.close());

async function applied(paths: StorePaths, to: string, layer: Buffer): Promise<Said> {
  const file = join(paths.root, "../applied.tar");
  writeFileSync(file, layer);
  return await ours(paths, ["apply-diff", "-f", file, to]);
}

/** Random ids by the order in which they are first seen, and no times. */
function stable(): (text: string, paths: StorePaths) => string {
  const ids = new Map<string, string>();
  return (text, paths) =>
    text
      .replaceAll(paths.root, "$ROOT")
      .replaceAll(paths.run, "$RUN")
      .replaceAll(/"created":"[^"]*"/g, '"created":""')
      .replaceAll(/\b[0-9a-f]{64}\b/g, (id) => {
        if (FIXED.has(id)) return id;
        const known = ids.get(id) ?? `ID${ids.size}`;
        ids.set(id, known);
        return known;
      });
}

const image = layoutImage(LAYOUT);
const FIXED = new Set([
  L1,
  L2,
  L3,
  image.config.digest.hex,
  image.manifest.digest.hex,
  ...image.layers.map(({ diffId }) => diffId.hex),
]);

const SESSION: readonly (readonly string[])[] = [
  ["nope"],
  ["images"],
  ["images", "-q"],
  ["images", "--json"],
  ["images", "-z"],
  ["storage-layers"],
  ["layers"],
  ["layers", "-q"],
  ["layers", "-j"],
  ["layer", L1, L2],
  ["layer", "nope"],
  ["layer", "-j", "nope", L3],
  ["image", NAME],
  ["image", "-j", NAME, "nope"],
  ["image", "nope"],
  ["containers"],
  ["containers", "-j"],
  ["container", "nope"],
  ["exists", NAME],
  ["exists", "nope"],
  ["exists", "-q", NAME],
  ["exists", "-j", NAME, L1, "zz"],
  ["exists", "-i", L1],
  ["exists", "-l", L1.slice(0, 10)],
  ["get-names", NAME],
  ["get-names", "-j", NAME],
  ["add-names", "-n", "x", NAME],
  ["add-names", "-j", "-n", "foo", "--name", "bar", NAME],
  ["remove-names", "-n", "foo", NAME],
  ["set-names", "-n", NAME, "-n", "y", NAME],
  ["add-names", "-n", "l1", L1],
  ["add-names", "-n", "x", "nope"],
  ["images"],
  ["layers"],
  ["create-layer", "-n", "new", L3],
  ["create-layer", "-j"],
  ["create-layer", "nope"],
  ["create-layer", "-n", "new"],
  ["create-image", "-n", "img", L3],
  ["create-image", "nope"],
  ["create-image", "-n", "img"],
  ["create-image", "-j", "-n", "img2", "-m", "said", L3],
  ["metadata", "img"],
  ["metadata", "-q", NAME],
  ["set-metadata", "-m", "hello", "img"],
  ["metadata", "-j", "img", "img2"],
  ["metadata", "nope"],
  ["list-image-data", "img"],
  ["list-image-data", "-j", NAME],
  ["get-image-data-size", NAME, "manifest"],
  ["get-image-data-digest", NAME, "manifest"],
  ["get-image-data-size", "-j", NAME, "manifest"],
  ["get-image-data", NAME, "manifest"],
  ["get-image-data", NAME, "zz"],
  ["list-layer-data", L1],
  ["images-by-digest", `sha256:${image.manifest.digest.hex}`],
  ["version"],
  ["version", "-j"],
  ["delete-image", "nope"],
  ["delete-image", "-t", "img"],
  ["delete-image", "-j", "img"],
  ["delete-image", "img2"],
  ["delete-layer", "new"],
  ["delete-layer", "zz"],
  ["diffsize", L1],
  ["diffsize", L2],
  ["diffsize", "zz"],
  ["layers", "-t"],
  ["layers", "-t", "-q"],
  ["changes", L1],
  ["changes", L2],
  ["changes", L3],
  ["changes", "-j", L2],
  ["changes", L3, L2],
  ["changes", "zz"],
  ["changes", L3, "zz"],
  ["images", "-j"],
  ["layers", "-j"],
  ["check", "-q"],
  ["check", "-m", "xx"],
  ["check", "-m", "1h30m"],
  ["gc"],
  ["create-container", "-n", "ctr1", "-m", "said", NAME],
  ["create-container", "-j", "-n", "ctr2", NAME],
  ["create-container", "-n", "bare", ""],
  ["create-container", "-n", "gone", "--volatile", NAME],
  ["create-container", "nope"],
  ["create-container", "-n", "ctr1", NAME],
  ["create-container", L3],
  ["containers"],
  ["containers", "-j"],
  ["metadata", "ctr1"],
  ["set-metadata", "-m", "more", "ctr1"],
  ["metadata", "-j", "ctr1"],
  ["set-metadata", "-m", "of a layer", L1],
  ["metadata", L1],
  ["set-metadata", "-m", "x", "nope"],
  ["add-names", "-n", "ctr1b", "-n", "ctr2", "ctr1"],
  ["get-names", "ctr1"],
  ["get-names", "-j", "ctr1b"],
  ["set-names", "-n", "ctr2", "-n", "also", "ctr2"],
  ["remove-names", "-n", "also", "also"],
  ["containers"],
  ["set-names", "-n", "ctr1", "ctr1b"],
  ["set-container-data", "-f", "$TAR", "ctr1", "item"],
  ["set-container-data", "-f", "$TAR", "ctr1", "item"],
  ["set-container-data", "-f", "$TAR", "ctr1", "with/slash"],
  ["set-container-data", "-f", "$TAR", "nope", "item"],
  ["list-container-data", "ctr1"],
  ["list-container-data", "-j", "ctr1"],
  ["get-container-data-size", "ctr1", "item"],
  ["get-container-data-digest", "ctr1", "item"],
  ["get-container-data-size", "ctr1", "none"],
  ["set-layer-data", "-f", "$TAR", L2, "item"],
  ["set-layer-data", "-f", "$TAR", L2, "item"],
  ["set-layer-data", "-f", "$TAR", L2, "other"],
  ["set-layer-data", "-f", "$TAR", "nope", "item"],
  ["set-layer-data", "-f", "$TAR", L2, ""],
  ["list-layer-data", L2],
  ["list-layer-data", "-j", L2],
  ["get-layer-data", L2, "none"],
  ["get-layer-data", "nope", "item"],
  ["get-image-dir", image.config.digest.hex],
  ["get-image-run-dir", image.config.digest.hex],
  ["get-container-dir", "ctr1"],
  ["get-container-run-dir", "ctr1"],
  ["get-container-dir", "nope"],
  ["mounted", "ctr1"],
  ["mounted", "nope", L1],
  ["mounted", "-j", "nope", L1],
  ["mount", "ctr1"],
  ["mounted", "ctr1", L1],
  ["mounted", "-j", "ctr1", "ctr2"],
  ["shutdown"],
  ["shutdown", "-j"],
  ["shutdown", "-f"],
  ["mounted", "ctr1"],
  ["shutdown"],
  ["shutdown", "-j"],
  ["mount", "ctr1"],
  ["mount", "ctr1"],
  ["mount", L3],
  ["mount", "-j", L1],
  ["mount", "-r", NAME],
  ["mount", "-r", L3],
  ["mount", "nope", "ctr1"],
  ["mount", "-j", "nope"],
  ["unmount", "ctr1"],
  ["unmount", "ctr1"],
  ["umount", "-f", "ctr1"],
  ["unmount", "ctr1"],
  ["unmount", "-j", L1],
  ["unmount", NAME],
  ["unmount", NAME],
  ["unmount", "nope"],
  ["create-layer", "-n", "filled", L3],
  ["apply-diff", "-f", "$TAR", "filled"],
  ["apply-diff", "-f", "$TAR", "nope"],
  ["apply-diff", "-f", "/nowhere/file", "filled"],
  ["diff", "-u", "filled"],
  ["import-layer", "-n", "imported", "-f", "$TAR", L3],
  ["layers", "-j"],
  ["check"],
  ["mount", "gone"],
  ["delete-container", "gone"],
  ["delete-container", "nope"],
  ["delete-container", "-j", "ctr2", "nope"],
  ["delete", "nope"],
  ["delete", "ctr1", "bare"],
  ["delete", "filled"],
  ["delete-layer", "imported"],
  ["containers"],
  ["layers", "-q"],
  ["delete-image", NAME],
  ["images", "-j"],
];

describe.skipIf(missing !== undefined)(
  `as containers-storage${missing === undefined ? "" : ` (${missing})`}`,
  () => {
    test("a session of every command that is there", async () => {
      await using scratch = lab.scratch();
      const a = pathsIn(join(scratch.path, "a"));
      const b = pathsIn(join(scratch.path, "b"));
      {
        await using store = openStore(a);
        await store.writeImage(image, { names: [NAME] });
      }
      execFileSync("cp", ["-a", join(scratch.path, "a"), join(scratch.path, "b")]);
      const [theirText, ourText] = [stable(), stable()];
      const said: unknown[] = [];
      const expected: unknown[] = [];
      const file = join(scratch.path, "layer.tar.gz");
      writeFileSync(file, gzipSync(tar([{ name: "applied", content: "x", mtime: 1_700_000_000 }])));
      for (const line of SESSION) {
        const args = line.map((arg) => (arg === "$TAR" ? file : arg));
        const real = await peer.run([...a.cli, ...args]);
        const stand = await ours(b, args);
        said.push([args, stand.code, ourText(stand.out, b), ourText(stand.err, b)]);
        expected.push([args, real.code, theirText(real.text, a), theirText(real.errorText, a)]);
      }
      expect(said).toEqual(expected);
      for (const index of [
        "overlay-layers/layers.json",
        "overlay-layers/volatile-layers.json",
        "overlay-images/images.json",
        "overlay-containers/containers.json",
        "overlay-containers/volatile-containers.json",
      ]) {
        expect(ourText(readFileSync(join(b.root, index), "utf8"), b)).toBe(
          theirText(readFileSync(join(a.root, index), "utf8"), a),
        );
      }
      expect((await peer.run([...b.cli, "check"])).code).toBe(0);
    });

    test.each([
      ["an image's item", "images"],
      ["a layer's file", "content"],
    ] as const)("%s that is damaged: what stands on it is removed", async (_what, part) => {
      await using scratch = lab.scratch();
      const a = pathsIn(join(scratch.path, "a"));
      const b = pathsIn(join(scratch.path, "b"));
      {
        await using store = openStore(a);
        await store.writeImage(image, { names: [NAME] });
      }
      if (part === "images")
        appendFileSync(join(a.root, `overlay-images/${image.config.digest.hex}/manifest`), "x");
      else appendFileSync(join(a.root, `overlay/${L2}/diff/usr/lib/new.so`), "x");
      execFileSync("cp", ["-a", join(scratch.path, "a"), join(scratch.path, "b")]);
      for (const args of [["check"], ["check", "-r"], ["check"], ["layers", "-q"], ["images", "-q"]]) {
        const real = await peer.run([...a.cli, ...args]);
        const stand = await ours(b, args);
        expect([args, stand.code]).toEqual([args, real.code]);
        if (args[0] !== "check") expect([args, stand.out]).toEqual([args, real.text]);
      }
      expect((await peer.run([...b.cli, "check"])).code).toBe(0);
    });

    test("a damaged layer that a container stands on stays, and is named", async () => {
      await using scratch = lab.scratch();
      const paths = pathsIn(scratch.path);
      {
        await using store = openStore(paths);
        await store.writeImage(image, { names: [NAME] });
      }
      await peer.succeed([...paths.cli, "create-container", "-n", "c", NAME]);
      appendFileSync(join(paths.root, `overlay/${L2}/diff/usr/lib/new.so`), "x");
      const { code, err } = await ours(paths, ["check", "--repair"]);
      expect([code, err]).toEqual([
        1,
        expect.stringMatching(
          /deleting image .* in use by a container\ndeleting layer .* in use by a container/,
        ),
      ]);
      {
        await using store = openStore(paths);
        expect(await store.layers()).toHaveLength(4);
      }
      expect((await ours(paths, ["check", "--repair", "--force"])).code).toBe(0);
      await using store = openStore(paths);
      expect([await store.layers(), await store.images(), await store.containers()]).toEqual([[], [], []]);
      expect((await peer.run([...paths.cli, "check"])).code).toBe(0);
    });

    test("an unreferenced layer is found when it is old enough", async () => {
      await using scratch = lab.scratch();
      const paths = pathsIn(scratch.path);
      await ours(paths, ["create-layer", "-n", "alone"]);
      expect((await ours(paths, ["check", "-m", "1h"])).code).toBe(0);
      for (const args of [
        ["check", "-m", "0"],
        ["check", "-r", "-m", "0"],
      ]) {
        const { code, out } = await ours(paths, args);
        expect([code, out]).toEqual([args[1] === "-r" ? 0 : 1, expect.stringContaining("stands on it")]);
      }
      expect((await ours(paths, ["layers", "-q"])).out).toBe("");
    });

    test("a diff goes into an empty layer, and over none that has one", async () => {
      await using scratch = lab.scratch();
      const paths = pathsIn(scratch.path);
      const layer = tar([{ name: "sub/file", content: "x" }]);
      await ours(paths, ["create-layer", "-n", "base"]);
      await ours(paths, ["create-layer", "-n", "top", "base"]);
      expect(await ours(paths, ["mount", "top"])).toMatchObject({ code: 0 });
      expect(await applied(paths, "top", layer)).toMatchObject({ code: 1, err: "layer is mounted\n" });
      expect(await ours(paths, ["unmount", "top"])).toMatchObject({ code: 0 });
      expect(await applied(paths, "top", layer)).toMatchObject({ code: 0, err: "" });
      expect(await applied(paths, "top", layer)).toMatchObject({
        code: 1,
        err: expect.stringMatching(/^layer has a diff already/),
      });
      const real = await peer.run([...paths.cli, "diff", "-u", "top"]);
      expect(real.stdout.equals(layer)).toBe(true);
      const mounted = (await ours(paths, ["mount", "top"])).out.trim();
      expect(readFileSync(join(mounted, "sub/file"), "utf8")).toBe("x");
      expect(await ours(paths, ["unmount", "top"])).toMatchObject({ code: 0 });
      expect(readdirSync(mounted)).toEqual([]);
    });

    test("items of layers come back as they were given, from either", async () => {
      await using scratch = lab.scratch();
      const paths = pathsIn(scratch.path);
      const bytes = Buffer.from([0, 1, 2, 255, 10]);
      const file = join(scratch.path, "item");
      writeFileSync(file, bytes);
      await ours(paths, ["create-layer", "-n", "one"]);
      expect(await ours(paths, ["set-layer-data", "-f", file, "one", "our/item"])).toMatchObject({ code: 0 });
      await peer.succeed([...paths.cli, "set-layer-data", "-f", file, "one", "their/item"]);
      for (const key of ["our/item", "their/item"]) {
        expect((await ours(paths, ["get-layer-data", "one", key])).bytes).toEqual(bytes);
        expect((await peer.run([...paths.cli, "get-layer-data", "one", key])).stdout).toEqual(bytes);
      }
    });

    test("outputs go into files that are named", async () => {
      await using scratch = lab.scratch();
      const paths = pathsIn(scratch.path);
      {
        await using store = openStore(paths);
        await store.writeImage(image, { names: [NAME] });
      }
      const file = join(scratch.path, "file");
      expect(await ours(paths, ["diff", "-u", "-f", file, L2])).toMatchObject({ code: 0, out: "" });
      expect(sha256(readFileSync(file)).hex).toBe(image.layers[1]?.diffId.hex);
      expect(await ours(paths, ["get-image-data", "-f", file, NAME, "manifest"])).toMatchObject({ code: 0 });
      expect(readFileSync(file)).toEqual(Buffer.from(image.manifest.bytes));
    });

    test("diffs are exact, and come back as layers", async () => {
      await using scratch = lab.scratch();
      const paths = pathsIn(scratch.path);
      {
        await using store = openStore(paths);
        await store.writeImage(image, { names: [NAME] });
      }
      for (const [at, id] of [L1, L2, L3].entries()) {
        const { bytes, code } = await ours(paths, ["diff", "-u", id]);
        expect([code, sha256(bytes).hex]).toEqual([0, image.layers[at]?.diffId.hex]);
        const real = await peer.run([...paths.cli, "diff", "-u", id]);
        expect(real.stdout.equals(bytes)).toBe(true);
      }
      const layer = tar([{ name: "imported", content: "x" }]);
      const file = join(scratch.path, "layer.tar");
      writeFileSync(file, layer);
      const imported = await ours(paths, ["import-layer", "-n", "imp", "-f", file, L3]);
      expect(imported.code).toBe(0);
      const real = await peer.run([...paths.cli, "diff", "-u", "imp"]);
      expect(real.stdout.equals(layer)).toBe(true);
      expect((await peer.run([...paths.cli, "check"])).code).toBe(0);
    });
  },
);
