// What follows `containers-storage:`: `[driver@graph root+run root:option,option]` in parts that may be left out, and then
// the image.

import { containersStorageErrors } from "../errors.ts";

/** Which store is meant. Without a graph root it is the configured one. */
export interface StoreReference {
  readonly driver?: string;
  /** Absolute path. */
  readonly graphRoot?: string;
  readonly runRoot?: string;
  /** Driver options, `key=value`. When a graph root is given, the configured ones do not count. */
  readonly options: readonly string[];
}

export interface StorageReference {
  readonly store: StoreReference;
  /** A name, `@` and an id, `name@id`, a digest; may be empty. */
  readonly image: string;
}

/** @param text without the transport's name and its colon. Throws `containers-storage/reference-invalid`. */
export function parseStorageReference(text: string): StorageReference {
  if (!text.startsWith("[")) return { store: { options: [] }, image: text };
  const end = text.indexOf("]");
  if (end < 0) throw invalid(text, "a bracket is not closed");
  return { store: parseStore(text, text.slice(1, end)), image: text.slice(end + 1) };
}

function parseStore(text: string, inside: string): StoreReference {
  const at = inside.indexOf("@");
  const driver = at < 0 ? "" : inside.slice(0, at);
  let rest = inside.slice(at + 1);
  const colon = rest.indexOf(":");
  const options = colon < 0 ? "" : rest.slice(colon + 1);
  if (colon >= 0) rest = rest.slice(0, colon);
  const plus = rest.indexOf("+");
  const graphRoot = plus < 0 ? rest : rest.slice(0, plus);
  const runRoot = plus < 0 ? "" : rest.slice(plus + 1);
  if (at >= 0 && driver === "") throw invalid(text, "the driver is empty");
  if (!graphRoot.startsWith("/")) throw invalid(text, "the graph root is not an absolute path");
  if (plus >= 0 && !runRoot.startsWith("/")) throw invalid(text, "the run root is not an absolute path");
  return {
    ...(driver === "" ? {} : { driver }),
    graphRoot,
    ...(runRoot === "" ? {} : { runRoot }),
    options: options === "" ? [] : options.split(","),
  };
}

export function printStorageReference({ store, image }: StorageReference): string {
  const { driver, graphRoot, runRoot, options } = store;
  if (graphRoot === undefined) return image;
  const withDriver = driver === undefined ? graphRoot : `${driver}@${graphRoot}`;
  const withRun = runRoot === undefined ? withDriver : `${withDriver}+${runRoot}`;
  return `[${options.length === 0 ? withRun : `${withRun}:${options.join(",")}`}]${image}`;
}

function invalid(text: string, problem: string): Error {
  return containersStorageErrors.error("reference-invalid", `"${text.slice(0, 300)}": ${problem}`, {
    context: { ref: text.slice(0, 300) },
  });
}
