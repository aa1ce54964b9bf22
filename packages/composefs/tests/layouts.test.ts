// Layouts pulled into repositories: the ids are those that cfsctl recorded, and cfsctl takes the repository for its own.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { type Image } from "@bootc-store/backend";
import { utf8 } from "@bootc-store/core";
import { openLab } from "@bootc-store/lab";
import { Dir } from "@bootc-store/linux";
import { openImageSource, parseImageReference, readImage } from "@bootc-store/oci";
import { afterAll, describe, expect, test } from "vitest";

import { type ComposefsAlgorithm, type ErofsVersion, Repository } from "../src/index.ts";
import { writeImage } from "../src/oci/image.ts";
import { streamId } from "../src/streams/store.ts";

const FIXTURES = join(import.meta.dirname, "../../../../shared/fixtures/composefs-repo");

const lab = openLab();
afterAll(() => lab.close());

interface Row {
  readonly [column: string]: string;
}

function table(name: string): Row[] {
  const [head = "", ...lines] = readFileSync(join(FIXTURES, name), "utf8").trimEnd().split("\n");
  const columns = head.split("\t");
  return lines.map((line) =>
    Object.fromEntries(line.split("\t").map((value, index) => [columns[index] ?? "", value])),
  );
}

async function openLayout(reference: string): Promise<Image> {
  const root = Dir.openHost(utf8("/"));
  const source = await openImageSource(parseImageReference(reference), { host: { root } });
  const image = await readImage(source);
  return {
    manifest: image.manifest,
    config: image.config,
    layers: image.layers.map(({ diffId, blob }) => ({ diffId, blob })),
    openLayer: async (index, options) => {
      const layer = await image.openLayer(index, options);
      return { diffId: layer.diffId, segments: (more) => layer.segments(more) };
    },
    async [Symbol.asyncDispose]() {
      await image[Symbol.asyncDispose]();
      root[Symbol.dispose]();
    },
  };
}

describe.skipIf(!existsSync(FIXTURES))("layouts of the recordings (needs ../shared)", () => {
  const ids = existsSync(FIXTURES) ? table("ids.tsv") : [];
  const streams = existsSync(FIXTURES) ? table("streams.tsv") : [];
  const images = [...new Set(ids.map((row) => `${row["layout"]}:${row["tag"]}`))];

  describe.each([
    ["sha512", 1],
    ["sha512", 2],
    ["sha256", 1],
    ["sha256", 2],
  ] as [ComposefsAlgorithm, ErofsVersion][])("%s, V%i", (algorithm, erofs) => {
    test.each(images)("%s", async (name) => {
      await using scratch = lab.scratch();
      using dir = Dir.openHost(utf8(scratch.path));
      const { repository } = await Repository.init(dir, { algorithm, erofs, sync: "none" });
      await using _ = repository;
      const expected = ids.filter(
        (row) =>
          `${row["layout"]}:${row["tag"]}` === name &&
          row["algorithm"] === algorithm &&
          row["erofs_version"] === String(erofs),
      );
      const bootRows = expected.filter((row) => row["bootable"] === "1");
      const bootable = bootRows.some((row) => !row["image_id"]?.startsWith("ERROR"));
      await using image = await openLayout(`oci:${join(FIXTURES, "layouts", name.replace(/:-$/, ""))}`);
      if (bootRows.length > 0 && !bootable) {
        await expect(writeImage(repository, image, { bootable: true })).rejects.toMatchObject({
          code: "composefs/tree-unsuitable",
        });
      }
      const written = await writeImage(repository, image, { bootable, names: ["t"] });
      for (const row of expected) {
        if (row["xattrs"] !== "allowlist-only" || (row["image_id"] ?? "ERROR").startsWith("ERROR")) continue;
        const found =
          row["bootable"] === "1" ? written.erofs.boot.get(erofs) : written.erofs.plain.get(erofs);
        expect(found).toBe(row["image_id"]);
      }
      for (const { diffId } of image.layers) {
        const stream = `oci-layer-${diffId.algorithm}:${diffId.hex}`;
        const recorded = streams.find(
          (row) => row["repo"] === `${algorithm}-v${erofs}` && row["stream_name"] === stream,
        );
        if (recorded !== undefined) expect(streamId(repository, stream)).toBe(recorded["splitstream_id"]);
      }
      if (lab.peers.cfsctl.available) {
        // cfsctl takes documents of Docker's types for damage in `oci fsck`, its own as well.
        for (const command of name.startsWith("docker") ? [["fsck"]] : [["fsck"], ["oci", "fsck"]]) {
          const said = await lab.peers.cfsctl.run(["--repo", scratch.path, ...command]);
          expect(said.text + said.errorText).toContain("status: ok");
          expect(said.code).toBe(0);
        }
      }
    });
  });
});
