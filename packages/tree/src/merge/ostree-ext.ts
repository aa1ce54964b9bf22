import { type ByteString, textOf, utf8 } from "@bootc-store/core";

import { treeErrors } from "../errors.ts";
import type { LayerEntry } from "../layer.ts";
import type { Leaf } from "../leaf.ts";
import { joinPath, shown, splitPath } from "../name.ts";

export interface OstreeExtFilterOptions {
  /** Whether top-level names besides those that ostree knows are kept; the base image's configuration decides. */
  readonly nonUsr: boolean;
  /** Whether `/var` stays where it is, as with ostree since 2024.3 (the default), or goes below `/usr`. */
  readonly retainVar?: boolean;
}

/** Top-level directories whose content is made anew at each boot. */
const EMPTIED = new Set<string>(["run", "tmp", "proc", "sys", "dev"]);
const REPO = utf8("/sysroot/ostree/repo/");

/**
 * What ostree-ext does to the entries of a layer before it commits them: `/etc` moves to `/usr/etc`, what is
 * below `/run`, `/tmp`, `/proc`, `/sys` and `/dev` is dropped, other top-level names are kept or dropped.
 * One filter per layer.
 */
export class OstreeExtFilter {
  readonly #nonUsr: boolean;
  readonly #retainVar: boolean;
  readonly #dropped = new Map<ByteString, number>();
  /** Objects of the repository in the layer that were changed: the first link to one becomes the file. */
  readonly #modified = new Map<ByteString, { readonly leaf: Leaf; path: ByteString | undefined }>();

  constructor(options: OstreeExtFilterOptions) {
    this.#nonUsr = options.nonUsr;
    this.#retainVar = options.retainVar ?? true;
  }

  /** How many entries were dropped, by the name under which ostree-ext reports them. */
  get dropped(): ReadonlyMap<ByteString, number> {
    return this.#dropped;
  }

  /** The entry as it is committed, or `undefined` if it is dropped. Throws `tree/entry-unsupported`, `tree/path-invalid`. */
  apply(entry: LayerEntry): LayerEntry | undefined {
    if (entry.path === "/") {
      throw treeErrors.error("path-invalid", "an entry of the layer is named just /");
    }
    const parts = splitText(entry.path);
    if (entry.type === "leaf" && this.#isModified(entry.leaf, joinPath(parts))) {
      this.#modified.set(joinPath(parts), { leaf: entry.leaf, path: undefined });
      return undefined;
    }
    const path = this.#move(parts);
    if (path === undefined) {
      const name = (EMPTIED.has(parts[0] ?? "") ? parts[1] : parts[0]) as ByteString;
      this.#dropped.set(name, (this.#dropped.get(name) ?? 0) + 1);
      return undefined;
    }
    if (entry.type === "directory") return { ...entry, path };
    if (entry.type === "leaf") {
      checkKind(entry.leaf, entry.path);
      return { ...entry, path, leaf: withPlainTarget(entry.leaf, entry.path) };
    }
    const target = splitText(entry.target);
    const object = entry.metadata.mtime.sec > 0 ? this.#modified.get(joinPath(target)) : undefined;
    if (object === undefined) return { ...entry, path, target: this.#move(target) ?? joinPath(target) };
    if (object.path !== undefined) return { ...entry, path, target: object.path };
    object.path = path;
    return { type: "leaf", path, leaf: object.leaf };
  }

  #isModified(leaf: Leaf, path: ByteString): boolean {
    return leaf.kind === "file" && leaf.metadata.mtime.sec > 0 && path.startsWith(REPO);
  }

  #move(parts: readonly ByteString[]): ByteString | undefined {
    const top = parts[0];
    if (top === undefined || top === "usr") return joinPath(parts);
    if (top === "etc") return joinPath([utf8("usr"), ...parts]);
    if (top === "var") {
      return joinPath(this.#retainVar ? parts : [utf8("usr"), utf8("share"), utf8("factory"), ...parts]);
    }
    if (EMPTIED.has(top)) return parts.length === 1 ? joinPath(parts) : undefined;
    return this.#nonUsr ? joinPath(parts) : undefined;
  }
}

function checkKind(leaf: Leaf, path: ByteString): void {
  if (leaf.kind === "file" || leaf.kind === "symlink") return;
  throw treeErrors.error("entry-unsupported", `"${shown(path)}" is a ${leaf.kind}, which ostree cannot hold`);
}

/** The longest target that the header of a tar has room for. */
const MAX_HEADER_TARGET = 100;

/**
 * A symlink as ostree-ext writes it again: its target component by component where that fits the header, so that repeated
 * slashes and inner `.` are gone.
 */
function withPlainTarget(leaf: Leaf, path: ByteString): Leaf {
  if (leaf.kind !== "symlink") return leaf;
  const { target } = leaf;
  if (textOf(target) === undefined) {
    throw treeErrors.error("path-invalid", `the target of "${shown(path)}" is not UTF-8, as ostree wants it`);
  }
  const parts = target.split("/").filter((part, at) => part !== "" && (part !== "." || at === 0));
  const root = target.startsWith("/") ? "/" : "";
  const end = target.endsWith("/") && parts.length > 0 ? "/" : "";
  const plain = `${root}${parts.join("/")}${end}` as ByteString;
  return plain === target || plain.length > MAX_HEADER_TARGET ? leaf : { ...leaf, target: plain };
}

function splitText(path: ByteString): ByteString[] {
  if (textOf(path) === undefined) {
    throw treeErrors.error("path-invalid", `"${shown(path)}" is not UTF-8, as ostree wants it`);
  }
  return splitPath(path);
}
