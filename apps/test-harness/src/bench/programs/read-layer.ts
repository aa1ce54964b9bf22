// Ours for "read a layer": every byte of an image's layers checked against blob digest and diff id, and its names.
import { utf8 } from "@bootc-store/core";
import { Dir } from "@bootc-store/linux";
import { openImageSource, parseImageReference, readImage, TarParser } from "@bootc-store/oci";

const [reference] = process.argv.slice(2);
if (reference === undefined) throw new Error("usage: read-layer.ts REFERENCE");
using root = Dir.openHost(utf8("/"));
await using image = await readImage(
  await openImageSource(parseImageReference(reference), { host: { root } }),
);
for (let index = 0; index < image.layers.length; index++) {
  const layer = await image.openLayer(index);
  let names: string[] = [];
  const flush = (): void => {
    process.stdout.write(names.join(""), "latin1");
    names = [];
  };
  const parser = new TarParser({
    entry({ name }) {
      names.push(name, "\n");
      if (names.length >= 2000) flush();
    },
    inline() {},
    data() {},
    entryEnd() {},
  });
  for await (const chunk of layer.tar({ reuse: true })) parser.push(chunk);
  parser.end();
  flush();
}
