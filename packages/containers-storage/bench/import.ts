/* oxlint-disable typescript/await-thenable -- the linter does not know of async disposal in files that are not built */
// An image of a layout into a graph root, as a process of its own: `node bench/import.ts LAYOUT ROOT RUN [WORKERS]`.

import { mkdirSync } from "node:fs";

import { utf8 } from "@bootc-store/core";
import { createPool, Dir } from "@bootc-store/linux";
import { openImageSource, readImage } from "@bootc-store/oci";

import { ContainersStorage } from "../src/index.ts";

const [layout, root, run, workers] = process.argv.slice(2);
if (layout === undefined || root === undefined || run === undefined)
  throw new Error("LAYOUT ROOT RUN [WORKERS]");
for (const path of [root, run]) mkdirSync(path, { recursive: true, mode: 0o700 });
using host = Dir.openHost(utf8("/"));
await using pool = createPool(workers === undefined ? {} : { size: Number(workers) });
await using image = await readImage(
  await openImageSource({ transport: "oci", path: layout }, { host: { root: host } }),
);
const { store } = ContainersStorage.ensure({
  graphRoot: Dir.openHost(utf8(root)),
  runRoot: Dir.openHost(utf8(run)),
  pool,
});
await using _store = store;
const started = performance.now();
const written = await store.writeImage(image, { names: ["localhost/os:v1"] });
console.log(
  written.id,
  `${Math.round(performance.now() - started)} ms`,
  `${Math.round(process.resourceUsage().maxRSS / 1024)} MB`,
);
