import { changeContainer, changeImage, changeLayer } from "./change-record.ts";
import { nextHistory, normalName, uniqueNames } from "./format/image-name.ts";
import type { ImageRecord } from "./format/images-json.ts";
import type { StoreRoot } from "./ports/layer-source.ts";

/** What to do with an image's names. */
export type NamesChange =
  /** These and no others. */
  | { readonly set: readonly string[] }
  /** These before those that it has. */
  | { readonly add: readonly string[] }
  | { readonly remove: readonly string[] };

/** The change with its names in the normal form; those to be removed also as they are spelled. */
export function normalChange(change: NamesChange): NamesChange {
  if ("set" in change) return { set: change.set.map(normalName) };
  if ("add" in change) return { add: change.add.map(normalName) };
  return { remove: [...change.remove, ...change.remove.map(normalName)] };
}

/** Changes an image's names. A name that another image has is taken from it. Returns the names that it then has. */
export async function changeNames(
  root: StoreRoot,
  id: string,
  wanted: NamesChange,
  signal: AbortSignal | undefined,
): Promise<readonly string[]> {
  return (await changeImage(root, id, (record) => renamed(record, wanted), signal)).names;
}

function renamed(record: ImageRecord, wanted: NamesChange): ImageRecord {
  if ("remove" in wanted) {
    return withNames(record, wanted);
  }
  const names = namesAfter(record.names, wanted);
  return { ...record, names, namesHistory: nextHistory(record.namesHistory, names) };
}

function namesAfter(names: readonly string[], wanted: NamesChange): readonly string[] {
  if ("remove" in wanted) return names.filter((name) => !wanted.remove.includes(name));
  return uniqueNames("set" in wanted ? wanted.set : [...wanted.add, ...names]);
}

/** The same for a layer. */
export async function changeLayerNames(
  root: StoreRoot,
  id: string,
  wanted: NamesChange,
  signal: AbortSignal | undefined,
): Promise<readonly string[]> {
  return (await changeLayer(root, id, (record) => withNames(record, wanted), signal)).names;
}

/** The same for a container. */
export async function changeContainerNames(
  root: StoreRoot,
  id: string,
  wanted: NamesChange,
  signal: AbortSignal | undefined,
): Promise<readonly string[]> {
  return (await changeContainer(root, id, (record) => withNames(record, wanted), signal)).names;
}

function withNames<T extends { readonly names: readonly string[] }>(record: T, wanted: NamesChange): T {
  return { ...record, names: namesAfter(record.names, wanted) };
}
