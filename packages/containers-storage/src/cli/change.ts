import { createImage } from "../image-create.ts";
import { encodeImage } from "../format/images-json.ts";
import { printJson } from "../format/json-text.ts";
import { encodeLayer } from "../format/layers-json.ts";
import { createLayer } from "../layer-create.ts";
import { changeContainerNames, changeLayerNames, changeNames, type NamesChange } from "../names.ts";
import { setContainerMetadata, setLayerMetadata, setMetadata } from "../record-changes.ts";
import { deleteImages, deleteLayer as removeLayer } from "../delete.ts";
import { parseDigestOptional } from "@bootc-store/core";
import { defined } from "../format/layers-json.ts";
import {
  ANY,
  type Call,
  type Command,
  findContainer,
  findImage,
  findLayer,
  forEachArgument,
  ID,
  JSON_FLAG,
  jsonMap,
  NAMES,
} from "./command.ts";
import { UsageError } from "./arguments.ts";
import { readInput } from "./input.ts";

interface Named {
  readonly kind: "layer" | "image" | "container";
  readonly id: string;
  readonly names: readonly string[];
}

/** A layer, image or container, looked for in this order. */
async function findAny(call: Call, reference: string, otherwise = "layer not known"): Promise<Named> {
  const layer = await findLayer(call, reference);
  if (layer !== undefined) return { kind: "layer", ...layer };
  const image = await findImage(call, reference);
  if (image !== undefined) return { kind: "image", ...image };
  const container = await findContainer(call, reference);
  if (container !== undefined) return { kind: "container", ...container };
  throw new UsageError(otherwise, 1);
}

function namesCommand(
  names: readonly string[],
  summary: string,
  change: (names: readonly string[]) => NamesChange,
): Command {
  return {
    names,
    summary,
    usage: "imageOrContainerNameOrID",
    least: 1,
    most: 1,
    flags: [NAMES, JSON_FLAG],
    async run(call) {
      const [reference] = call.args as [string];
      const wanted = change(call.flags.all("name"));
      const { primary } = call.store;
      const { signal } = call.context;
      const { kind, id } = await findAny(call, reference);
      const changeOf = { image: changeNames, layer: changeLayerNames, container: changeContainerNames }[kind];
      const now = await changeOf(primary, id, wanted, signal);
      if (call.flags.is("json")) await call.out(`${now.length === 0 ? "null" : JSON.stringify(now)}\n`);
      return 0;
    },
  };
}

export const addNames = namesCommand(
  ["add-names", "addnames"],
  "Add layer, image, or container name or names",
  (add) => ({ add }),
);
export const setNames = namesCommand(
  ["set-names", "setnames"],
  "Set layer, image, or container name or names",
  (set) => ({ set }),
);
export const removeNames = namesCommand(
  ["remove-names", "removenames"],
  "Remove layer, image, or container name or names",
  (remove) => ({ remove }),
);

export const getNames: Command = {
  names: ["get-names", "getnames"],
  summary: "Get layer, image, or container name or names",
  usage: "imageOrContainerNameOrID",
  least: 1,
  most: 1,
  flags: [JSON_FLAG],
  async run(call) {
    const [reference] = call.args as [string];
    const found = await findAny(call, reference);
    if (call.flags.is("json")) await call.out(`${JSON.stringify(found.names)}\n`);
    else for (const name of found.names) await call.out(`${name}\n`);
    return 0;
  },
};

export const createLayerCommand: Command = {
  names: ["create-layer", "createlayer"],
  summary: "Create a new layer",
  usage: "[parentLayerNameOrID]",
  least: 0,
  most: 1,
  flags: [NAMES, ID, JSON_FLAG, { names: ["readonly", "r"] }],
  async run(call) {
    const [reference] = call.args;
    const parent = reference === undefined ? undefined : await findLayer(call, reference);
    if (reference !== undefined && parent === undefined) throw new UsageError("layer not known", 1);
    const names = call.flags.all("name");
    const record = await createLayer(call.store.primary, {
      names,
      ...defined({ id: call.flags.value("id"), parent: parent?.id, signal: call.context.signal }),
    });
    if (call.flags.is("json")) await call.out(`${printJson(encodeLayer(record))}\n`);
    else await call.out(`${[record.id, ...names.map((name) => `\t${name}`)].join("\n")}\n`);
    return 0;
  },
};

export const createImageCommand: Command = {
  names: ["create-image", "createimage"],
  summary: "Create a new image using layers",
  usage: "[topLayerNameOrID]",
  least: 0,
  most: 1,
  flags: [
    NAMES,
    ID,
    JSON_FLAG,
    { names: ["digest", "d"], takes: "value" },
    { names: ["metadata", "m"], takes: "value" },
    { names: ["metadata-file", "f"], takes: "value" },
  ],
  async run(call) {
    const [reference] = call.args;
    const top = reference === undefined ? undefined : await findLayer(call, reference);
    if (reference !== undefined && top === undefined) throw new UsageError("layer not known", 1);
    const said = call.flags.value("digest");
    const digest = said === undefined ? undefined : parseDigestOptional(said);
    if (said !== undefined && digest === undefined) throw new UsageError("invalid checksum digest format", 1);
    const file = call.flags.value("metadata-file");
    const metadata =
      file === undefined ? call.flags.value("metadata") : (await readInput(call, file)).toString("utf8");
    const names = call.flags.all("name");
    const record = await createImage(call.store.primary, {
      names,
      ...defined({
        id: call.flags.value("id"),
        layer: top?.id,
        digest,
        metadata,
        signal: call.context.signal,
      }),
    });
    if (call.flags.is("json")) await call.out(`${printJson(encodeImage(record))}\n`);
    else await call.out(`${[record.id, ...names.map((name) => `\t${name}`)].join("\n")}\n`);
    return 0;
  },
};

export const deleteLayer: Command = {
  names: ["delete-layer", "deletelayer"],
  summary: "Delete a layer, with safety checks",
  usage: "[LayerNameOrID [...]]",
  least: 1,
  most: ANY,
  flags: [JSON_FLAG],
  run: async (call) =>
    await forEachArgument(call, async (reference) => await deleteOneLayer(call, reference)),
};

async function deleteOneLayer(call: Call, reference: string): Promise<object> {
  const found = await findLayer(call, reference);
  if (found === undefined) throw new UsageError("identifier is not a layer", 1);
  await removeLayer(call.store.primary, found.id, call.context.signal);
  return {};
}

export const deleteImage: Command = {
  names: ["delete-image", "deleteimage"],
  summary: "Delete an image, with safety checks",
  usage: "[ImageNameOrID [...]]",
  least: 1,
  most: ANY,
  flags: [JSON_FLAG, { names: ["test", "t"] }],
  run: async (call) =>
    await forEachArgument(call, async (reference) => {
      const found = await findImage(call, reference);
      if (found === undefined) throw new UsageError("identifier is not an image", 1);
      const deleted = await deleteImages(
        call.store.primary,
        ({ images }) => images.records.filter(({ id }) => id === found.id),
        call.context.signal,
        { test: call.flags.is("test") },
      );
      const gone = deleted.flatMap((each) => each.layers);
      if (!call.flags.is("json")) for (const id of gone) await call.err(`${reference}: ${id}\n`);
      return gone.length === 0 ? {} : { "deleted-layers": gone };
    }),
};

export const metadata: Command = {
  names: ["metadata"],
  summary: "Retrieve layer, image, or container metadata",
  usage: "[LayerOrImageOrContainerNameOrID [...]]",
  least: 1,
  most: ANY,
  flags: [JSON_FLAG, { names: ["quiet", "q"] }],
  async run(call) {
    const found: { [key: string]: string } = {};
    let missing = false;
    for (const reference of call.args) {
      const containers = await call.store.containers();
      const record =
        (await findImage(call, reference)) ??
        (await findLayer(call, reference)) ??
        containers.find(({ id, names }) => id === reference || names.includes(reference));
      if (record === undefined) missing = true;
      found[reference] = record?.metadata ?? "";
    }
    if (call.flags.is("json")) await call.out(`${jsonMap(found)}\n`);
    else {
      for (const [name, text] of Object.entries(found)) {
        await call.out(call.flags.is("quiet") ? `${text}\n` : `${name}: ${text}\n`);
      }
    }
    return missing ? 1 : 0;
  },
};

export const setMetadataCommand: Command = {
  names: ["set-metadata", "setmetadata"],
  summary: "Set layer, image, or container metadata",
  usage: "layerOrImageOrContainerNameOrID",
  least: 1,
  most: 1,
  flags: [
    { names: ["metadata", "m"], takes: "value" },
    { names: ["metadata-file", "f"], takes: "value" },
  ],
  async run(call) {
    const [reference] = call.args as [string];
    const file = call.flags.value("metadata-file");
    const text =
      file === undefined ? call.flags.value("metadata") : (await readInput(call, file)).toString("utf8");
    if (text === undefined) throw new UsageError("no new metadata provided", 1);
    const { kind, id } = await findAny(call, reference, "identifier is not a layer, image, or container");
    const setOf = { image: setMetadata, layer: setLayerMetadata, container: setContainerMetadata }[kind];
    await setOf(call.store.primary, id, text, call.context.signal);
    return 0;
  },
};
