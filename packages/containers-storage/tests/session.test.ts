/* oxlint-disable typescript/await-thenable -- the linter does not know of async disposal in test files */
// Operations of skopeo, podman and buildah on one store, from a seed: ours then reads every image and gives back
// every layer with its exact diff id. `BOOTC_STORE_LONG=1`: four sessions of fifty.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { equalDigests, printDigest } from "@bootc-store/core";
import { openLab } from "@bootc-store/lab";
import { segmentBytes } from "@bootc-store/oci";
import { afterAll, describe, expect, test } from "vitest";

import type { ContainersStorage } from "../src/index.ts";
import { imageOfTars, sha256, writeLayout } from "./helpers/layout.ts";
import { openStore, pathsIn } from "./helpers/store.ts";
import { tar } from "./helpers/tar.ts";

const FIXTURE = fileURLToPath(new URL("fixtures/oci", import.meta.url));
const SESSIONS = process.env["BOOTC_STORE_LONG"] === "1" ? 4 : 1;
const OPERATIONS = process.env["BOOTC_STORE_LONG"] === "1" ? 50 : 12;

const lab = openLab({ visible: [fileURLToPath(new URL("fixtures", import.meta.url))] });
const missing = lab.missing({ root: true, peers: ["skopeo", "podman", "buildah", "containers-storage"] });
const { skopeo, podman, buildah, "containers-storage": cli } = lab.peers;
afterAll(() => lab.close());

describe.skipIf(missing !== undefined)(`sessions${missing === undefined ? "" : ` (${missing})`}`, () => {
  test.each(Array.from({ length: SESSIONS }, (_, at) => at + 1))(
    "what skopeo, podman and buildah wrote at random is read: seed %i",
    async (seed) => {
      await using scratch = lab.scratch();
      const paths = pathsIn(join(scratch.path, "store"));
      mkdirSync(paths.root, { recursive: true });
      const files = join(scratch.path, "files");
      mkdirSync(join(files, "deep/er"), { recursive: true });
      const layout = join(scratch.path, "layout");
      const base = tar([
        { name: "etc/", type: "5", mode: 0o755 },
        { name: "etc/motd", content: "hello\n" },
        { name: "bin/", type: "5", mode: 0o1777 },
        { name: "bin/su", content: "setuid", mode: 0o4755 },
      ]);
      // With its directory: a layer that has only what is in one is found modified by the real check, whoever wrote it.
      const top = tar([{ name: "etc/", type: "5", mode: 0o755 }, { name: "etc/.wh.motd" }]);
      await writeLayout(layout, imageOfTars([base, top]));

      let state = seed * 7919;
      const random = (below: number): number => {
        state = (state * 48271) % 2147483647;
        return state % below;
      };
      const names = new Set<string>();
      const name = (): string => `localhost/i${random(8)}:v1`;
      const known = (): string => [...names][random(names.size)] ?? "";
      const copy = (...args: string[]): Promise<unknown> =>
        skopeo.succeed(["--insecure-policy", "copy", "-q", ...args]);
      const bud = (...args: string[]): Promise<{ readonly text: string }> =>
        buildah.succeed([...paths.podman, ...args]);
      const pod = (...args: string[]): Promise<{ readonly text: string }> =>
        podman.succeed([...paths.podman, ...args]);
      let number = 0;
      const operations: readonly (() => Promise<unknown>)[] = [
        async () => {
          const to = name();
          await copy(random(2) === 0 ? `oci:${FIXTURE}:v1` : `oci:${layout}:v1`, paths.reference(to));
          names.add(to);
        },
        async () => {
          // Through an archive of docker's, so with a manifest of its second schema.
          const to = name();
          const archive = join(scratch.path, `archive${number++}.tar`);
          await copy(paths.reference(known()), `docker-archive:${archive}:${to}`);
          await pod("load", "-q", "-i", archive);
          names.add(to);
        },
        async () => {
          const to = name();
          const out = join(scratch.path, `out${number++}`);
          await copy(
            "--dest-compress-format",
            random(2) === 0 ? "zstd" : "gzip",
            paths.reference(known()),
            `oci:${out}:x`,
          );
          await copy(`oci:${out}:x`, paths.reference(to));
          names.add(to);
        },
        async () => {
          const to = name();
          writeFileSync(join(files, `file${random(4)}`), Buffer.alloc(random(200_000), random(256)));
          writeFileSync(join(files, "deep/er/tail"), String(number++));
          const container = (await bud("from", random(3) === 0 ? "scratch" : known())).text.trim();
          await bud("copy", "-q", container, files, `/srv/${random(3)}`);
          await bud("config", "--label", `n=${number}`, container);
          await bud("commit", "-q", ...(random(2) === 0 ? ["--squash"] : []), container, to);
          await bud("rm", container);
          names.add(to);
        },
        async () => {
          const to = name();
          const container = (await pod("create", "--entrypoint", "/x", known())).text.trim();
          await pod("commit", "-q", container, to);
          await pod("rm", container);
          names.add(to);
        },
        async () => {
          const to = name();
          const archive = join(scratch.path, `import${number}.tar`);
          writeFileSync(archive, tar([{ name: `imported${number++}`, content: "from a tar" }]));
          await pod("import", "-q", archive, to);
          names.add(to);
        },
        async () => {
          const to = name();
          await pod("tag", known(), to);
          names.add(to);
        },
        async () => {
          if (names.size < 5) return;
          const gone = known();
          await pod("untag", gone, gone);
          names.delete(gone);
        },
        async () => {
          if (names.size < 5) return;
          const gone = known();
          await pod("rmi", "-f", gone);
          names.delete(gone);
        },
        async () => await pod("image", "prune", "-f"),
        async () => {
          const mounted = known();
          await pod("image", "mount", mounted);
          await pod("image", "umount", mounted);
        },
      ];
      await operations[0]?.();
      for (let n = 1; n < OPERATIONS; n++) {
        await operations[random(operations.length)]?.();
        // Names move with what takes them: what is there is what podman says.
        const listed = JSON.parse((await pod("images", "--format", "json")).text) as { Names?: string[] }[];
        names.clear();
        for (const { Names = [] } of listed) for (const each of Names) names.add(each);
      }

      await using store = openStore(paths);
      const findings = await Array.fromAsync(store.verify());
      expect(findings.filter(({ severity }) => severity === "error")).toEqual([]);
      const check = await cli.run([...paths.cli, "check"]);
      expect([check.code, check.text, check.errorText]).toEqual([0, "", ""]);
      const listed = (await store.images()).flatMap((image) => image.names);
      expect(new Set(listed)).toEqual(names);
      const counted = await readAll(store);
      expect(counted.images).toBeGreaterThan(0);
      console.log(`seed ${seed}: ${counted.images} images, ${counted.layers} layers of them read`);
    },
    600_000,
  );
});

/** Reads every image to the last byte of its layers; the digests must be those that are recorded. */
async function readAll(store: ContainersStorage): Promise<{ images: number; layers: number }> {
  const counted = { images: 0, layers: 0 };
  for (const { id } of await store.images()) {
    await using image = await store.openImage(id);
    if (image === undefined) throw new Error(`image ${id} is not there`);
    expect(equalDigests(sha256(image.config.bytes), image.config.digest)).toBe(true);
    expect(equalDigests(sha256(image.manifest.bytes), image.manifest.digest)).toBe(true);
    for (const [at, { diffId }] of image.layers.entries()) {
      const parts: Uint8Array[] = [];
      for await (const bytes of segmentBytes((await image.openLayer(at)).segments())) parts.push(bytes);
      expect([id, at, printDigest(sha256(Buffer.concat(parts)))]).toEqual([id, at, printDigest(diffId)]);
      counted.layers++;
    }
    counted.images++;
  }
  return counted;
}
