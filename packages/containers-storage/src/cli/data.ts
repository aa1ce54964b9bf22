import { printDigest } from "@bootc-store/core";

import { readBigData } from "../big-data.ts";
import type { BigData } from "../format/images-json.ts";
import { UsageError } from "./arguments.ts";
import { writeOutput } from "./input.ts";
import { type Call, type Command, FILE, findContainer, findImage, findLayer, JSON_FLAG } from "./command.ts";

type Found = BigData & { readonly id: string };

interface Kind {
  readonly word: "image" | "container";
  readonly part: "images" | "containers";
  readonly find: (call: Call, reference: string) => Promise<Found | undefined>;
}

const IMAGE: Kind = { word: "image", part: "images", find: findImage };
const CONTAINER: Kind = { word: "container", part: "containers", find: findContainer };

function list({ word, find }: Kind): Command {
  return {
    names: [`list-${word}-data`, `list${word}data`],
    summary: `List data items that are attached to an ${word}`,
    usage: `${word}NameOrID`,
    least: 1,
    most: 1,
    flags: [JSON_FLAG],
    async run(call) {
      const found = await find(call, call.args[0] as string);
      if (found === undefined) throw new UsageError(`${word} not known`, 1);
      const names = found.bigDataNames;
      if (call.flags.is("json")) await call.out(`${names.length === 0 ? "null" : JSON.stringify(names)}\n`);
      else for (const name of names) await call.out(`${name}\n`);
      return 0;
    },
  };
}

function item(
  { word, find }: Kind,
  suffix: string,
  summary: string,
  flags: Command["flags"],
  show: (call: Call, found: Found, key: string) => Promise<void>,
): Command {
  return {
    names: [`get-${word}-data${suffix}`, `get${word}data${suffix.replace("-", "")}`],
    summary,
    usage: `${word}NameOrID dataName`,
    least: 2,
    most: 2,
    flags,
    async run(call) {
      const [reference, key] = call.args as [string, string];
      const found = await find(call, reference);
      if (found === undefined) throw new UsageError(`${word} not known`, 1);
      if (!found.bigDataNames.includes(key)) {
        throw new UsageError(
          `locating item named "${key}" for ${word} with ID "${found.id}" (consider removing the ${word} to resolve the issue): file does not exist`,
          1,
        );
      }
      await show(call, found, key);
      return 0;
    },
  };
}

function commandsOf(kind: Kind): Command[] {
  const { word, part } = kind;
  return [
    list(kind),
    item(kind, "", `Get data that is attached to an ${word}`, [FILE], async (call, { id }, key) => {
      const bytes = readBigData(call.store.primary.places, part, id, key);
      await writeOutput(call, call.flags.value("file"), [bytes]);
    }),
    item(kind, "-size", `Get size of data that is attached to an ${word}`, [], async (call, found, key) => {
      await call.out(`${found.bigDataSizes.get(key) ?? -1}\n`);
    }),
    item(
      kind,
      "-digest",
      `Get digest of data that is attached to an ${word}`,
      [],
      async (call, found, key) => {
        const digest = found.bigDataDigests.get(key);
        await call.out(`${digest === undefined ? "" : printDigest(digest)}\n`);
      },
    ),
  ];
}

const listLayerData: Command = {
  names: ["list-layer-data", "listlayerdata"],
  summary: "List data items that are attached to a layer",
  usage: "layerNameOrID",
  least: 1,
  most: 1,
  flags: [JSON_FLAG],
  async run(call) {
    const found = await findLayer(call, call.args[0] as string);
    if (found === undefined) throw new UsageError("layer not known", 1);
    const names = found.bigDataNames;
    if (call.flags.is("json")) await call.out(`${names.length === 0 ? "null" : JSON.stringify(names)}\n`);
    else for (const name of names) await call.out(`${name}\n`);
    return 0;
  },
};

export const dataCommands: readonly Command[] = [
  ...commandsOf(IMAGE),
  ...commandsOf(CONTAINER),
  listLayerData,
];
