import { encodeContainer } from "../format/containers-json.ts";
import { digestsOf, encodeImage } from "../format/images-json.ts";
import { printJson } from "../format/json-text.ts";
import { encodeLayer, type LayerRecord } from "../format/layers-json.ts";
import { parseDigestOptional, printDigest } from "@bootc-store/core";
import type { ImageRecord } from "../format/images-json.ts";
import { equalDigests } from "@bootc-store/core";
import {
  ANY,
  type Call,
  type Command,
  findContainer,
  findImage,
  findLayer,
  JSON_FLAG,
  jsonMap,
  printRecords,
  QUIET,
} from "./command.ts";
import { UsageError } from "./arguments.ts";
import { layerTree } from "./layer-tree.ts";
import { diffSize } from "./sizes.ts";

async function printImages(call: Call, images: readonly ImageRecord[]): Promise<number> {
  if (call.flags.is("json")) {
    await printRecords(
      call,
      images.map((image) => printJson(encodeImage(image))),
      "null",
    );
    return 0;
  }
  for (const image of images) {
    const lines = [image.id];
    if (!call.flags.is("quiet")) {
      for (const name of image.names) lines.push(`\tname: ${name}`);
      for (const digest of digestsOf(image)) lines.push(`\tdigest: ${printDigest(digest)}`);
      for (const key of image.bigDataNames) lines.push(`\tdata: ${key}`);
    }
    await call.out(`${lines.join("\n")}\n`);
  }
  return 0;
}

export const images: Command = {
  names: ["images"],
  summary: "List images",
  usage: "",
  least: 0,
  most: 0,
  flags: [JSON_FLAG, QUIET],
  run: async (call) => await printImages(call, await call.store.images()),
};

export const imagesByDigest: Command = {
  names: ["images-by-digest", "imagesbydigest"],
  summary: "List images by digest",
  usage: "digest",
  least: 1,
  most: 1,
  flags: [JSON_FLAG, QUIET],
  async run(call) {
    const digest = parseDigestOptional(call.args[0] as string);
    if (digest === undefined) throw new UsageError("invalid checksum digest format", 1);
    const all = await call.store.images();
    const found = all.filter((image) => digestsOf(image).some((each) => equalDigests(each, digest)));
    return await printImages(call, found);
  },
};

export const layers: Command = {
  names: ["layers"],
  summary: "List layers",
  usage: "",
  least: 0,
  most: 0,
  flags: [JSON_FLAG, QUIET, { names: ["tree", "t"] }],
  async run(call) {
    const all = await call.store.layers();
    if (call.flags.is("json")) {
      await printRecords(
        call,
        all.map((layer) => printJson(encodeLayer(layer))),
        "null",
      );
      return 0;
    }
    const allImages = await call.store.images();
    const containers = await call.store.containers();
    if (call.flags.is("tree")) {
      for (const line of layerTree(all, allImages, containers)) await call.out(`${line}\n`);
      return 0;
    }
    for (const layer of all) {
      const lines = [layer.id];
      if (!call.flags.is("quiet")) {
        for (const name of layer.names) lines.push(`\tname: ${name}`);
        for (const container of containers.filter((each) => each.layer === layer.id)) {
          lines.push(`\tcontainer: ${container.id}`, ...container.names.map((name) => `\t\tname: ${name}`));
        }
        for (const image of allImages.filter((each) => each.layer === layer.id)) {
          lines.push(`\timage: ${image.id}`, ...image.names.map((name) => `\t\tname: ${name}`));
        }
      }
      await call.out(`${lines.join("\n")}\n`);
    }
    return 0;
  },
};

export const containers: Command = {
  names: ["containers"],
  summary: "List containers",
  usage: "",
  least: 0,
  most: 0,
  flags: [JSON_FLAG, QUIET],
  async run(call) {
    const all = await call.store.containers();
    if (call.flags.is("json")) {
      await printRecords(
        call,
        all.map((container) => printJson(encodeContainer(container))),
      );
      return 0;
    }
    for (const { id, names, bigDataNames } of all) {
      const more = call.flags.is("quiet")
        ? []
        : [...names.map((name) => `\tname: ${name}`), ...bigDataNames.map((key) => `\tdata: ${key}`)];
      await call.out(`${[id, ...more].join("\n")}\n`);
    }
    return 0;
  },
};

export const image: Command = {
  names: ["image"],
  summary: "Examine an image",
  usage: "imageNameOrID [...]",
  least: 1,
  most: ANY,
  flags: [JSON_FLAG],
  async run(call) {
    const found: ImageRecord[] = [];
    for (const argument of call.args) {
      const record = await findImage(call, argument);
      if (record !== undefined) found.push(record);
    }
    if (call.flags.is("json"))
      await printRecords(
        call,
        found.map((each) => printJson(encodeImage(each))),
      );
    else for (const each of found) await call.out(await describeImage(call, each));
    return found.length === call.args.length ? 0 : 1;
  },
};

async function describeImage({ store }: Call, record: ImageRecord): Promise<string> {
  const lines = [`ID: ${record.id}`, ...record.names.map((name) => `Name: ${name}`)];
  lines.push(`Top Layer: ${record.layer ?? ""}`);
  for (const digest of digestsOf(record)) lines.push(`Digest: ${printDigest(digest)}`);
  for (const key of record.bigDataNames) lines.push(`Data: ${key}`);
  let size = 0;
  for (const each of record.bigDataSizes.values()) size += each;
  for (const { root, record: layer } of await store.chain(record.layer)) {
    size +=
      layer.diffDigest === undefined || (layer.diffSize ?? 0) < 0
        ? diffSize(root, layer.id)
        : (layer.diffSize ?? 0);
  }
  return `${[...lines, `Size: ${size}`].join("\n")}\n`;
}

export const layer: Command = {
  names: ["layer"],
  summary: "Examine a layer",
  usage: "layerNameOrID [...]",
  least: 1,
  most: ANY,
  flags: [JSON_FLAG],
  async run(call) {
    const found: LayerRecord[] = [];
    for (const argument of call.args) {
      const record = await findLayer(call, argument);
      if (record !== undefined) found.push(record);
    }
    if (call.flags.is("json"))
      await printRecords(
        call,
        found.map((each) => printJson(encodeLayer(each))),
      );
    for (const { id, parent, names } of call.flags.is("json") ? [] : found) {
      const lines = [`ID: ${id}`, ...(parent === undefined ? [] : [`Parent: ${parent}`])];
      await call.out(`${[...lines, ...names.map((name) => `Name: ${name}`)].join("\n")}\n`);
    }
    return found.length === call.args.length ? 0 : 1;
  },
};

export const container: Command = {
  names: ["container"],
  summary: "Examine a container",
  usage: "containerNameOrID [...]",
  least: 1,
  most: ANY,
  flags: [JSON_FLAG],
  async run(call) {
    const found = [];
    for (const argument of call.args) {
      const record = await findContainer(call, argument);
      if (record !== undefined) found.push(record);
    }
    if (call.flags.is("json"))
      await printRecords(
        call,
        found.map((each) => printJson(encodeContainer(each))),
      );
    for (const each of call.flags.is("json") ? [] : found) {
      const of = await findImage(call, each.image);
      const lines = [`ID: ${each.id}`, ...each.names.map((name) => `Name: ${name}`), `Image: ${each.image}`];
      for (const name of of?.names ?? []) lines.push(`Image name: ${name}`);
      lines.push(`Size: ${diffSize(call.store.primary, each.layer)}`, `Layer: ${each.layer}`);
      for (const key of each.bigDataNames) lines.push(`Data: ${key}`);
      await call.out(`${lines.join("\n")}\n`);
    }
    return found.length === call.args.length ? 0 : 1;
  },
};

export const exists: Command = {
  names: ["exists"],
  summary: "Check if a layer or image or container exists",
  usage: "LayerOrImageOrContainerNameOrID [...]",
  least: 1,
  most: ANY,
  flags: [
    JSON_FLAG,
    QUIET,
    { names: ["layer", "l"] },
    { names: ["image", "i"] },
    { names: ["container", "c"] },
  ],
  async run(call) {
    const kinds = { layer: findLayer, image: findImage, container: findContainer } as const;
    const wanted = (Object.keys(kinds) as (keyof typeof kinds)[]).filter((kind) => call.flags.is(kind));
    const results: { [key: string]: boolean } = {};
    let missing = false;
    for (const argument of call.args) {
      // What is said is whether there is anything of this name; the exit code is about the kind that was asked for.
      const found = new Set<string>();
      for (const [kind, find] of Object.entries(kinds)) {
        if ((await find(call, argument)) !== undefined) found.add(kind);
      }
      results[argument] = found.size > 0;
      if (found.size === 0 || wanted.some((kind) => !found.has(kind))) missing = true;
    }
    if (call.flags.is("json")) await call.out(`${jsonMap(results)}\n`);
    else if (!call.flags.is("quiet")) {
      for (const [name, is] of Object.entries(results)) await call.out(`${name}: ${is}\n`);
    }
    return missing ? 1 : 0;
  },
};
