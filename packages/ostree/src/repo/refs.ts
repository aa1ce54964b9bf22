import { randomBytes } from "node:crypto";
import { type ByteString, displayName, isStoreError, textOf, utf8 } from "@bootc-store/core";
import { type Dir, type SyncPolicy, TEMP_PREFIX } from "@bootc-store/linux";

import { ostreeErrors } from "../errors.ts";
import { type Checksum, isChecksum } from "../format/checksum.ts";
import {
  checkCollectionId,
  checkRefName,
  checkRemoteName,
  isRefName,
  isRemoteName,
  parseRefspec,
  type Refspec,
} from "./ref-name.ts";

/** Where a ref belongs: here, to a remote, or to another collection. */
export type RefOwner =
  | { readonly kind: "heads" }
  | { readonly kind: "remote"; readonly remote: string }
  | { readonly kind: "mirror"; readonly collectionId: string };

export const HEADS: RefOwner = { kind: "heads" };

/** A ref that was found. */
export interface FoundRef {
  readonly owner: RefOwner;
  readonly ref: string;
  readonly checksum: Checksum;
  /** For an alias: the ref that it stands for. */
  readonly alias?: string;
}

/** The `refs` directory: a file a ref, with a checksum and a newline in it, or a symlink for an alias. */
export class Refs {
  readonly #dir: Dir;
  readonly #parent: Refs | undefined;

  constructor(repo: Dir, parent: Refs | undefined) {
    this.#dir = repo;
    this.#parent = parent;
  }

  /** The checksum in a ref; `undefined` if there is none of that name. */
  read(owner: RefOwner, ref: string): Checksum | undefined {
    checkRefName(ref);
    using top = this.#dir.openDirOptional(ownerPath(owner));
    return top === undefined ? undefined : readRef(top, utf8(ref));
  }

  /** The checksum that a refspec names, looked for as `rev-parse` does; `undefined` if there is none. */
  lookup(refspec: Refspec | string): Checksum | undefined {
    const { remote, ref } = typeof refspec === "string" ? parseRefspec(refspec) : refspec;
    let found: Checksum | undefined;
    if (remote !== undefined) found = this.read({ kind: "remote", remote }, ref);
    else {
      found = this.read(HEADS, ref) ?? this.#readBelowRemotes(ref);
      if (found === undefined) {
        for (const name of this.remotes()) found ??= this.read({ kind: "remote", remote: name }, ref);
      }
    }
    return found ?? this.#parent?.lookup({ remote, ref });
  }

  /** `REMOTE/REF` is another way to say `REMOTE:REF`. */
  #readBelowRemotes(ref: string): Checksum | undefined {
    const slash = ref.indexOf("/");
    if (slash < 0) return undefined;
    return this.read({ kind: "remote", remote: ref.slice(0, slash) }, ref.slice(slash + 1));
  }

  /** Names of the directories in `refs/remotes`. */
  remotes(): string[] {
    return this.#names("refs/remotes").filter((name) => isRemoteName(name));
  }

  /** Collections that refs are mirrored of. */
  mirroredCollections(): string[] {
    return this.#names("refs/mirrors");
  }

  #names(path: string): string[] {
    using dir = this.#dir.openDirOptional(path as ByteString);
    if (dir === undefined) return [];
    return dir
      .list()
      .filter((entry) => entry.type === "directory")
      .map((entry) => textOf(entry.name))
      .filter((name) => name !== undefined);
  }

  /** Everything that is a ref of this owner, in byte order of the names. Names that no ref can have are passed over. */
  list(owner: RefOwner): FoundRef[] {
    const found: FoundRef[] = [];
    using top = this.#dir.openDirOptional(ownerPath(owner));
    if (top === undefined) return found;
    for (const entry of top.walk({ onError: () => {} })) {
      if (entry.type === "directory") continue;
      const ref = textOf(entry.path);
      if (ref === undefined || !isRefName(ref)) continue;
      const checksum = readRef(top, entry.path);
      if (checksum === undefined) continue;
      const alias = entry.type === "symlink" ? aliasTarget(top, entry.path) : undefined;
      found.push({ owner, ref, checksum, ...(alias === undefined ? {} : { alias }) });
    }
    return found.sort((a, b) => (utf8(a.ref) < utf8(b.ref) ? -1 : 1));
  }

  /** All refs: heads, then those of remotes, then mirrored ones. */
  listAll(): FoundRef[] {
    return [
      ...this.list(HEADS),
      ...this.remotes().flatMap((remote) => this.list({ kind: "remote", remote })),
      ...this.mirroredCollections().flatMap((collectionId) => this.list({ kind: "mirror", collectionId })),
    ];
  }

  /**
   * Sets a ref, or removes it for `undefined`. An alias of that name becomes a ref of its own. Throws `ostree/ref-conflict`
   * where a ref is in the way of a directory, or refs are below the name.
   */
  write(
    owner: RefOwner,
    ref: string,
    checksum: Checksum | undefined,
    sync: SyncPolicy = "data-and-directories",
  ): void {
    checkRefName(ref);
    if (isChecksum(ref)) throw ostreeErrors.error("ref-invalid", `Rev name '${ref}' looks like a checksum`);
    const top = ownerPath(owner);
    const path = utf8(ref);
    if (checksum === undefined) {
      this.#remove(owner, ref);
    } else {
      this.#dir.ensureDir(top, { mode: 0o777, parents: true });
      using heads = this.#dir.openDir(top);
      const slash = path.lastIndexOf("/");
      const parent = slash < 0 ? undefined : (path.slice(0, slash) as ByteString);
      const name = path.slice(slash + 1) as ByteString;
      try {
        if (parent !== undefined) heads.ensureDir(parent, { mode: 0o777, parents: true });
        using dir = parent === undefined ? heads.duplicate() : heads.openDir(parent);
        this.#clearDirectory(dir, name, ref);
        dir.atomicWrite(name, Buffer.from(`${checksum}\n`, "latin1"), { sync });
      } catch (error) {
        if (!isStoreError(error, "linux/not-a-directory")) throw error;
        throw ostreeErrors.error("ref-conflict", `openat(${top}/${ref}): Not a directory`, {
          context: { ref },
          cause: error,
        });
      }
    }
    this.#touch();
  }

  /** A directory without refs may be in the place of a ref: earlier refs leave them behind. */
  #clearDirectory(dir: Dir, name: ByteString, ref: string): void {
    if (dir.statOptional(name)?.type !== "directory") return;
    using below = dir.openDir(name);
    for (const entry of below.walk()) {
      if (entry.type === "directory") continue;
      throw ostreeErrors.error(
        "ref-conflict",
        `Conflict: ${textOf(entry.path) ?? "a file"} exists under ${ref} when attempting write`,
        {
          context: { ref },
        },
      );
    }
    dir.removeAll(name);
  }

  #remove(owner: RefOwner, ref: string): void {
    using heads = this.#dir.openDirOptional(ownerPath(owner));
    if (heads === undefined) return;
    if (owner.kind === "heads") {
      const alias = this.list(HEADS).find((each) => each.alias === ref);
      if (alias !== undefined) {
        throw ostreeErrors.error("ref-conflict", `Ref '${ref}' has an active alias: '${alias.ref}'`, {
          context: { ref },
        });
      }
    }
    const path = utf8(ref);
    if (heads.statOptional(path) !== undefined) heads.removeOptional(path);
  }

  /** Makes a local ref that stands for another local one. */
  writeAlias(ref: string, target: string): void {
    checkRefName(ref);
    checkRefName(target);
    this.#dir.ensureDir("refs/heads" as ByteString, { mode: 0o777, parents: true });
    using heads = this.#dir.openDir("refs/heads" as ByteString);
    const path = utf8(ref);
    const slash = path.lastIndexOf("/");
    if (slash >= 0) heads.ensureDir(path.slice(0, slash) as ByteString, { mode: 0o777, parents: true });
    const link = utf8(`${"../".repeat(ref.split("/").length - 1)}${target}`);
    const temporary =
      `${path.slice(0, slash + 1)}${TEMP_PREFIX}${randomBytes(9).toString("base64url")}` as ByteString;
    heads.symlink(link, temporary);
    heads.rename(temporary, path);
    this.#touch();
  }

  /** Others watch the repository's own time to see that refs have changed. */
  #touch(): void {
    this.#dir.self().setTimes({ mtime: "now" });
  }
}

function ownerPath(owner: RefOwner): ByteString {
  switch (owner.kind) {
    case "heads":
      return "refs/heads" as ByteString;
    case "remote":
      return utf8(`refs/remotes/${checkRemoteName(owner.remote)}`);
    default:
      return utf8(`refs/mirrors/${checkCollectionId(owner.collectionId)}`);
  }
}

/** Throws `ostree/ref-invalid` for a file that holds no checksum. */
function readRef(top: Dir, path: ByteString): Checksum | undefined {
  let bytes: Buffer | undefined;
  try {
    bytes = top.readFileOptional(path, { resolution: "inRoot", limit: 4096 });
  } catch (error) {
    if (isStoreError(error, "linux/is-a-directory", "linux/not-a-directory")) return undefined;
    throw error;
  }
  if (bytes === undefined) return undefined;
  const text = bytes.toString("latin1").trimEnd();
  if (isChecksum(text)) return text;
  throw ostreeErrors.error("ref-invalid", `Invalid rev ${text.slice(0, 80)}`, {
    context: { ref: displayName(path) },
  });
}

/** The ref that a symlink leads to, if it stays among refs. */
function aliasTarget(top: Dir, path: ByteString): string | undefined {
  const link = top.readLinkOptional(path);
  if (link === undefined) return undefined;
  const parts = path.split("/").slice(0, -1);
  for (const part of link.split("/")) {
    if (part === "..") {
      if (parts.pop() === undefined) return undefined;
    } else if (part !== "" && part !== ".") parts.push(part);
  }
  return textOf(parts.join("/") as ByteString);
}
