import { printDigest, utf8 } from "@bootc-store/core";

import { readBigData } from "../big-data.ts";
import type { BigData } from "../format/images-json.ts";
import { setContainerItem, setImageItem, setLayerItem } from "../record-changes.ts";
import { UsageError } from "./arguments.ts";
import { readInput, writeOutput } from "./input.ts";
import { type Call, type Command, FILE, findContainer, findImage, findLayer, JSON_FLAG } from "./command.ts";

type Found = BigData & { readonly id: string };

interface Kind {
  readonly word: "image" | "container";
  readonly part: "images" | "containers";
  readonly find: (call: Call, reference: string) => Promise<Found | undefined>;
  readonly set: typeof setImageItem;
}

const IMAGE: Kind = { word: "image", part: "images", find: findImage, set: setImageItem };
const CONTAINER: Kind = { word: "container", part: "containers", find: findContainer, set: setContainerItem };

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

function setter(
  word: string,
  of: string,
  find: (call: Call, reference: string) => Promise<{ readonly id: string } | undefined>,
  set: typeof setImageItem,
): Command {
  return {
    names: [`set-${word}-data`, `set${word}data`],
    summary: `Set data that is attached to ${of} ${word}`,
    usage: `${word}NameOrID dataName`,
    least: 2,
    most: 2,
    flags: [FILE],
    async run(call) {
      const [reference, key] = call.args as [string, string];
      const found = await find(call, reference);
      if (found === undefined) throw new UsageError(`${word} not known`, 1);
      const bytes = await readInput(call, call.flags.value("file"));
      await set(call.store.primary, found.id, key, bytes, call.context.signal);
      return 0;
    },
  };
}

/** Where others may keep files of an image or container: made when it is asked for, as the program does. */
function directory({ word, part, find }: Kind, base: "graph" | "run"): Command {
  const infix = base === "run" ? "-run" : "";
  return {
    names: [`get-${word}${infix}-dir`, `get${word}${infix.slice(1)}dir`],
    summary: `Find the ${word}'s associated ${base === "run" ? "runtime" : "data"} directory`,
    usage: `${word}NameOrID`,
    least: 1,
    most: 1,
    flags: [],
    async run(call) {
      const found = await find(call, call.args[0] as string);
      if (found === undefined) throw new UsageError(`${word} not known`, 1);
      const { places } = call.store.primary;
      places.dir(part, base).ensureDir(utf8(`${found.id}/userdata`), { parents: true, mode: 0o700 });
      const root = base === "run" ? call.paths.runRoot : call.paths.graphRoot;
      await call.out(`${root}/${places.nameOf(part)}/${found.id}/userdata\n`);
      return 0;
    },
  };
}

function commandsOf(kind: Kind): Command[] {
  const { word, part } = kind;
  return [
    list(kind),
    setter(word, "an", kind.find, kind.set),
    directory(kind, "graph"),
    directory(kind, "run"),
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

const getLayerData: Command = {
  names: ["get-layer-data", "getlayerdata"],
  summary: "Get data that is attached to a layer",
  usage: "layerID dataName",
  least: 2,
  most: 2,
  flags: [FILE],
  async run(call) {
    const [reference, key] = call.args as [string, string];
    const found = await findLayer(call, reference);
    if (found === undefined) throw new UsageError("layer not known", 1);
    if (!found.bigDataNames.includes(key)) {
      const message = `locating item named "${key}" for layer with ID "${found.id}": file does not exist`;
      throw new UsageError(message, 1);
    }
    const bytes = readBigData(call.store.primary.places, "layers", found.id, key);
    await writeOutput(call, call.flags.value("file"), [bytes]);
    return 0;
  },
};

export const dataCommands: readonly Command[] = [
  ...commandsOf(IMAGE),
  ...commandsOf(CONTAINER),
  listLayerData,
  getLayerData,
  setter("layer", "a", findLayer, setLayerItem),
];
