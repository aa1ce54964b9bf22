import { type ByteString, byteString, toHex } from "@bootc-store/core";

import {
  type ImageDirectory,
  type ImageNode,
  isDirectory,
  sortedChildren,
  type XattrPair,
} from "../image/node.ts";
import { escapeField } from "./escape.ts";

/**
 * How a dump file is written.
 *
 * - `c`: as `composefs-info dump`: sizes and link counts as recorded, attributes in the order they have, a hard link with all
 *   fields of its target.
 * - `composefs-rs`: directories have size 0, attributes are sorted, a hard link names its target and nothing else.
 */
export type DumpDialect = "c" | "composefs-rs";

export interface PrintOptions {
  readonly dialect: DumpDialect;
  /** Names directly below the root that are shown with what they hold; by default all. */
  readonly filter?: readonly ByteString[];
}

/** The lines of a dump file, each with its newline: a directory before what it holds, names in byte order. */
export function* printDump(root: ImageDirectory, options: PrintOptions): Generator<string, void, undefined> {
  const { dialect, filter } = options;
  const first = new Map<ImageNode, string>();
  yield printLine("/", root, undefined, dialect);
  const open = (node: ImageDirectory, path: string) => ({ path, rest: sortedChildren(node).values() });
  const stack = [open(root, "")];
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const next = top.rest.next();
    if (next.done === true) {
      stack.pop();
      continue;
    }
    const [name, { node }] = next.value;
    if (top.path === "" && filter !== undefined && !filter.includes(name)) continue;
    const path = `${top.path}/${name}`;
    const known = first.get(node);
    if (known === undefined) first.set(node, path);
    yield printLine(path, node, known, dialect);
    if (isDirectory(node)) stack.push(open(node, path));
  }
}

/** How one line is written. */
export interface PrintLineOptions {
  readonly dialect: DumpDialect;
  /** Path of the first name of the same inode. */
  readonly target?: ByteString;
  /** Link count of a directory, instead of what follows from the directories in it. */
  readonly links?: number;
}

/** One line of a dump file by itself, with its newline. The path begins with a slash. */
export function printDumpLine(path: ByteString, node: ImageNode, options: PrintLineOptions): string {
  return printLine(path, node, options.target, options.dialect, options.links);
}

function printLine(
  path: string,
  node: ImageNode,
  target: string | undefined,
  dialect: DumpDialect,
  links?: number,
): string {
  const place = escapeField(path as ByteString);
  if (target !== undefined && dialect === "composefs-rs") {
    return `${place} 0 @120000 - - - - 0.0 ${payloadField(target)} - -\n`;
  }
  const { mode, uid, gid, rdev, mtime, content, external } = node;
  const directory = isDirectory(node);
  const size = directory && dialect === "composefs-rs" ? 0n : node.size;
  const nlink = directory && dialect === "composefs-rs" ? (links ?? linkCount(node)) : node.nlink;
  const payload = target ?? node.target ?? external?.payload;
  const fields = [
    place,
    size,
    `${target === undefined ? "" : "@"}${mode.toString(8)}`,
    nlink,
    uid,
    gid,
    rdev,
    `${mtime.sec}.${mtime.nsec}`,
    payload === undefined ? "-" : payloadField(payload),
    content === undefined ? "-" : escapeField(byteString(content), { loneDash: true }),
    external?.digest === undefined ? "-" : toHex(external.digest),
    ...xattrFields(node.xattrs, dialect),
  ];
  return `${fields.join(" ")}\n`;
}

function payloadField(payload: string): string {
  return escapeField(payload as ByteString, { loneDash: true });
}

function linkCount(node: ImageDirectory): number {
  let count = 2;
  for (const { node: child } of node.children.values()) if (isDirectory(child)) count++;
  return count;
}

function xattrFields(xattrs: readonly XattrPair[], dialect: DumpDialect): string[] {
  const list = dialect === "c" ? xattrs : [...xattrs].sort((a, b) => (a[0] < b[0] ? -1 : 1));
  return list.map(
    ([name, value]) => `${escapeField(name, { equals: true })}=${escapeField(value, { equals: true })}`,
  );
}
