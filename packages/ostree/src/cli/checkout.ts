import { type ByteString, isStoreError, utf8 } from "@bootc-store/core";
import type { Dir } from "@bootc-store/linux";

import { checkout } from "../checkout/checkout.ts";
import { checkoutFile } from "../checkout/file.ts";
import { labelsAt } from "../checkout/labels.ts";
import type { CheckoutOptions, Overwrite } from "../checkout/options.ts";
import { lookupPath, pathParts, rootOf, type TreeNode } from "../read/tree-path.ts";
import { revParse } from "../read/rev-parse.ts";
import type { Repo } from "../repo/repo.ts";
import { type LabelRule, labelRule, policyOf, rootReader } from "../selinux/policy.ts";
import { checkoutImage, type ImageKind, imageWanted } from "./checkout-image.ts";
import { command } from "./command.ts";
import type { Cli } from "./context.ts";
import { OstreeFailure } from "./failure.ts";
import { parseBoolean, pathList } from "./values.ts";

export const checkoutCommand = command({
  name: "checkout",
  usage: "COMMIT [DESTINATION]",
  options: {
    "user-mode": { kind: "flag", short: "U" },
    "disable-cache": { kind: "flag" },
    subpath: { kind: "value" },
    union: { kind: "flag" },
    "union-add": { kind: "flag" },
    "union-identical": { kind: "flag" },
    whiteouts: { kind: "flag" },
    "process-passthrough-whiteouts": { kind: "flag" },
    "allow-noent": { kind: "flag" },
    "from-stdin": { kind: "flag" },
    "from-file": { kind: "value" },
    fsync: { kind: "value" },
    "disable-fsync": { kind: "flag" },
    "require-hardlinks": { kind: "flag", short: "H" },
    "force-copy": { kind: "flag", short: "C" },
    "force-copy-zerosized": { kind: "flag", short: "z" },
    "bareuseronly-dirs": { kind: "flag", short: "M" },
    "skip-list": { kind: "value" },
    "selinux-policy": { kind: "value" },
    "selinux-prefix": { kind: "value" },
    composefs: { kind: "flag" },
    "composefs-noverity": { kind: "flag" },
  },
  async run(cli, options, args) {
    const image = imageWanted(options);
    if (options["selinux-prefix"] !== undefined && options["selinux-policy"] === undefined) {
      throw new OstreeFailure("Cannot specify --selinux-prefix without --selinux-policy");
    }
    const forceCopy = options["force-copy"] || options["selinux-policy"] !== undefined;
    const overwrites: [boolean, Overwrite][] = [
      [options.union, "union"],
      [options["union-add"], "add"],
      [options["union-identical"], "identical"],
    ];
    const chosen = overwrites.filter(([given]) => given).map(([, overwrite]) => overwrite);
    if (chosen.length > 1) throw new OstreeFailure("Cannot specify both --union and --union-add");
    if (options["require-hardlinks"] && forceCopy) {
      throw new OstreeFailure("Cannot specify both --require-hardlinks and --force-copy");
    }
    if (options["union-identical"] && !options["require-hardlinks"]) {
      throw new OstreeFailure("--union-identical requires --require-hardlinks");
    }
    const fsync = options["disable-fsync"]
      ? false
      : options.fsync === undefined
        ? undefined
        : parseBoolean(options.fsync);
    const rule =
      options["selinux-policy"] === undefined ? undefined : await labelsOf(cli, options["selinux-policy"]);
    const place: Place = {
      allowMissing: options["allow-noent"],
      image,
      label: rule === undefined ? undefined : { rule, prefix: options["selinux-prefix"] },
    };
    const wanted: CheckoutOptions = {
      userMode: options["user-mode"],
      overwrite: chosen[0] ?? "refuse",
      // As ostree has it, what it takes its newer way for does without the cache.
      cache:
        !options["disable-cache"] &&
        !options["union-add"] &&
        !forceCopy &&
        !options["force-copy-zerosized"] &&
        !options.whiteouts &&
        !options["process-passthrough-whiteouts"] &&
        !options["bareuseronly-dirs"] &&
        !options["require-hardlinks"],
      forceCopy,
      requireHardlinks: options["require-hardlinks"],
      whiteouts: options.whiteouts,
      passthroughWhiteouts: options["process-passthrough-whiteouts"],
      bareUserOnlyDirs: options["bareuseronly-dirs"],
      ...(options["skip-list"] === undefined ? {} : { skip: pathList(cli.readText(options["skip-list"])) }),
      ...(fsync === undefined ? {} : { fsync }),
      signal: cli.context.signal,
    };
    using repo = cli.openRepo(options.repo, { threads: true });
    const list = options["from-stdin"] || options["from-file"] !== undefined;
    if (list) {
      const destination = args[0];
      if (destination === undefined) throw new OstreeFailure("DESTINATION must be specified", true);
      for (const [rev, subpath] of await readList(cli, options["from-file"])) {
        await one(cli, repo, revParse(repo, rev), subpath, destination, wanted, place);
      }
      return;
    }
    const [rev, destination = rev] = args;
    if (rev === undefined || destination === undefined)
      throw new OstreeFailure("COMMIT must be specified", true);
    await one(cli, repo, revParse(repo, rev), options.subpath, destination, wanted, place);
  },
});

interface Place {
  readonly allowMissing: boolean;
  readonly image: ImageKind | undefined;
  readonly label: { readonly rule: LabelRule; readonly prefix: string | undefined } | undefined;
}

async function one(
  cli: Cli,
  repo: Repo,
  commit: string,
  subpath: string | undefined,
  destination: string,
  plain: CheckoutOptions,
  { allowMissing, image, label }: Place,
): Promise<void> {
  if (image !== undefined) return await checkoutImage(cli, repo, commit, destination, image, plain);
  let node: TreeNode;
  try {
    node = lookupPath(repo, rootOf(repo, commit), utf8(subpath ?? "/"));
  } catch (error) {
    if (allowMissing && isStoreError(error, "ostree/path-not-found")) return;
    throw error;
  }
  const options: CheckoutOptions =
    label === undefined
      ? plain
      : { ...plain, label: { rule: label.rule, prefix: utf8(label.prefix ?? prefixOf(node, subpath)) } };
  if (node.kind === "file")
    return await single(cli, repo, node.checksum, utf8(subpath ?? ""), destination, options);
  const trimmed = destination.replace(/\/+$/, "");
  if (
    trimmed === "" ||
    trimmed === "." ||
    trimmed.endsWith("/..") ||
    trimmed === ".." ||
    trimmed.endsWith("/.")
  ) {
    using dir = cli.context.openDir(destination);
    await inPlace(repo, node, dir, options);
    return;
  }
  const { dir, name } = cli.openParent(destination);
  using parent = dir;
  await checkout(repo, node, parent, name, options);
}

/** What the destination is for the policy: the directory in the commit. */
function prefixOf({ kind }: TreeNode, subpath = "/"): string {
  const path = subpath.replace(/\/+$/, "");
  return kind === "directory" ? path : path.slice(0, Math.max(0, path.lastIndexOf("/")));
}

async function labelsOf(cli: Cli, path: string): Promise<LabelRule | undefined> {
  using root = cli.context.openDir(path);
  const policy = await policyOf(rootReader(root));
  return policy === undefined ? undefined : labelRule(policy);
}

/** Into a directory that has no name to give, like `.`. */
async function inPlace(
  repo: Repo,
  node: TreeNode & { kind: "directory" },
  dir: Dir,
  options: CheckoutOptions,
): Promise<void> {
  if ((options.overwrite ?? "refuse") === "refuse") throw new OstreeFailure("mkdirat: File exists");
  const tree = repo.readDirtree(node.tree);
  for (const [name, checksum] of tree.files) await placeFile(repo, dir, name, checksum, options);
  const { label, ...plain } = options;
  for (const [name, child] of tree.dirs) {
    const below = label && { ...label, prefix: `${label.prefix}/${name}` as ByteString };
    const own = below === undefined ? plain : { ...plain, label: below };
    await checkout(repo, { kind: "directory", ...child }, dir, name, own);
  }
}

/** A file comes into a directory, which is made if it is not there. */
async function single(
  cli: Cli,
  repo: Repo,
  checksum: string,
  path: ByteString,
  destination: string,
  options: CheckoutOptions,
): Promise<void> {
  const { dir, name } = cli.openParent(destination);
  using parent = dir;
  if (destination !== ".") parent.ensureDir(name, { mode: 0o700 });
  using into = destination === "." ? cli.context.openDir(".") : parent.openDir(name);
  await placeFile(repo, into, pathParts(path).at(-1) as ByteString, checksum, options);
}

async function placeFile(
  repo: Repo,
  into: Dir,
  name: ByteString,
  checksum: string,
  options: CheckoutOptions,
): Promise<void> {
  const rules = rulesOf(repo, options);
  const labels = rules.userMode ? undefined : labelsAt(options, "", name);
  await checkoutFile(repo.reader, into, name, checksum, rules, labels);
}

function rulesOf(repo: Repo, options: CheckoutOptions): Parameters<typeof checkoutFile>[4] {
  return {
    userMode: options.userMode === true || repo.mode === "bare-user-only",
    overwrite: options.overwrite ?? "refuse",
    forceCopy: options.forceCopy ?? false,
    requireHardlinks: options.requireHardlinks ?? false,
    replaceDirectories: options.whiteouts ?? false,
  };
}

/** Pairs of a revision and a path, each ended by a NUL byte. */
async function readList(cli: Cli, file: string | undefined): Promise<[rev: string, path: string][]> {
  let text: string;
  if (file !== undefined && file !== "-") text = cli.readText(file);
  else {
    const pieces: Uint8Array[] = [];
    for await (const piece of cli.context.stdin) pieces.push(piece);
    text = Buffer.concat(pieces).toString("utf8");
  }
  const words = text.split("\0");
  const pairs: [string, string][] = [];
  for (let at = 0; at + 1 < words.length && words[at] !== ""; at += 2)
    pairs.push([words[at] as string, words[at + 1] as string]);
  return pairs;
}
