// Trees and layers as text for tests: one entry a line, `PATH KIND [key=value…]`.
import { type ByteString, utf8 } from "@bootc-store/core";

import {
  device,
  type Inode,
  inlineFile,
  type LayerEntry,
  type Metadata,
  type MetadataInit,
  metadataOf,
  special,
  symlink,
  type Tree,
  walkTree,
  Xattrs,
} from "../../src/index.ts";

/** `a/b file=text mode=755 own=1:2 time=3.4 x:user.a=v`, `d dir`, `l link=target`, `h hard=target`, `c char=5:1`, `p fifo`. */
export function layer(text: string): LayerEntry[] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map(entry);
}

function entry(line: string): LayerEntry {
  const [pathText = "", kindText = "", ...attributes] = line.split(/\s+/);
  const path = utf8(pathText);
  const [kind, argument] = split(kindText, "=");
  switch (kind) {
    case "dir":
      return { type: "directory", path, metadata: metadataOf("directory", init(attributes)) };
    case "file": {
      const bytes = new TextEncoder().encode(argument);
      return { type: "leaf", path, leaf: inlineFile(metadataOf("file", init(attributes)), bytes) };
    }
    case "link":
      return { type: "leaf", path, leaf: symlink(metadataOf("symlink", init(attributes)), utf8(argument)) };
    case "hard":
      return {
        type: "hardlink",
        path,
        target: utf8(argument),
        metadata: metadataOf("file", init(attributes)),
      };
    case "char":
    case "block": {
      const [major, minor] = argument.split(":").map(Number) as [number, number];
      return { type: "leaf", path, leaf: device(kind, metadataOf(kind, init(attributes)), major, minor) };
    }
    case "fifo":
    case "socket":
      return { type: "leaf", path, leaf: special(kind, metadataOf(kind, init(attributes))) };
    default:
      throw new Error(`no such kind: ${line}`);
  }
}

function init(attributes: readonly string[]): MetadataInit {
  const xattrs: [ByteString, ByteString][] = [];
  const result: { -readonly [K in keyof MetadataInit]: MetadataInit[K] } = {};
  for (const attribute of attributes) {
    const [key, value] = split(attribute, "=");
    if (key === "mode") result.permissions = Number.parseInt(value, 8);
    else if (key === "own") [result.uid, result.gid] = value.split(":").map(Number) as [number, number];
    else if (key === "time") {
      const [sec = 0, nsec = 0] = value.split(".").map(Number);
      result.mtime = { sec, nsec };
    } else if (key.startsWith("x:")) xattrs.push([utf8(key.slice(2)), utf8(value)]);
    else throw new Error(`no such attribute: ${attribute}`);
  }
  return { ...result, xattrs: Xattrs.from(xattrs) };
}

function split(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

/** A tree as lines of the same form, in the order of a walk; later names of a leaf as `hard=`. */
export function listing(tree: Tree, from = 1): string[] {
  const first = new Map<Inode, ByteString>();
  const lines: string[] = [];
  for (const { path, inode } of walkTree(tree)) {
    const known = first.get(inode);
    if (known === undefined) first.set(inode, path);
    const name = path.slice(1);
    lines.push(known === undefined ? `${name} ${describe(inode)}` : `${name} hard=${known.slice(1)}`);
  }
  return lines.slice(from);
}

function describe(inode: Inode): string {
  return `${kind(inode)}${attributes(inode.kind, inode.metadata)}`;
}

function kind(inode: Inode): string {
  switch (inode.kind) {
    case "directory":
      return "dir";
    case "file":
      return `file=${inode.content.kind === "inline" ? Buffer.from(inode.content.bytes).toString("latin1") : inode.content.kind}`;
    case "symlink":
      return `link=${inode.target}`;
    case "char":
    case "block":
      return `${inode.kind}=${inode.major}:${inode.minor}`;
    default:
      return inode.kind;
  }
}

function attributes(inodeKind: Inode["kind"], metadata: Metadata): string {
  const usual = metadataOf(inodeKind);
  let text = "";
  if (metadata.mode !== usual.mode) text += ` mode=${(metadata.mode & 0o7777).toString(8)}`;
  if (metadata.uid !== 0 || metadata.gid !== 0) text += ` own=${metadata.uid}:${metadata.gid}`;
  if (metadata.mtime.sec !== 0 || metadata.mtime.nsec !== 0) {
    text += ` time=${metadata.mtime.sec}${metadata.mtime.nsec === 0 ? "" : `.${metadata.mtime.nsec}`}`;
  }
  for (const [name, value] of metadata.xattrs) text += ` x:${name}=${value}`;
  return text;
}
