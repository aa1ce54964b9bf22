// The directory of one layer with the overlay driver: `diff`, `link`, `lower`, `lower-layers`, `work`, `merged` or
// `empty`, and the short link beside it that makes mount options fit into a page.

import { randomBytes } from "node:crypto";

import { type ByteString, isStoreError, utf8 } from "@bootc-store/core";
import type { Dir } from "@bootc-store/linux";

import { containersStorageErrors } from "../errors.ts";
import { LOWER_LIMIT, MAX_LOWERS } from "../limits.ts";
import type { StorePlaces } from "../places.ts";

const LINK_LENGTH = 26;
const LINK = /^[A-Z2-7]{26}$/;
const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/** A new name for `l/`. */
export function makeLinkName(): string {
  let bits = 0n;
  for (const byte of randomBytes(17)) bits = (bits << 8n) | BigInt(byte);
  let name = "";
  // 17 bytes are 136 bits; 26 digits take the first 130 of them.
  for (let digit = 0; digit < LINK_LENGTH; digit++) {
    name += BASE32[Number((bits >> BigInt(131 - 5 * digit)) & 31n)];
  }
  return name;
}

/**
 * Makes everything of a layer's directory but its content: `diff` is put in by a rename. A directory of this name that
 * is there, left by somebody who died, is removed first.
 * @param content the driver's directory, `overlay`.
 * @param links `overlay/l`.
 */
export function makeLayerDir(content: Dir, links: Dir, id: string, parent: string | undefined): void {
  removeLeftover(content, links, id);
  const name = utf8(id);
  content.makeDir(name, 0o700);
  using dir = content.openDir(name);
  dir.self().setMode(0o700);
  const link = makeLinkName();
  links.symlink(utf8(`../${id}/diff`), utf8(link));
  writeText(dir, "link", link);
  for (const made of ["work", "merged"]) dir.makeDir(utf8(made), 0o700);
  if (parent === undefined) {
    dir.makeDir(utf8("empty"), 0o700);
    return;
  }
  const lower = lowerOf(content, parent);
  if (lower.length > MAX_LOWERS) {
    throw containersStorageErrors.error(
      "layer-depth",
      `layer ${id} has ${lower.length} layers below it, overlay takes ${MAX_LOWERS}`,
      { context: { layer: id } },
    );
  }
  writeText(dir, "lower", lower.join(":"));
  const ids = lowerLayersOf(content, links, parent);
  if (ids !== undefined) writeText(dir, "lower-layers", ids.join(":"));
}

/** What a child's `lower` has: the parent's short link, and what the parent has. */
function lowerOf(content: Dir, parent: string): string[] {
  const link = readLink(content, parent);
  if (link === undefined) {
    throw containersStorageErrors.error("layer-incomplete", `layer ${parent} has no short link`, {
      context: { layer: parent },
    });
  }
  return [`l/${link}`, ...readLower(content, parent)];
}

/** What a child's `lower-layers` has; `undefined` where the ids cannot be told, and the file is better left out. */
function lowerLayersOf(content: Dir, links: Dir, parent: string): string[] | undefined {
  const written = content.readFileOptional(utf8(`${parent}/lower-layers`), { limit: LOWER_LIMIT });
  if (written !== undefined) return [parent, ...splitList(written.toString("utf8"))];
  const ids: string[] = [];
  for (const entry of readLower(content, parent)) {
    const target = links.readLinkOptional(utf8(entry.slice("l/".length)));
    const id = target === undefined ? undefined : /^\.\.\/([^/]+)\/diff$/.exec(target)?.[1];
    if (id === undefined) return undefined;
    ids.push(id);
  }
  return [parent, ...ids];
}

/** The short link's name; `undefined` if there is none, or something that is no such name. */
export function readLink(content: Dir, id: string): string | undefined {
  const text = content.readFileOptional(utf8(`${id}/link`), { limit: LOWER_LIMIT })?.toString("latin1");
  return text !== undefined && LINK.test(text) ? text : undefined;
}

/** The entries of `lower`, nearest first; none for a base layer. */
export function readLower(content: Dir, id: string): string[] {
  return splitList(
    content.readFileOptional(utf8(`${id}/lower`), { limit: LOWER_LIMIT })?.toString("utf8") ?? "",
  );
}

function splitList(text: string): string[] {
  return text === "" ? [] : text.split(":");
}

function removeLeftover(content: Dir, links: Dir, id: string): void {
  const name = utf8(id);
  if (content.statOptional(name) === undefined) return;
  try {
    const link = readLink(content, id);
    if (link !== undefined) links.removeOptional(utf8(link));
  } catch (error) {
    // What is there is no layer's directory, so it has no link either.
    if (!isStoreError(error, "linux/not-a-directory", "linux/path-symlink", "linux/not-a-file")) throw error;
  }
  content.removeAll(name);
}

/**
 * Puts away everything of a layer, so that nothing of it is at its place any more: the real library's way, by which the
 * slow removal happens after the locks have been given up. What is not there is passed over.
 * @param contentStaging a staging directory in `overlay/tempdirs`
 * @param layersStaging one in `overlay-layers/tmp`
 * @param moves gets what was moved, also where an error ends it
 */
export function putAwayLayer(
  places: StorePlaces,
  id: string,
  contentStaging: Dir,
  layersStaging: Dir,
  moves: Move[],
): void {
  const content = places.dir("content");
  const layers = places.dir("layers");
  const move = (from: Dir, name: string, to: Dir): void => {
    const old = utf8(name);
    const now = utf8(`${to.list().length}-${name}`);
    try {
      from.rename(old, now, { to });
    } catch (error) {
      if (isStoreError(error, "linux/not-found")) return;
      throw error;
    }
    moves.push({ from, old, to, now });
  };
  const link = readLink(content, id);
  if (link !== undefined) move(places.subdir("content", "l", 0o755), link, contentStaging);
  move(content, id, contentStaging);
  move(layers, `${id}.tar-split.gz`, layersStaging);
  move(layers, id, layersStaging);
}

/** Something that was put away: what it was called, and where it is now. */
export interface Move {
  readonly from: Dir;
  readonly old: ByteString;
  readonly to: Dir;
  readonly now: ByteString;
}

/** Takes moves back, last first. */
export function takeBackMoves(moves: readonly Move[]): void {
  for (const { from, old, to, now } of moves.toReversed()) to.rename(now, old, { to: from });
}

/** Removes everything of a layer at its place, at once. What is not there is passed over. */
export function removeLayerFiles(places: StorePlaces, id: string): void {
  const content = places.dir("content");
  const layers = places.dir("layers");
  using links = content.openDirOptional(utf8("l"));
  for (const { name } of links?.list() ?? []) {
    // By its target: the layer's directory may not have come to say which link is its own.
    if (links?.readLinkOptional(name) === `../${id}/diff`) links.removeOptional(name);
  }
  content.removeAll(utf8(id));
  layers.removeOptional(utf8(`${id}.tar-split.gz`));
  layers.removeAll(utf8(id));
}

function writeText(dir: Dir, name: string, text: string): void {
  using file = dir.createNew(utf8(name), { mode: 0o644 });
  file.write(Buffer.from(text, "latin1"));
  file.setMode(0o644);
}
