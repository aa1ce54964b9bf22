import { containersStorageErrors } from "./errors.ts";
import { nextHistory, normalName, uniqueNames } from "./format/image-name.ts";
import type { ImageRecord } from "./format/images-json.ts";
import { withRecord } from "./image-records.ts";
import type { StoreRoot } from "./ports/layer-source.ts";

/** What to do with an image's names. */
export type NamesChange =
  /** These and no others. */
  | { readonly set: readonly string[] }
  /** These before those that it has. */
  | { readonly add: readonly string[] }
  | { readonly remove: readonly string[] };

/**
 * Changes an image's names. A name that another image has is taken from it. Names go through the normal form, but for
 * those that are removed, which may be spelled as they are. Returns the names that it then has.
 */
export async function changeNames(
  root: StoreRoot,
  id: string,
  wanted: NamesChange,
  signal: AbortSignal | undefined,
): Promise<readonly string[]> {
  return await root.records.change(["images"], signal, async (change) => {
    const record = change.images.get(id);
    if (record === undefined) {
      throw containersStorageErrors.error("image-not-found", `image not known: ${id}`, {
        context: { image: id },
      });
    }
    const next = renamed(record, wanted);
    change.saveImages(withRecord(change.images.records, next));
    return next.names;
  });
}

function renamed(record: ImageRecord, wanted: NamesChange): ImageRecord {
  if ("remove" in wanted) {
    const gone = new Set([...wanted.remove, ...wanted.remove.map(normalName)]);
    return { ...record, names: record.names.filter((name) => !gone.has(name)) };
  }
  const given = ("set" in wanted ? wanted.set : wanted.add).map(normalName);
  const names = uniqueNames("set" in wanted ? given : [...given, ...record.names]);
  return { ...record, names, namesHistory: nextHistory(record.namesHistory, names) };
}
