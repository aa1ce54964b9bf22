/* oxlint-disable typescript/await-thenable -- the linter does not know of async disposal in test files */
// A whole operating system's image, written by us and by skopeo: a small one, and with `BOOTC_STORE_LONG=1` one of 1 GB, which
// takes minutes and 5 GB.

import { readFileSync } from "node:fs";
import { join } from "node:path";

import { printDigest, utf8 } from "@bootc-store/core";
import { buildOciLayout, openLab } from "@bootc-store/lab";
import { createPool, Dir } from "@bootc-store/linux";
import { openImageSource, parseImageReference, readImage } from "@bootc-store/oci";
import { afterAll, describe, expect, test } from "vitest";

import { describeTree, openStore, pathsIn, type StorePaths } from "./helpers/store.ts";

const NAME = "localhost/os:v1";

const lab = openLab();
const missing = lab.missing({ root: true, peers: ["skopeo", "podman", "containers-storage", "umoci"] });
const TREES = process.env["BOOTC_STORE_LONG"] === "1" ? (["small", "os"] as const) : (["small"] as const);
const { skopeo, podman, "containers-storage": cli } = lab.peers;
afterAll(() => lab.close());

/** What a mount of the image shows: kind, mode, owner, time and size or target of everything, and a digest of each content. */
async function mounted(paths: StorePaths): Promise<string[]> {
  const long = { timeout: 600_000, maxOutput: 1 << 28 };
  const path = (await podman.succeed([...paths.podman, "image", "mount", NAME])).text.trim();
  const { text } = await lab.peers.sh.succeed(
    [
      "-c",
      `cd ${path} && find . -printf '%p %y %m %U:%G %T@ %n %l\\n' && find . -type f -size +0 -print0 | xargs -0 sha256sum`,
    ],
    long,
  );
  await podman.succeed([...paths.podman, "image", "umount", NAME]);
  // Nobody gives the top a time.
  return text.split("\n").filter((line) => !/^(?:\. |$)/.test(line));
}

describe.skipIf(missing !== undefined)(`an OS image${missing === undefined ? "" : ` (${missing})`}`, () => {
  test.each(TREES)(
    "%s: is as skopeo writes it, and the real tools take it",
    async (tree) => {
      const { reference } = await buildOciLayout(tree, lab);
      await using scratch = lab.scratch();
      const own = pathsIn(join(scratch.path, "ours"));
      const peer = pathsIn(join(scratch.path, "theirs"));
      const long = { timeout: 600_000 };
      await skopeo.succeed(["--insecure-policy", "copy", "-q", reference, peer.reference(NAME)], long);
      using host = Dir.openHost(utf8("/"));
      await using pool = createPool();
      await using image = await readImage(
        await openImageSource(parseImageReference(reference), { host: { root: host } }),
      );
      {
        await using store = openStore(own, pool);
        await store.writeImage(image, { names: [NAME] });
        const read = (paths: StorePaths, name: string): string =>
          readFileSync(join(paths.root, name), "utf8").replaceAll(/"created":"[^"]*"/g, "");
        for (const name of ["overlay-layers/layers.json", "overlay-images/images.json"])
          expect(read(own, name)).toBe(read(peer, name));
        for (const { id } of await store.layers()) {
          const diff = `overlay/${id}/diff`;
          const ours = describeTree(join(own.root, diff));
          expect(ours.length).toBeGreaterThan(100);
          // Not by the matcher, which would print both.
          const theirs = new Set(describeTree(join(peer.root, diff)));
          expect([id, ours.filter((line) => !theirs.has(line)), ours.length]).toEqual([id, [], theirs.size]);
        }
      }
      const check = await cli.run([...own.cli, "check"], long);
      expect([check.code, check.text, check.errorText]).toEqual([0, "", ""]);
      const listed = JSON.parse(
        (await podman.succeed([...own.podman, "images", "--format", "json"])).text,
      ) as {
        Names: string[];
        Digest: string;
      }[];
      expect(listed.map(({ Names, Digest }) => [Names, Digest])).toEqual([
        [[NAME], printDigest(image.manifest.digest)],
      ]);
      const inspected = async (paths: StorePaths): Promise<unknown> => {
        const { text } = await podman.succeed([...paths.podman, "image", "inspect", NAME]);
        return { ...(JSON.parse(text) as object[])[0], GraphDriver: undefined };
      };
      expect(await inspected(own)).toEqual(await inspected(peer));
      const [ours, theirs] = [await mounted(own), new Set(await mounted(peer))];
      expect(ours.length).toBeGreaterThan(100);
      expect(ours.filter((line) => !theirs.has(line))).toEqual([]);
      expect(ours.length).toBe(theirs.size);
      const out = async (paths: StorePaths, name: string): Promise<string> => {
        const to = join(scratch.path, name);
        await skopeo.succeed(["--insecure-policy", "copy", "-q", paths.reference(NAME), `dir:${to}`], long);
        return readFileSync(join(to, "manifest.json"), "utf8");
      };
      expect(await out(own, "ours-out")).toBe(await out(peer, "theirs-out"));
    },
    1_200_000,
  );
});
