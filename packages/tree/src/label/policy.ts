import type { ByteString } from "@bootc-store/core";

import { treeErrors } from "../errors.ts";
import type { InodeKind } from "../mode.ts";
import { parseFileContexts, parseSubstitutions } from "./file-contexts.ts";
import { SpecIndex } from "./spec-index.ts";

/** The files of a policy's `contexts/files` directory, as bytes. */
export interface PolicyFiles {
  readonly fileContexts: ByteString;
  /** `file_contexts.homedirs` */
  readonly homedirs?: ByteString;
  /** `file_contexts.local` */
  readonly local?: ByteString;
  /** `file_contexts.subs` */
  readonly subs?: ByteString;
  /** `file_contexts.subs_dist` */
  readonly subsDist?: ByteString;
}

/**
 * Whose reading of the files: libselinux (3.8.1 and later, and the same for what earlier ones agree on), by which
 * ostree and setfiles label, or composefs-rs 0.9, by which bootc's composefs images are labelled.
 *
 * | | libselinux | composefs-rs |
 * |---|---|---|
 * | order of files | `file_contexts`, `homedirs`, `local` | `file_contexts`, `local`, `homedirs` |
 * | which line | one without metacharacters, else the last that matches | the last that matches |
 * | substitution | `subs`, then `subs_dist`, of the longest path up to a slash; last line first | a path that is an alias, and below it |
 */
export type LabelDialect = "libselinux" | "composefs-rs";

/** A policy's file contexts, ready to be asked. */
export class LabelPolicy {
  readonly dialect: LabelDialect;
  readonly #specs: SpecIndex;
  readonly #subs: readonly (readonly [ByteString, ByteString])[];
  readonly #subsDist: readonly (readonly [ByteString, ByteString])[];
  readonly #aliases: ReadonlyMap<ByteString, ByteString>;

  /** Throws `tree/label-syntax` and `tree/label-regex-unsupported`, both with file and line. */
  constructor(files: PolicyFiles, dialect: LabelDialect) {
    this.dialect = dialect;
    const library = dialect === "libselinux";
    const homedirs = ["file_contexts.homedirs", files.homedirs] as const;
    const local = ["file_contexts.local", files.local] as const;
    this.#specs = new SpecIndex(dialect);
    for (const [name, text] of [
      ["file_contexts", files.fileContexts] as const,
      ...(library ? [homedirs, local] : [local, homedirs]),
    ]) {
      if (text === undefined) continue;
      if (library) checkAscii(text, name);
      for (const line of parseFileContexts(text, name, library ? "ignore" : "refuse"))
        this.#specs.add(line, name);
    }
    this.#specs.finish();
    const subs = parseSubstitutions(files.subs ?? ("" as ByteString), "file_contexts.subs", !library);
    const dist = parseSubstitutions(
      files.subsDist ?? ("" as ByteString),
      "file_contexts.subs_dist",
      !library,
    );
    const pairs = (list: typeof subs) => list.map(({ alias, original }) => [alias, original] as const);
    this.#subs = pairs(subs).reverse();
    this.#subsDist = pairs(dist).reverse();
    this.#aliases = new Map([...pairs(subs), ...pairs(dist)]);
  }

  /**
   * The context of a path, or `undefined` for none. The path is absolute, without slashes too many. Of the dialect
   * composefs-rs the path must have been through {@link LabelPolicy.alias} on its way down.
   */
  labelOf(path: ByteString, kind: InodeKind): ByteString | undefined {
    return this.#specs.find(this.dialect === "libselinux" ? this.#substitute(path) : path, kind);
  }

  /** The path that a walk goes on with instead of this one; the same where it is no alias of composefs-rs' dialect. */
  alias(path: ByteString): ByteString {
    return this.dialect === "composefs-rs" ? (this.#aliases.get(path) ?? path) : path;
  }

  #substitute(path: ByteString): ByteString {
    return substitute(substitute(path, this.#subs), this.#subsDist);
  }
}

function substitute(path: ByteString, list: readonly (readonly [ByteString, ByteString])[]): ByteString {
  for (const [alias, original] of list) {
    if (!path.startsWith(alias)) continue;
    const next = path[alias.length];
    if (next !== undefined && next !== "/") continue;
    const cut = next === "/" && original === "/" ? alias.length + 1 : alias.length;
    return `${original}${path.slice(cut)}` as ByteString;
  }
  return path;
}

function checkAscii(text: ByteString, name: string): void {
  // oxlint-disable-next-line no-control-regex -- the ASCII range begins there
  const other = /[^\x00-\x7f]/.exec(text);
  if (other === null) return;
  const line = text.slice(0, other.index).split("\n").length;
  throw treeErrors.error("label-syntax", `line ${line} of ${name} is not ASCII, as libselinux wants it`, {
    context: { path: name },
  });
}
