// `composefs-info` of composefs 1.0.8: what is in an image.

import { hash } from "node:crypto";

import type { DropIn, DropInContext } from "@bootc-store/backend/command";
import { type ByteString, isStoreError, utf8 } from "@bootc-store/core";
import {
  escapeField,
  type ImageDirectory,
  type ImageNode,
  isDirectory,
  printDump,
  readImage,
} from "@bootc-store/erofs";
import { type Dir, type File, hashFile, measureVerity } from "@bootc-store/linux";
import { kindOfMode } from "@bootc-store/tree";

import { failed, refused, ToolExit } from "./fail.ts";
import { type LongOptions, parseOptions } from "./getopt.ts";
import { openHostFile, readHostFile } from "./host-files.ts";

const NAME = "composefs-info";
const USAGE = `usage: ${NAME} [--basedir=path] [ls|objects|dump|missing-objects|measure-file] IMAGES...\n`;
const OPTIONS: LongOptions<"basedir" | "filter"> = { basedir: "value", filter: "value" };

interface Request {
  readonly basedir: string | undefined;
  readonly filter: readonly ByteString[];
  readonly command: string;
  readonly paths: readonly string[];
}

export const composefsInfo: DropIn = {
  name: NAME,
  summary: "show what is in composefs images",
  async run(context) {
    try {
      await inform(context, await parseRequest(context));
      return 0;
    } catch (error) {
      if (!(error instanceof ToolExit)) throw error;
      await context.writeErr(error.text);
      return 1;
    }
  },
};

async function parseRequest(context: DropInContext): Promise<Request> {
  const { options, operands } = parseOptions(context.argv, OPTIONS);
  let basedir: string | undefined;
  const filter: ByteString[] = [];
  for (const option of options) {
    if ("problem" in option) {
      await context.writeOut("Def\n");
      throw new ToolExit(`${NAME}: ${option.message}\n${USAGE}`);
    }
    if (option.name === "basedir") basedir = option.value;
    else if (option.value.includes("/"))
      throw refused(NAME, `Filter must be a single name: ${option.value}: Success`);
    else filter.push(utf8(option.value));
  }
  const [command, ...paths] = operands;
  if (command === undefined) throw new ToolExit(`No command specified\n${USAGE}`);
  return { basedir, filter, command, paths };
}

async function inform(context: DropInContext, request: Request): Promise<void> {
  const { command, paths } = request;
  if (command === "measure-file") return await measure(context, paths);
  if (!["ls", "dump", "objects", "missing-objects"].includes(command)) {
    throw refused(NAME, `Unknown command '${command}'\n`);
  }
  const basedir = openBasedir(context, request.basedir);
  if (paths.length === 0) throw new ToolExit(`No image path specified\n${USAGE}`);
  const objects = new Set<ByteString>();
  for (const path of paths) {
    const root = load(context, path, request.filter);
    if (command === "ls") await print(context, listing(root));
    else if (command === "dump") await print(context, printDump(root, { dialect: "c" }));
    else {
      const store = command === "objects" ? undefined : basedir;
      for (const payload of payloads(root)) {
        if (!objects.has(payload) && !isThere(store, payload)) objects.add(payload);
      }
    }
  }
  await print(
    context,
    [...objects].sort().map((payload) => `${payload}\n`),
  );
}

function openBasedir(context: DropInContext, path: string | undefined): Dir | undefined {
  if (path === undefined) return undefined;
  try {
    return context.openDir(path);
  } catch (error) {
    throw failed(NAME, `Can't open basedir \`${path}\`\n`, error);
  }
}

function load(context: DropInContext, path: string, filter: readonly ByteString[]): ImageDirectory {
  let bytes: Buffer;
  try {
    bytes = readHostFile(context, path);
  } catch (error) {
    // A directory can be opened; what cannot be done is to map it.
    if (isStoreError(error, "linux/is-a-directory"))
      throw refused(NAME, `Failed to load '${path}': No such device`);
    throw failed(NAME, `Failed to open '${path}'`, error);
  }
  try {
    const { root } = readImage(bytes, { dialect: "c" });
    if (filter.length > 0) {
      for (const name of root.children.keys()) if (!filter.includes(name)) root.children.delete(name);
    }
    return root;
  } catch (error) {
    throw failed(NAME, `Failed to load '${path}'`, error);
  }
}

/** What is below a directory, in the order of the image; of a name that was not a file's first, only the path. */
function* below(root: ImageDirectory): Generator<readonly [path: string, node: ImageNode | undefined]> {
  const seen = new Set<ImageNode>();
  const open = (node: ImageDirectory, path: string) => ({
    path,
    rest: [...node.children].sort((a, b) => (a[0] < b[0] ? -1 : 1)).values(),
  });
  const stack = [open(root, "")];
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const next = top.rest.next();
    if (next.done === true) {
      stack.pop();
      continue;
    }
    const [name, { node }] = next.value;
    const path = `${top.path}/${name}`;
    yield [path, seen.has(node) ? undefined : node];
    seen.add(node);
    if (isDirectory(node)) stack.push(open(node, path));
  }
}

export function* listing(root: ImageDirectory): Generator<string> {
  for (const [path, node] of below(root)) {
    // Spaces are shown as they are in paths, and escaped in what follows them.
    const shown = path
      .split(" ")
      .map((part) => escapeField(part as ByteString))
      .join(" ");
    const kind = node === undefined ? undefined : kindOfMode(node.mode);
    const payload = node?.external?.payload;
    if (kind === "directory") yield `${shown}/\t\n`;
    else if (kind === "symlink") yield `${shown}\t-> ${escapeField(node?.target ?? utf8(""))}\n`;
    else if (kind === "file" && payload !== undefined) yield `${shown}\t@ ${escapeField(payload)}\n`;
    else yield `${shown}\n`;
  }
}

export function* payloads(root: ImageDirectory): Generator<ByteString> {
  for (const [, node] of below(root)) {
    if (node?.external?.payload !== undefined) yield node.external.payload;
  }
}

/** Anything that keeps an object from being looked at makes it a missing one. */
export function isThere(store: Dir | undefined, payload: ByteString): boolean {
  if (store === undefined) return false;
  const path = payload.replace(/^\/+/, "") as ByteString;
  if (path === "") return true;
  try {
    return store.statOptional(path, { follow: true, resolution: "beneath" }) !== undefined;
  } catch (error) {
    if (isStoreError(error)) return false;
    throw error;
  }
}

/** In pieces of some size: a line at a time would cost more than all the rest. */
export async function print(context: DropInContext, lines: Iterable<string>): Promise<void> {
  let text = "";
  for (const line of lines) {
    text += line;
    if (text.length < 1 << 16) continue;
    await context.writeOut(Buffer.from(text, "latin1"));
    text = "";
  }
  if (text !== "") await context.writeOut(Buffer.from(text, "latin1"));
}

async function measure(context: DropInContext, paths: readonly string[]): Promise<void> {
  if (paths.length === 0) throw new ToolExit(`No files specified\n${USAGE}`);
  for (const path of paths) {
    let file: File;
    try {
      file = openHostFile(context, path);
    } catch (error) {
      throw failed(NAME, `Failed to open '${path}'`, error);
    }
    using _open = file;
    await context.writeOut(`${digestOf(file, path)}\n`);
  }
}

export function digestOf(file: File, path: string): string {
  const measured = measureVerity(file);
  if (measured.state === "enabled") {
    if (measured.algorithm === "sha256") return measured.digest;
    throw new ToolExit(`failed to measure '${path}': Success`);
  }
  try {
    const { size, digests } = hashFile(file, { verity: { verity: { algorithm: "sha256" } } });
    return size === 0 ? emptyAsComposefs() : digests.verity;
  } catch (error) {
    if (!isStoreError(error)) throw error;
    throw new ToolExit(`failed to measure '${path}': No data available`);
  }
}

/** The kernel takes zeros for the root of an empty file's hashes; the tool takes the hash of an empty block. */
function emptyAsComposefs(): string {
  const descriptor = Buffer.alloc(256);
  descriptor.set([1, 1, 12]);
  descriptor.set(hash("sha256", Buffer.alloc(4096), "buffer"), 16);
  return hash("sha256", descriptor, "hex");
}
