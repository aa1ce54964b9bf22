import { type ByteString, compareByteStrings, textOf, utf8 } from "@bootc-store/core";
import type { Dir, FileStat } from "@bootc-store/linux";

import type { PlacedLayer } from "../ports/image-source.ts";
import { UsageError } from "./arguments.ts";
import { type Command, findLayer, JSON_FLAG } from "./command.ts";
import { type ChangeKind, changesBetween, type LayerChange } from "./layer-changes.ts";

const WORDS = ["Modify", "Add", "Delete"] as const;
const OPAQUE = utf8("trusted.overlay.opaque");

type FoundChange = Pick<LayerChange, "path" | "kind">;

export const changes: Command = {
  names: ["changes"],
  summary: "Compare two layers",
  usage: "layerNameOrID [referenceLayerNameOrID]",
  least: 1,
  most: 2,
  flags: [JSON_FLAG],
  async run(call) {
    const [reference, other] = call.args as [string, string | undefined];
    const found = await findLayer(call, reference);
    const base = other === undefined ? undefined : await findLayer(call, other);
    if (found === undefined) throw new UsageError("layer not known", 1);
    const { signal } = call.context;
    // A reference that nothing is called is passed over, as in the program.
    const all =
      base === undefined || base.id === found.parent
        ? changesOf(await call.store.chain(found.id, { signal }))
        : changesBetween(
            (await call.store.readTree(base.id, { signal })).tree,
            (await call.store.readTree(found.id, { signal })).tree,
          );
    if (call.flags.is("json")) {
      const rows = all.map(({ path, kind }) => ({ Path: `/${textOf(path) ?? path}`, Kind: kind }));
      await call.out(`${rows.length === 0 ? "null" : JSON.stringify(rows)}\n`);
    } else
      for (const { path, kind } of all)
        await call.out(`${WORDS[kind]} ${quoted(`/${textOf(path) ?? path}`)}\n`);
    return 0;
  },
};

/** What the topmost layer of a chain does to those below it, by its directory; names in order, parents first. */
function changesOf(chain: readonly PlacedLayer[]): FoundChange[] {
  const top = chain.at(-1);
  if (top === undefined) return [];
  const open = ({ root, record }: PlacedLayer): Dir =>
    root.places.dir("content").openDir(root.places.diffPath(record.id));
  const lowers: Dir[] = [];
  const found: FoundChange[] = [];
  try {
    for (const each of chain.slice(0, -1).reverse()) lowers.push(open(each));
    using diff = open(top);
    const said = new Set<ByteString>();
    const entries = [...diff.walk()].map(({ path }) => path).sort(byParts);
    for (const path of entries) {
      const stat = diff.stat(path);
      const opaque =
        stat.type === "directory" && diff.getXattrOptional(path, OPAQUE)?.toString("latin1") === "y";
      const kind = opaque ? 2 : kindOf(path, stat, lowers);
      if (kind === undefined) continue;
      // What is above an addition or a removal was changed too.
      if (kind !== 0) {
        for (const above of abovePath(path)) {
          if (said.has(above)) continue;
          said.add(above);
          found.push({ path: above, kind: 0 });
        }
      }
      if (stat.type === "directory") said.add(path);
      found.push({ path, kind });
    }
    return found;
  } finally {
    for (const dir of lowers) dir[Symbol.dispose]();
  }
}

/** `undefined`: a directory that is only there for what is in it. */
function kindOf(path: ByteString, stat: FileStat, lowers: readonly Dir[]): ChangeKind | undefined {
  if (stat.type === "character" && stat.rdev.major === 0 && stat.rdev.minor === 0) return 2;
  for (const lower of lowers) {
    const below = lower.statOptional(path);
    if (below === undefined) continue;
    const same =
      stat.type === "directory" &&
      below.type === "directory" &&
      stat.mode === below.mode &&
      stat.mtime.seconds === below.mtime.seconds &&
      stat.mtime.nanoseconds === below.mtime.nanoseconds;
    return same ? undefined : 0;
  }
  return 1;
}

/** The directories above a path, outermost first. */
function* abovePath(path: ByteString): Generator<ByteString> {
  for (let at = path.indexOf("/"); at >= 0; at = path.indexOf("/", at + 1))
    yield path.slice(0, at) as ByteString;
}

/** As a walk that lists each directory by name meets them. */
function byParts(a: ByteString, b: ByteString): number {
  return compareByteStrings(a.replaceAll("/", "\0") as ByteString, b.replaceAll("/", "\0") as ByteString);
}

function quoted(text: string): string {
  return JSON.stringify(text);
}
