// `mkcomposefs` of composefs 1.0.8: an image of a directory or a dump file.

import { availableParallelism } from "node:os";

import type { DropIn, DropInContext } from "@bootc-store/backend/command";
import { byteString, type ByteString, concatBytes, isStoreError, utf8 } from "@bootc-store/core";
import { type ImageDirectory, parseDumpC, writeImage } from "@bootc-store/erofs";
import { computeVerity, createPool, type Dir, type File } from "@bootc-store/linux";

import { readDirectory } from "../directory/read-directory.ts";
import { failed, refused, ToolExit } from "./fail.ts";
import { type LongOptions, parseOptions } from "./getopt.ts";
import { openHostFile, readHostFile } from "./host-files.ts";

const NAME = "mkcomposefs";

const OPTIONS: LongOptions<
  | "skip-xattrs"
  | "user-xattrs"
  | "skip-devices"
  | "use-epoch"
  | "digest-store"
  | "print-digest"
  | "print-digest-only"
  | "from-file"
  | "max-version"
  | "min-version"
  | "threads"
> = {
  "skip-xattrs": "flag",
  "user-xattrs": "flag",
  "skip-devices": "flag",
  "use-epoch": "flag",
  "digest-store": "value",
  "print-digest": "flag",
  "print-digest-only": "flag",
  "from-file": "flag",
  "max-version": "value",
  "min-version": "value",
  threads: "value",
};

const usage = (): string => `Usage: ${NAME} [OPTIONS] SOURCE IMAGE
Options:
  --digest-store=PATH   Store content files in this directory
  --use-epoch           Make all mtimes zero
  --skip-devices        Don't store device nodes
  --skip-xattrs         Don't store file xattrs
  --user-xattrs         Only store user.* xattrs
  --print-digest        Print the digest of the image
  --print-digest-only   Print the digest of the image, don't write image
  --from-file           The source is a dump file, not a directory
  --min-version=N       Use this minimal format version (default=0)
  --max-version=N       Use this maximum format version (default=1)
  --threads=N           Use this to override the default number of threads used to calculate digest and copy files (default=${availableParallelism()})
`;

/** What is wanted, however it was said. */
export interface MakeRequest {
  readonly source: string;
  /** Undefined: only the digest is wanted. */
  readonly image: string | undefined;
  readonly printDigest: boolean;
  readonly fromFile: boolean;
  readonly store: string | undefined;
  readonly xattrs: "all" | "user" | "none" | "conflict";
  readonly devices: boolean;
  readonly zeroTimes: boolean;
  readonly minVersion: number;
  readonly maxVersion: number;
  readonly threads: number | undefined;
  /** Whether names of one inode of the host are one file. */
  readonly hardLinks?: "one" | "each";
  /** How a dump file is read; as the program of C does it unless given. */
  readonly parseDump?: (text: ByteString) => ImageDirectory;
}

export const mkcomposefs: DropIn = {
  name: NAME,
  summary: "make a composefs image of a directory or a dump file",
  async run(context) {
    try {
      await make(context, parseRequest(context.argv));
      return 0;
    } catch (error) {
      if (!(error instanceof ToolExit)) throw error;
      await context.writeErr(error.text);
      return 1;
    }
  },
};

function parseRequest(argv: readonly string[]): MakeRequest {
  const { options, operands } = parseOptions(argv, OPTIONS);
  const flags = new Set<string>();
  let store: string | undefined;
  let threads: number | undefined;
  const versions: { min?: number; max?: number } = {};
  for (const option of options) {
    if ("problem" in option) {
      throw new ToolExit(option.problem === "missing-value" ? "option needs a value\n" : usage());
    }
    const { name, value } = option;
    if (name === "digest-store") store = value;
    else if (name === "min-version") versions.min = integer(value, "min version");
    else if (name === "max-version") versions.max = integer(value, "max version");
    else if (name === "threads") {
      threads = integer(value, "threads count");
      if (threads <= 0) throw new ToolExit(`Invalid threads count ${threads}\n`);
    } else flags.add(name);
  }
  const versionsGiven = versions.min !== undefined || versions.max !== undefined;
  const digestOnly = flags.has("print-digest-only");
  const [source, image] = operands;
  if (source === undefined) throw new ToolExit(`No source path specified\n${usage()}`);
  if (source === "") throw refused(NAME, "Empty source path specified");
  if (operands.length > 2) throw new ToolExit(`Too many arguments\n${usage()}`);
  if (image === undefined && !digestOnly) throw new ToolExit(`No destination path specified\n${usage()}`);
  if (image !== undefined && digestOnly) {
    throw new ToolExit(`Cannot specify destination path with --print-digest-only\n${usage()}`);
  }
  const skip = flags.has("skip-xattrs");
  const user = flags.has("user-xattrs");
  return {
    source,
    image,
    printDigest: digestOnly || flags.has("print-digest"),
    fromFile: flags.has("from-file"),
    store,
    xattrs: skip && user ? "conflict" : skip ? "none" : user ? "user" : "all",
    devices: !flags.has("skip-devices"),
    zeroTimes: flags.has("use-epoch"),
    minVersion: versions.min ?? 0,
    maxVersion: versions.max ?? (versionsGiven ? 0 : 1),
    threads,
  };
}

/** As strtol(3) and a cast to 32 bits leave it. */
function integer(text: string, what: string): number {
  if (!/^[ \t\n\v\f\r]*[+-]?\d+$/.test(text)) throw new ToolExit(`Invalid ${what} ${text}\n`);
  const value = BigInt(text.trim().replace("+", ""));
  const most = (1n << 63n) - 1n;
  return Number(BigInt.asIntN(32, value > most ? most : value < -most ? -most - 1n : value));
}

export async function make(context: DropInContext, request: MakeRequest): Promise<void> {
  const { image, printDigest } = request;
  // Opened, and with that emptied, before anything else is looked at.
  using output = image === undefined || image === "-" ? undefined : openOutput(context, image);
  const root = request.fromFile ? await fromDump(context, request) : await fromDirectory(context, request);
  const bytes = build(root, request);
  if (output !== undefined) {
    try {
      output.write(bytes);
    } catch (error) {
      throw failed(NAME, "cannot write file", error);
    }
  } else if (image === "-") await context.writeOut(bytes);
  if (printDigest) {
    await context.writeOut(`${computeVerity(bytes, { algorithm: "sha256" }).toString("hex")}\n`);
  }
}

function openOutput(context: DropInContext, image: string): File {
  try {
    return openHostFile(context, image, { access: "write", truncate: true, create: 0o666 });
  } catch (error) {
    throw failed(NAME, "failed to open output file", error);
  }
}

function build(root: ImageDirectory, { minVersion, maxVersion }: MakeRequest): Uint8Array {
  const invalid = refused(NAME, "cannot write file: Invalid argument");
  if (!isVersion(minVersion)) throw invalid;
  const most = Math.max(minVersion, maxVersion);
  // A negative number is one above all to the program.
  if (maxVersion < 0 || !isVersion(most)) throw invalid;
  try {
    return writeImage(root, { writer: "c", minVersion, maxVersion: most });
  } catch (error) {
    throw failed(NAME, "cannot write file", error);
  }
}

function isVersion(value: number): value is 0 | 1 {
  return value === 0 || value === 1;
}

async function fromDump(context: DropInContext, { source, parseDump }: MakeRequest): Promise<ImageDirectory> {
  const text = await readDump(context, source);
  try {
    if (parseDump !== undefined) return parseDump(text);
    return parseDumpC(text, { strict: context.env["CFS_PARSE_STRICT"] !== undefined });
  } catch (error) {
    if (!isStoreError(error)) throw error;
    throw refused(NAME, error.message);
  }
}

async function readDump(context: DropInContext, source: string): Promise<ByteString> {
  if (source === "-" || source === "/dev/stdin") {
    const chunks: Uint8Array[] = [];
    for await (const chunk of context.stdin) chunks.push(chunk);
    return byteString(concatBytes(chunks));
  }
  let bytes: Buffer;
  try {
    bytes = readHostFile(context, source);
  } catch (error) {
    if (isStoreError(error) && error.code === "linux/is-a-directory") {
      throw refused(NAME, "Error reading from file");
    }
    throw failed(NAME, `open \`${source}\``, error);
  }
  return byteString(bytes);
}

async function fromDirectory(context: DropInContext, request: MakeRequest): Promise<ImageDirectory> {
  const { source, store, xattrs, devices, zeroTimes, threads } = request;
  if (xattrs === "conflict") throw refused(NAME, `error accessing ${source}: Invalid argument`);
  const dir = openSource(context, source);
  await using own = threads === undefined ? undefined : createPool({ size: threads === 1 ? 0 : threads });
  let filling = false;
  try {
    const { root } = await readDirectory(dir, {
      pool: own ?? context.pool(),
      algorithm: "sha256",
      xattrs,
      devices,
      zeroTimes,
      hardLinks: request.hardLinks ?? "each",
      signal: context.signal,
      ...(store === undefined
        ? {}
        : {
            store: () => {
              filling = true;
              return context.ensureDir(store);
            },
          }),
    });
    return root;
  } catch (error) {
    if (!isStoreError(error) || error.kind === "cancelled" || error.kind === "bug") throw error;
    if (filling) throw failed(NAME, "cannot fill store", error);
    const { path } = error.context;
    const place = typeof path === "string" && path !== "." ? join(source, path) : source;
    throw failed(NAME, `error accessing ${place}`, error);
  }
}

/** Anything that is there is read; what is no directory cannot be written as an image. */
function openSource(context: DropInContext, source: string): Dir {
  const slash = source.lastIndexOf("/") + 1;
  const name = source.slice(slash);
  try {
    // A link is not followed, unless what is written behind it makes it a directory.
    if (["", ".", ".."].includes(name)) return context.openDir(source);
    const { type } = context.openDir(slash === 0 ? "." : source.slice(0, slash)).stat(utf8(name));
    if (type === "directory") return context.openDir(source);
  } catch (error) {
    throw failed(NAME, `error accessing ${source}`, error);
  }
  throw refused(NAME, "cannot write file: Not a directory");
}

function join(source: string, path: string): string {
  return source.endsWith("/") ? `${source}${path}` : `${source}/${path}`;
}
