// Any tree that a person can name: an image or a commit in one of the stores, or a directory.

import type { SourcedTree } from "@bootc-store/backend";
import { type ComposefsBackend, erofsIdsOf } from "@bootc-store/composefs";
import { type BackendKind, isStoreError, type OperationOptions } from "@bootc-store/core";
import type { Dir } from "@bootc-store/linux";

import { storageErrors } from "../errors.ts";
import { readDirectoryTree } from "./directory-tree.ts";
import type { ExistingStores } from "./existing-stores.ts";

export interface FoundTree extends SourcedTree {
  /** Where it was found: contents of one source are compared by their keys. */
  readonly source: BackendKind | "directory";
}

export interface FindTreeOptions extends OperationOptions {
  /** Opens a directory that a person has named; it must stay open as long as the tree's contents are read. */
  readonly openDir: (path: string) => Dir;
}

const PREFIXES: readonly BackendKind[] = ["containers-storage", "composefs", "ostree"];

/**
 * The tree that a text means: `STORE:NAME` for something in a store, `dir:PATH` or a text with `/` or `.` at its beginning
 * for a directory, else the first of containers-storage, composefs and ostree that knows the name. Throws
 * `storage/tree-not-found`.
 */
export async function findTree(
  stores: ExistingStores,
  text: string,
  options: FindTreeOptions,
): Promise<FoundTree> {
  const path = directoryIn(text);
  if (path !== undefined) {
    return { ...readDirectoryTree(options.openDir(path), options), source: "directory" };
  }
  const kind = PREFIXES.find((each) => text.startsWith(`${each}:`));
  const name = kind === undefined ? text : text.slice(kind.length + 1);
  for (const each of kind === undefined ? PREFIXES : [kind]) {
    const found = await treeIn(stores, each, name, options);
    if (found !== undefined) return { ...found, source: each };
  }
  throw storageErrors.error(
    "tree-not-found",
    `${kind === undefined ? "no store" : kind} has neither an image nor a commit ${name}`,
    { context: { ref: name } },
  );
}

/** The path in a text that names a directory. */
export function directoryIn(text: string): string | undefined {
  return /^dir:(.+)$/s.exec(text)?.[1] ?? (/^[./]/.test(text) ? text : undefined);
}

/** Errors by which a store says that it does not know a name. */
const UNKNOWN = new Set([
  "containers-storage/image-not-found",
  "composefs/image-missing",
  "composefs/reference-invalid",
  "ostree/ref-not-found",
  "ostree/object-not-found",
  "ostree/ref-invalid",
]);

async function treeIn(
  stores: ExistingStores,
  kind: BackendKind,
  name: string,
  options: OperationOptions,
): Promise<SourcedTree | undefined> {
  try {
    if (kind === "containers-storage") return await stores.containersStorage?.readTree(name, options);
    if (kind === "ostree") return await stores.ostree?.readTree(name, options);
    return await composefsTree(stores, name, options);
  } catch (error) {
    if (isStoreError(error) && UNKNOWN.has(error.code)) return undefined;
    throw error;
  }
}

async function composefsTree(
  { composefs }: ExistingStores,
  name: string,
  options: OperationOptions,
): Promise<SourcedTree | undefined> {
  if (composefs === undefined) return undefined;
  return await composefs.readTree(await erofsIdOf(composefs, name, options), options);
}

/**
 * The EROFS image that a name means: of a tag or a manifest the one that its configuration names, not the one for booting;
 * anything else is an image's own name. Throws `storage/tree-not-found`.
 */
export async function erofsIdOf(
  composefs: ComposefsBackend,
  name: string,
  options: OperationOptions = {},
): Promise<string> {
  await using image = await composefs.openImage(name, options);
  if (image === undefined) return name;
  const ids = await erofsIdsOf(composefs.repository, image.config.digest);
  const [id] = [...ids].filter(([key]) => !key.includes(".boot")).map(([, value]) => value);
  if (id !== undefined) return id;
  throw storageErrors.error("tree-not-found", `the image ${name} has no EROFS image in composefs`, {
    context: { ref: name },
  });
}
