import type { Command } from "./command.ts";
import { parseDuration } from "./arguments.ts";
import { JSON_FLAG, QUIET } from "./command.ts";

const VERSION = "1.64.0";

export const version: Command = {
  names: ["version"],
  summary: "Return containers-storage version information",
  usage: "",
  least: 0,
  most: 0,
  flags: [JSON_FLAG],
  async run(call) {
    if (call.flags.is("json")) await call.out(`[["Version","${VERSION}"]]\n`);
    else await call.err(`Version: ${VERSION}\n`);
    return 0;
  },
};

export const status: Command = {
  names: ["status"],
  summary: "Check on graph driver status",
  usage: "",
  least: 0,
  most: 0,
  flags: [JSON_FLAG],
  async run(call) {
    const rows = [
      ["Root", call.paths.graphRoot],
      ["Run Root", call.paths.runRoot],
      ["Driver Name", call.store.primary.places.driver],
      ["Driver Options", "[]"],
    ];
    if (call.flags.is("json")) await call.out(`${JSON.stringify(rows)}\n`);
    else for (const [key, value] of rows) await call.err(`${key}: ${value}\n`);
    return 0;
  },
};

export const storageLayers: Command = {
  names: ["storage-layers"],
  summary: "List storage layers",
  usage: "",
  least: 0,
  most: 0,
  flags: [JSON_FLAG],
  async run(call) {
    const content = call.store.primary.places.dirOptional("content");
    const apart = new Set(["l", "staging", "tempdirs"]);
    const ids = (content?.list() ?? []).filter(({ name, type }) => type === "directory" && !apart.has(name));
    if (call.flags.is("json")) await call.out(`${JSON.stringify(ids.map(({ name }) => name))}\n`);
    else for (const { name } of ids) await call.out(`${name}\n`);
    return 0;
  },
};

/** Looks as our own check does, and says what it finds in the order of layers, images and containers, as the program. */
export const check: Command = {
  names: ["check"],
  summary: "Check storage consistency",
  usage: "",
  least: 0,
  most: 0,
  flags: [
    JSON_FLAG,
    QUIET,
    { names: ["repair", "r"] },
    { names: ["force", "f"] },
    { names: ["max", "m"], takes: "value" },
  ],
  async run(call) {
    const { signal } = call.context;
    const max = call.flags.value("max");
    const options = { signal, ...(max === undefined ? {} : { unreferencedAfter: parseDuration(max) }) };
    const found = new Map<string, string[]>();
    const counts: Record<string, number> = { layer: 0, image: 0, container: 0 };
    for await (const { severity, subject, message } of call.store.verify(options)) {
      if (severity === "note") continue;
      const key = `${subject.kind} ${subject.id}`;
      const said = found.get(key);
      if (said !== undefined) said.push(message);
      else {
        found.set(key, [message]);
        counts[subject.kind] = (counts[subject.kind] ?? 0) + 1;
      }
    }
    for (const [key, messages] of found)
      await call.out(`${key}:\n${messages.map((each) => ` ${each}\n`).join("")}`);
    if (call.flags.is("repair")) {
      const { kept } = await call.store.repair({ ...options, force: call.flags.is("force") });
      for (const { kind, id, why } of kept) await call.err(`deleting ${kind} ${id}: ${why}\n`);
      return kept.length === 0 ? 0 : 1;
    }
    if (found.size === 0) return 0;
    const { layer = 0, image = 0, container = 0 } = counts;
    await call.err(
      `${layer} layer errors, 0 read-only layer errors, ${image} image errors, 0 read-only image errors, ${container} container errors\n`,
    );
    return 1;
  },
};

export const gc: Command = {
  names: ["gc"],
  summary: "Garbage collect leftovers from partial layers/images/contianers",
  usage: "",
  least: 0,
  most: 0,
  flags: [],
  async run(call) {
    const { signal } = call.context;
    const plan = await call.store.planGc({ signal });
    // The program removes what no record knows, and no layer that has one unless it is incomplete.
    const incomplete = new Set(
      (await call.store.layers()).filter(({ flags }) => flags["incomplete"] === true).map(({ id }) => id),
    );
    const garbage = plan.garbage.filter(({ kind, id }) => kind !== "layer" || incomplete.has(id));
    await call.store.applyGc({ ...plan, garbage }, { signal });
    return 0;
  },
};
