import { mountLayer, unmountLayer } from "../mounts.ts";
import { UsageError } from "./arguments.ts";
import {
  ANY,
  type Call,
  type Command,
  findContainer,
  findImage,
  findLayer,
  JSON_FLAG,
  messageOf,
} from "./command.ts";

export const mount: Command = {
  names: ["mount"],
  summary: "Mount a layer or container",
  usage: "LayerOrContainerNameOrID",
  least: 1,
  most: ANY,
  flags: [
    JSON_FLAG,
    { names: ["read-only", "ro", "r"] },
    { names: ["opt", "o"], takes: "value" },
    { names: ["label", "l"], takes: "value" },
  ],
  async run(call) {
    for (const flag of ["opt", "label"])
      if (call.flags.value(flag) !== undefined) throw new UsageError(`--${flag} is not supported`, 1);
    const readOnly = call.flags.is("read-only");
    const results = await each(call, "mounting", async (reference) => {
      const id = readOnly ? await imageLayer(call, reference) : await layerOf(call, reference);
      const { graphRoot } = call.paths;
      return await mountLayer(call.store.primary, id, { graphRoot, readOnly, signal: call.context.signal });
    });
    if (call.flags.is("json")) {
      const said = results.map(({ id, value, error }) => ({ id, mountpoint: value ?? "", error }));
      await call.out(`${JSON.stringify(said)}\n`);
    } else for (const { value } of results) await call.out(`${value ?? ""}\n`);
    return codeOf(results);
  },
};

export const unmount: Command = {
  names: ["unmount", "umount"],
  summary: "Unmount an image, layer or container",
  usage: "LayerOrContainerNameOrID",
  least: 1,
  most: ANY,
  flags: [JSON_FLAG, { names: ["force", "f"] }],
  async run(call) {
    const results = await each(call, "unmounting", async (reference) => {
      const image = await findImage(call, reference);
      const id = image?.layer ?? (await layerOf(call, reference));
      const force = call.flags.is("force");
      const gone = await unmountLayer(call.store.primary, id, { force, signal: call.context.signal });
      // Of an image the program never says so.
      if (gone && image === undefined) await call.out(`${reference} mountpoint unmounted\n`);
      return gone;
    });
    if (call.flags.is("json"))
      await call.out(`${JSON.stringify(results.map(({ id, error }) => ({ id, error })))}\n`);
    return codeOf(results);
  },
};

export const mountedCommand: Command = {
  names: ["mounted"],
  summary: "Check if a file system is mounted",
  usage: "LayerOrContainerNameOrID",
  least: 1,
  most: ANY,
  flags: [JSON_FLAG],
  async run(call) {
    const mounts = await call.store.primary.records.mountpoints();
    const results: Result<undefined>[] = [];
    for (const id of call.args) {
      try {
        const layer = await layerOf(call, id);
        if (mounts.some((each) => each.id === layer && each.count > 0)) await call.out(`${id} mounted\n`);
        results.push({ id, error: "" });
      } catch (error) {
        results.push({ id, error: messageOf(error) });
      }
    }
    if (call.flags.is("json")) {
      const said = results.map(({ id, error }) => ({ id, error }));
      await call.out(`${JSON.stringify(said)}\n`);
    } else {
      for (const { id, error } of results)
        if (error !== "") await call.err(`${error} checking if ${id} is mounted\n`);
    }
    return codeOf(results);
  },
};

export const shutdown: Command = {
  names: ["shutdown"],
  summary: "Shut down layer storage",
  usage: "",
  least: 0,
  most: 0,
  flags: [JSON_FLAG, { names: ["force", "f"] }],
  async run(call) {
    const { primary } = call.store;
    const mounts = (await primary.records.mountpoints()).filter(({ count }) => count > 0);
    if (call.flags.is("force")) {
      for (const { id } of mounts)
        await unmountLayer(primary, id, { force: true, signal: call.context.signal });
    }
    // Said also where it was unmounted, as the program does.
    if (mounts.length > 0) {
      if (call.flags.is("json")) await call.out("{}\n");
      else await call.err("shutdown: a layer is mounted: layer is in use by a container\n");
      return 1;
    }
    if (call.flags.is("json")) await call.out('""\n');
    return 0;
  },
};

interface Result<T> {
  readonly id: string;
  readonly value?: T;
  readonly error: string;
}

async function each<T>(
  call: Call,
  doing: string,
  work: (reference: string) => Promise<T>,
): Promise<Result<T>[]> {
  const results: Result<T>[] = [];
  for (const id of call.args) {
    try {
      results.push({ id, value: await work(id), error: "" });
    } catch (error) {
      if (call.context.signal.aborted) throw error;
      const message = `${messageOf(error)} while ${doing} ${id}`;
      results.push({ id, error: messageOf(error) });
      if (!call.flags.is("json")) await call.err(`${message}\n`);
    }
  }
  return results;
}

function codeOf(results: readonly Result<unknown>[]): number {
  return results.some(({ error }) => error !== "") ? 1 : 0;
}

async function layerOf(call: Call, reference: string): Promise<string> {
  const container = await findContainer(call, reference);
  const layer = container?.layer ?? (await findLayer(call, reference))?.id;
  if (layer === undefined) throw new UsageError("layer not known", 1);
  return layer;
}

async function imageLayer(call: Call, reference: string): Promise<string> {
  const image = await findImage(call, reference);
  if (image === undefined) throw new UsageError(`locating image with ID "${reference}": image not known`, 1);
  if (image.layer === undefined) throw new UsageError("image has no layers", 1);
  return image.layer;
}
