import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { openLab } from "@bootc-store/lab";
import { contractScenarios, describeScenarios } from "@bootc-store/testkit";
import { afterAll } from "vitest";

import type { LayerRecord } from "../src/index.ts";
import { printImages } from "../src/format/images-json.ts";
import { parseLayers, printLayers } from "../src/format/layers-json.ts";
import { imageOfTars } from "./helpers/layout.ts";
import { describeTree, openStore, pathsIn } from "./helpers/store.ts";
import { tar } from "./helpers/tar.ts";

const lab = openLab();
afterAll(() => lab.close());

const base = tar([
  { name: "etc/", type: "5", mode: 0o755 },
  { name: "etc/one", content: "one\n" },
  { name: "etc/two", content: Buffer.alloc(70_000, 2) },
]);
const over = tar([{ name: "etc/.wh.one" }, { name: "etc/three", content: "three\n" }]);
const stray = tar([{ name: "stray", content: "nobody needs it\n" }]);

const scenarios = contractScenarios("containers-storage", { root: true }, async (t) => {
  const paths = pathsIn(t.scratch);
  const store = openStore(paths);
  let garbage: LayerRecord | undefined;
  const layersFile = join(paths.root, "overlay-layers/layers.json");
  return {
    backend: store,
    async fill() {
      await store.writeImage(imageOfTars([base, over]), { names: ["localhost/filled:v1"] });
    },
    async damage() {
      const layer = (await store.layers())[0] as LayerRecord;
      writeFileSync(join(paths.root, "overlay", layer.id, "diff/etc/two"), Buffer.alloc(70_000, 3));
      return [layer.id];
    },
    async leaveGarbage() {
      const image = imageOfTars([stray]);
      await store.writeLayer(await image.openLayer(0));
      // As if it had been written two days ago.
      const records = parseLayers(readFileSync(layersFile, "utf8"));
      const old = {
        ...(records.at(-1) as LayerRecord),
        created: new Date(Date.now() - 2 * 86_400_000).toISOString(),
      };
      writeFileSync(layersFile, printLayers([...records.slice(0, -1), old]));
      garbage = old;
    },
    async revive() {
      const images = await store.images();
      const first = images[0];
      if (first === undefined || garbage === undefined) throw new Error("nothing to revive");
      const revived = { ...first, id: "f".repeat(64), names: ["localhost/revived:v1"], layer: garbage.id };
      // Another program, which writes the token as it should.
      writeFileSync(
        join(paths.root, "overlay-images/images.lock"),
        createHash("sha512").update("another").digest(),
      );
      writeFileSync(
        join(paths.root, "overlay-images/images.json"),
        printImages([
          ...images,
          { ...revived, bigDataNames: [], bigDataSizes: new Map(), bigDataDigests: new Map() },
        ]),
      );
    },
    async fingerprint() {
      return createHash("sha256")
        .update([...describeTree(paths.root), ...describeTree(paths.run)].join("\n"))
        .digest("hex");
    },
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
    },
  };
});

describeScenarios("the contract", scenarios, {
  missing: (needs) => lab.missing({ root: needs.root === true }),
  async scratch() {
    return lab.scratch();
  },
});
