// images/ and streams/: links to objects, and refs/ below them: links to those links. A link that has to change is made
// under another name in the repository's top directory and renamed, as cfsctl does.

import { randomBytes } from "node:crypto";

import { type ByteString, displayName, isStoreError, utf8 } from "@bootc-store/core";

import { composefsErrors } from "../errors.ts";
import { objectLink, objectOfLink } from "../objects/names.ts";
import type { Repository } from "../repository/repository.ts";

export type LinkFolder = "images" | "streams";

/** A name in `images/` or `streams/`, and the object that it leads to; none if the link is no object's. */
export interface ObjectLink {
  readonly name: ByteString;
  readonly object: string | undefined;
  /** True for a link, false for anything else that lies there. */
  readonly link: boolean;
}

/** A ref: its path below `refs/`, and the name in the folder that it leads to. */
export interface Ref {
  readonly path: ByteString;
  readonly target: ByteString | undefined;
  readonly link: boolean;
}

/** The object of a name, or `undefined` if there is no such link. Throws `composefs/object-name-invalid`. */
export function readObjectLink(repository: Repository, folder: LinkFolder, name: string): string | undefined {
  repository.assertOpen();
  const path = utf8(`${folder}/${name}`);
  const target = repository.dir.readLinkOptional(path);
  if (target === undefined) return undefined;
  const object = objectOfLink(target, repository.algorithm);
  if (object !== undefined) return object;
  throw composefsErrors.error(
    "object-name-invalid",
    `${folder}/${name} leads to ${displayName(target)}, which is no object`,
    {
      context: { path: `${folder}/${name}` },
    },
  );
}

/** Makes a name lead to an object. */
export function writeObjectLink(
  repository: Repository,
  folder: LinkFolder,
  name: string,
  object: string,
): void {
  repository.assertWritable();
  checkEntryName(name);
  repository.dir.ensureDir(utf8(folder));
  writeLink(repository, utf8(`${folder}/${name}`), utf8(objectLink(object)));
}

/** Makes a ref lead to a name. The link is relative, with one `..` for each directory between. */
export function writeRef(repository: Repository, folder: LinkFolder, ref: string, name: string): void {
  repository.assertWritable();
  const parts = ref.split("/");
  if (parts.some((part) => part === "" || part === "." || part === ".." || part.includes("\0"))) {
    throw composefsErrors.error("stream-name-invalid", `"${ref}" cannot be a ref`);
  }
  const parent = [folder, "refs", ...parts.slice(0, -1)].join("/");
  repository.dir.ensureDir(utf8(parent), { parents: true });
  writeLink(repository, utf8(`${folder}/refs/${ref}`), utf8(`${"../".repeat(parts.length)}${name}`));
}

/** Removes a ref; false if there was none. */
export function removeRef(repository: Repository, folder: LinkFolder, ref: string): boolean {
  repository.assertWritable();
  return repository.dir.removeOptional(utf8(`${folder}/refs/${ref}`));
}

/** The name that a ref leads to, or `undefined`. */
export function readRef(repository: Repository, folder: LinkFolder, ref: string): string | undefined {
  const target = repository.dir.readLinkOptional(utf8(`${folder}/refs/${ref}`));
  return target?.split("/").at(-1);
}

/** Everything beside `refs` in a folder, in byte order. */
export function listObjectLinks(repository: Repository, folder: LinkFolder): ObjectLink[] {
  repository.assertOpen();
  using dir = repository.dir.openDirOptional(utf8(folder));
  if (dir === undefined) return [];
  return dir
    .list()
    .filter(({ name }) => name !== "refs")
    .map(({ name, type }) => {
      if (type !== "symlink") return { name, object: undefined, link: false };
      return { name, object: objectOfLink(dir.readLink(name), repository.algorithm), link: true };
    });
}

/** All refs of a folder, depth first in byte order. */
export function listRefs(repository: Repository, folder: LinkFolder): Ref[] {
  repository.assertOpen();
  using dir = repository.dir.openDirOptional(utf8(`${folder}/refs`));
  if (dir === undefined) return [];
  const refs: Ref[] = [];
  for (const entry of dir.walk()) {
    if (entry.type === "directory") continue;
    const link = entry.type === "symlink";
    refs.push({
      path: entry.path,
      link,
      target: link ? (dir.readLink(entry.path).split("/").at(-1) as ByteString) : undefined,
    });
  }
  return refs;
}

/** Whether a link leads to something that is there. */
export function linkResolves(repository: Repository, path: ByteString): boolean {
  try {
    return repository.dir.statOptional(path, { resolution: "beneath", follow: true }) !== undefined;
  } catch (error) {
    if (
      isStoreError(
        error,
        "linux/path-escapes",
        "linux/path-loop",
        "linux/path-absolute",
        "linux/not-a-directory",
      )
    )
      return false;
    throw error;
  }
}

function writeLink(repository: Repository, path: ByteString, target: ByteString): void {
  const { dir } = repository;
  try {
    dir.symlink(target, path);
    return;
  } catch (error) {
    if (!isStoreError(error, "linux/exists")) throw error;
  }
  if (dir.readLinkOptional(path) === target) return;
  const temporary = utf8(`.symlink-${randomBytes(9).toString("base64url").replaceAll(/[-_]/g, "x")}`);
  dir.symlink(target, temporary);
  try {
    dir.rename(temporary, path);
  } catch (error) {
    dir.removeOptional(temporary);
    throw error;
  }
}

function checkEntryName(name: string): void {
  if (
    name === "" ||
    name === "." ||
    name === ".." ||
    name === "refs" ||
    name.includes("/") ||
    name.includes("\0")
  ) {
    throw composefsErrors.error("stream-name-invalid", `"${name}" cannot be the name of a stream or image`);
  }
}
