import { createHash } from "node:crypto";
import { pipeline, Readable } from "node:stream";
import { createGzip } from "node:zlib";

import type { Layer } from "@bootc-store/backend";
import { digestFromHex } from "@bootc-store/core";
import { decompress, readSegments, segmentBytes, sniffCompression, writeTar } from "@bootc-store/oci";

import { fillLayer } from "../layer-fill.ts";
import type { LayerBlob } from "../layers-write.ts";
import { createLayerFromTar } from "../layer-import.ts";
import {
  type Compression,
  COMPRESSIONS,
  defined,
  encodeLayer,
  type LayerRecord,
} from "../format/layers-json.ts";
import { printJson } from "../format/json-text.ts";
import { contentsOf } from "../ports/content-source.ts";
import { openLayerRecord } from "../ports/layer-source.ts";
import { UsageError } from "./arguments.ts";
import { type Call, type Command, FILE, findLayer, ID, JSON_FLAG, NAMES } from "./command.ts";
import { readStream, writeOutput } from "./input.ts";
import { changesBetween, sizeOfChanges } from "./layer-changes.ts";
import { entriesOfChanges, entriesOfDiff } from "./layer-tar.ts";
import { diffSize } from "./sizes.ts";

export const diffSizeCommand: Command = {
  names: ["diffsize", "diff-size"],
  summary: "Compare two layers",
  usage: "[options [...]] layerNameOrID [referenceLayerNameOrID]",
  least: 1,
  most: 2,
  flags: [],
  async run(call) {
    const found = await findLayer(call, call.args[0] as string);
    if (found === undefined) throw new UsageError("layer not known", 1);
    const base = await referenceOf(call, found);
    const size =
      base === undefined
        ? diffSize(call.store.primary, found.id)
        : sizeOfChanges((await compareLayers(call, base, found)).changes);
    await call.out(`${size}\n`);
    return 0;
  },
};

export const diff: Command = {
  names: ["diff"],
  summary: "Compare two layers",
  usage: "[options [...]] layerNameOrID [referenceLayerNameOrID]",
  least: 1,
  most: 2,
  flags: [{ names: ["uncompressed", "u"] }, { names: ["gzip", "c"] }, FILE],
  async run(call) {
    const { flags } = call;
    const found = await findLayer(call, call.args[0] as string);
    if (found === undefined) throw new UsageError("layer not known", 1);
    const base = await referenceOf(call, found);
    const recorded = found.compression ?? 0;
    const zip = flags.is("gzip") || (!flags.is("uncompressed") && recorded === COMPRESSIONS.gzip);
    if (!zip && !flags.is("uncompressed") && recorded !== COMPRESSIONS.none) {
      throw new UsageError("the layer's compression is not supported; ask for -u or -c", 1);
    }
    const tar = await tarOf(call, found, base);
    const file = flags.value("file");
    if (!zip) {
      await writeOutput(call, file, tar);
      return 0;
    }
    const gzip = createGzip();
    pipeline(Readable.from(tar), gzip, () => {});
    await writeOutput(call, file, gzip as AsyncIterable<Uint8Array>);
    return 0;
  },
};

/** The other layer of a comparison, unless it is the layer's own parent; one that nothing is called is passed over. */
async function referenceOf(call: Call, { parent }: LayerRecord): Promise<LayerRecord | undefined> {
  const [, reference] = call.args;
  const found = reference === undefined ? undefined : await findLayer(call, reference);
  return found === undefined || found.id === parent ? undefined : found;
}

async function compareLayers(call: Call, base: LayerRecord, layer: LayerRecord) {
  const { signal } = call.context;
  const before = await call.store.readTree(base.id, { signal });
  const { tree, contents } = await call.store.readTree(layer.id, { signal });
  return { changes: changesBetween(before.tree, tree), contents };
}

/** A layer's exact tar where there is one, else one of what is in its directory, or of what another layer has not. */
async function tarOf(
  call: Call,
  layer: LayerRecord,
  base: LayerRecord | undefined,
): Promise<AsyncIterable<Uint8Array>> {
  const { signal } = call.context;
  const { primary } = call.store;
  if (base !== undefined) {
    const { changes, contents } = await compareLayers(call, base, layer);
    return writeTar(entriesOfChanges(changes, contents));
  }
  if (layer.diffDigest !== undefined)
    return segmentBytes(openLayerRecord(primary, layer).segments({ signal }));
  const tree = await call.store.readLayerTree(layer.id, { signal });
  return writeTar(entriesOfDiff(tree, contentsOf([{ root: primary, record: layer }])));
}

/** The tar of a file or of standard input, and once it has been read what it came as. */
function inputLayer(call: Call): { readonly layer: Layer; readonly blob: () => LayerBlob } {
  const path = call.flags.value("file");
  const hash = createHash("sha256");
  let size = 0;
  let compression: Compression = "none";
  async function* counted(): AsyncGenerator<Uint8Array> {
    for await (const bytes of readStream(call, path)) {
      if (size === 0 && bytes.length >= 6) compression = sniffCompression(bytes);
      hash.update(bytes);
      size += bytes.length;
      yield bytes;
    }
  }
  return {
    layer: {
      // The diff id is what the tar turns out to have.
      diffId: digestFromHex("sha256", "0".repeat(64)),
      segments: () => readSegments(decompress(counted())),
      once: true,
    },
    blob: () => ({ digest: digestFromHex("sha256", hash.copy().digest("hex")), size, compression }),
  };
}

export const applyDiff: Command = {
  names: ["apply-diff", "applydiff"],
  summary: "Apply a diff to a layer",
  usage: "layerNameOrID [referenceLayerNameOrID]",
  least: 1,
  most: 1,
  flags: [FILE],
  async run(call) {
    const found = await findLayer(call, call.args[0] as string);
    if (found === undefined) throw new UsageError("layer not known", 1);
    const { layer, blob } = inputLayer(call);
    const { signal } = call.context;
    await fillLayer(call.store.primary, found.id, layer, { pool: call.context.pool(), blob, signal });
    return 0;
  },
};

export const importLayer: Command = {
  names: ["import-layer", "importlayer"],
  summary: "Import a new layer",
  usage: "[parentLayerNameOrID]",
  least: 0,
  most: 1,
  flags: [NAMES, ID, FILE, JSON_FLAG, { names: ["readonly", "r"] }],
  async run(call) {
    const [reference] = call.args;
    const parent = reference === undefined ? undefined : await findLayer(call, reference);
    if (reference !== undefined && parent === undefined) throw new UsageError("layer not known", 1);
    const names = call.flags.all("name");
    const { layer, blob } = inputLayer(call);
    const record = await createLayerFromTar(call.store.primary, layer, {
      pool: call.context.pool(),
      blob,
      names,
      ...defined({ id: call.flags.value("id"), parent: parent?.id, signal: call.context.signal }),
    });
    if (call.flags.is("json")) await call.out(`${printJson(encodeLayer(record))}\n`);
    else await call.out(`${[record.id, ...names.map((name) => `\t${name}`)].join("\n")}\n`);
    return 0;
  },
};
