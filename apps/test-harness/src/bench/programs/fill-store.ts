// Ours for "an image into a graph root": fill-store.ts REFERENCE GRAPHROOT RUNROOT NAME.
import { mkdirSync } from "node:fs";
import { ContainersStorage } from "@bootc-store/containers-storage";
import { utf8 } from "@bootc-store/core";
import { createPool, Dir } from "@bootc-store/linux";
import { openImageSource, parseImageReference, readImage } from "@bootc-store/oci";

const [reference, graphRoot, runRoot, name] = process.argv.slice(2);
if (reference === undefined || graphRoot === undefined || runRoot === undefined || name === undefined)
  throw new Error("usage: fill-store.ts REFERENCE GRAPHROOT RUNROOT NAME");
for (const path of [graphRoot, runRoot]) mkdirSync(path, { recursive: true });
using root = Dir.openHost(utf8("/"));
await using pool = createPool();
const { store } = ContainersStorage.ensure({
  graphRoot: Dir.openHost(utf8(graphRoot)),
  runRoot: Dir.openHost(utf8(runRoot)),
  pool,
});
await using image = await readImage(
  await openImageSource(parseImageReference(reference), { host: { root } }),
);
await store.writeImage(image, { names: [name] });
await store[Symbol.asyncDispose]();
