import { createContainer, deleteContainer as removeContainer } from "../containers.ts";
import { removeUnchecked } from "../delete.ts";
import { encodeContainer } from "../format/containers-json.ts";
import { printJson } from "../format/json-text.ts";
import { defined } from "../format/layers-json.ts";
import { UsageError } from "./arguments.ts";
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
  NAMES,
} from "./command.ts";
import { readInput } from "./input.ts";

export const createContainerCommand: Command = {
  names: ["create-container", "createcontainer"],
  summary: "Create a new container from an image",
  usage: "parentImageNameOrID",
  least: 1,
  most: 1,
  flags: [
    NAMES,
    ID,
    JSON_FLAG,
    { names: ["metadata", "m"], takes: "value" },
    { names: ["metadata-file", "f"], takes: "value" },
    { names: ["volatile"] },
  ],
  async run(call) {
    const [reference] = call.args as [string];
    // An empty reference is a container of no image.
    const image = reference === "" ? undefined : await findImage(call, reference);
    if (reference !== "" && image === undefined)
      throw new UsageError(`locating image with ID "${reference}": image not known`, 1);
    const file = call.flags.value("metadata-file");
    const metadata =
      file === undefined ? call.flags.value("metadata") : (await readInput(call, file)).toString("utf8");
    const names = call.flags.all("name");
    const record = await createContainer(call.store.primary, {
      names,
      volatile: call.flags.is("volatile"),
      ...defined({
        image: image?.id,
        id: call.flags.value("id"),
        metadata,
        signal: call.context.signal,
      }),
    });
    if (call.flags.is("json")) await call.out(`${printJson(encodeContainer(record))}\n`);
    else await call.out(`${[record.id, ...names.map((name) => `\t${name}`)].join("\n")}\n`);
    return 0;
  },
};

export const deleteContainerCommand: Command = {
  names: ["delete-container", "deletecontainer"],
  summary: "Delete a container, with safety checks",
  usage: "[ContainerNameOrID [...]]",
  least: 1,
  most: ANY,
  flags: [JSON_FLAG],
  run: async (call) =>
    await forEachArgument(call, async (reference) => {
      const found = await findContainer(call, reference);
      if (found === undefined) throw new UsageError("identifier is not a container", 1);
      await removeContainer(call.store.primary, found.id, call.context.signal);
      return "";
    }),
};

export const deleteAny: Command = {
  names: ["delete"],
  summary: "Delete a layer or image or container, with no safety checks",
  usage: "[LayerOrImageOrContainerNameOrID [...]]",
  least: 1,
  most: ANY,
  flags: [JSON_FLAG],
  run: async (call) => await forEachArgument(call, async (reference) => await deleteOne(call, reference)),
};

async function deleteOne(call: Call, reference: string): Promise<string> {
  const { primary } = call.store;
  const { signal } = call.context;
  const container = await findContainer(call, reference);
  if (container !== undefined) await removeContainer(primary, container.id, signal);
  else {
    const image = await findImage(call, reference);
    const layer = image === undefined ? await findLayer(call, reference) : undefined;
    if (image === undefined && layer === undefined) throw new UsageError("layer not known", 1);
    await removeUnchecked(primary, { ...defined({ image: image?.id, layer: layer?.id }) }, signal);
  }
  return "";
}
