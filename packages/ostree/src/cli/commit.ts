import { type ByteString, displayName, isStoreError } from "@bootc-store/core";
import { fileKey } from "@bootc-store/linux";
import { decompress } from "@bootc-store/oci";

import { bootableMetadata } from "../commit/bootable.ts";
import { type DevinoCache, scanDevino } from "../commit/devino.ts";
import { storeCommitTree } from "../commit/from-commit.ts";
import { storeDirectory } from "../commit/from-directory.ts";
import { storeTar } from "../commit/from-tar.ts";
import type { CommitModifier } from "../commit/modifier.ts";
import { MutableTree } from "../commit/mutable-tree.ts";
import { writeCommit } from "../commit/write-commit.ts";
import { composefsDigest, withComposefsDigest } from "../composefs/image.ts";
import { type Checksum, isChecksum } from "../format/checksum.ts";
import { type Dict, lookupVariant, parseVariantText, variant, type Variant } from "../gvariant/index.ts";
import { revParse } from "../read/rev-parse.ts";
import { commitSizes } from "../read/commit-sizes.ts";
import type { Repo } from "../repo/repo.ts";
import type { Transaction } from "../repo/transaction.ts";
import type { LabelRule } from "../selinux/policy.ts";
import { command } from "./command.ts";
import { checkLabelOptions, labelOf } from "./commit-labels.ts";
import type { Cli } from "./context.ts";
import { parseDate } from "./date.ts";
import { OstreeFailure } from "./failure.ts";
import { parseBoolean, pathList, statOverrides } from "./values.ts";

const OPTIONS = {
  parent: { kind: "value" },
  subject: { kind: "value", short: "s" },
  body: { kind: "value", short: "m" },
  "body-file": { kind: "value", short: "F" },
  branch: { kind: "value", short: "b" },
  orphan: { kind: "flag" },
  "no-bindings": { kind: "flag" },
  "bind-ref": { kind: "list" },
  base: { kind: "value" },
  tree: { kind: "list" },
  "add-metadata-string": { kind: "list" },
  "add-metadata": { kind: "list" },
  "keep-metadata": { kind: "list" },
  "add-detached-metadata-string": { kind: "list" },
  "owner-uid": { kind: "number" },
  "owner-gid": { kind: "number" },
  "canonical-permissions": { kind: "flag" },
  bootable: { kind: "flag" },
  "mode-ro-executables": { kind: "flag" },
  "no-xattrs": { kind: "flag" },
  "selinux-policy": { kind: "value" },
  "selinux-policy-from-base": { kind: "flag", short: "P" },
  "selinux-labeling-epoch": { kind: "number" },
  "link-checkout-speedup": { kind: "flag" },
  "devino-canonical": { kind: "flag", short: "I" },
  "tar-autocreate-parents": { kind: "flag" },
  "tar-pathname-filter": { kind: "value" },
  "skip-if-unchanged": { kind: "flag" },
  statoverride: { kind: "value" },
  "skip-list": { kind: "value" },
  consume: { kind: "flag" },
  "table-output": { kind: "flag" },
  "generate-sizes": { kind: "flag" },
  "generate-composefs-metadata": { kind: "flag" },
  "disable-fsync": { kind: "flag" },
  fsync: { kind: "value" },
  timestamp: { kind: "value" },
} as const;

export const commitCommand = command({
  name: "commit",
  usage: "[PATH]",
  options: OPTIONS,
  async run(cli, options, args) {
    if (options.branch === undefined && !options.orphan) {
      throw new OstreeFailure("A branch must be specified with --branch, or use --orphan");
    }
    if (options["canonical-permissions"] && (options["owner-uid"] ?? 0) > 0) {
      throw new OstreeFailure("Cannot specify both --canonical-permissions and non-zero --owner-uid");
    }
    if (options["canonical-permissions"] && (options["owner-gid"] ?? 0) > 0) {
      throw new OstreeFailure("Cannot specify both --canonical-permissions and non-zero --owner-gid");
    }
    const trees = options.tree.map(parseTree);
    if (trees.length === 0 && (options.base === undefined || args.length > 0)) {
      trees.push({ kind: "dir", at: args[0] ?? "." });
    }
    checkLabelOptions(options);
    using repo = cli.openRepo(options.repo, { threads: true });
    const label = await labelOf(cli, repo, options, trees);
    const modifier = modifierOf(cli, options, label);
    const parent = parentOf(repo, options.parent, options.branch, options.orphan);
    const fsync = options["disable-fsync"]
      ? false
      : options.fsync === undefined
        ? undefined
        : parseBoolean(options.fsync);
    const body = options["body-file"] === undefined ? options.body : cli.readText(options["body-file"]);
    const given = await metadata(repo, options, parent);
    await using transaction = await repo.begin({
      signal: cli.context.signal,
      ...(fsync === undefined ? {} : { fsync }),
    });
    const devino =
      options["link-checkout-speedup"] || options["devino-canonical"]
        ? scanDevino(repo.dir, repo.mode)
        : undefined;
    const root = new MutableTree();
    const matched = new Set<ByteString>();
    if (options.base !== undefined) {
      const base = repo.readCommit(revParse(repo, options.base));
      await storeCommitTree(transaction, base, root);
    }
    for (const tree of trees) {
      await store(cli, transaction, tree, root, { modifier, matched, devino, options });
    }
    await checkMatched(cli, modifier, matched);
    if (cli.context.env["OSTREE_REPO_TEST_ERROR"] === "pre-commit") {
      // As ostree lets itself be tested: it ends as if killed here.
      transaction.leave();
      throw new OstreeFailure("OSTREE_REPO_TEST_ERROR_PRE_COMMIT error requested");
    }
    const written = root.write(transaction);
    let checksum: string;
    if (options["skip-if-unchanged"] && parent !== undefined && unchanged(repo, parent, written)) {
      checksum = parent;
      await transaction.commit();
    } else {
      const detached = stringPairs(options["add-detached-metadata-string"]);
      const sizes =
        options["generate-sizes"] && repo.mode === "archive" ? commitSizes(transaction, written) : [];
      const finish = await finishMetadata(transaction, root, written, options);
      checksum = writeCommit(transaction, written, {
        ...(options.orphan || options.branch === undefined ? {} : { branch: options.branch }),
        parent: parent ?? null,
        subject: options.subject ?? "",
        body: body ?? "",
        timestamp: timestampOf(cli, options.timestamp),
        metadata: given,
        bindRefs: options["bind-ref"],
        bindings: !options["no-bindings"],
        trailingMetadata: sizes,
        finishMetadata: finish,
        ...(detached.length === 0 ? {} : { detachedMetadata: detached }),
      });
      await transaction.commit();
    }
    if (!options["table-output"]) {
      await cli.line(checksum);
      return;
    }
    const { stats } = transaction;
    await cli.line(`Commit: ${checksum}`);
    await cli.line(`Metadata Total: ${stats.metadataTotal}`);
    await cli.line(`Metadata Written: ${stats.metadataWritten}`);
    await cli.line(`Content Total: ${stats.contentTotal}`);
    await cli.line(`Content Written: ${stats.contentWritten}`);
    await cli.line(`Content Cache Hits: ${stats.contentCacheHits}`);
    await cli.line(`Content Bytes Written: ${stats.contentBytesWritten}`);
  },
});

/** What is put into the metadata last. */
async function finishMetadata(
  transaction: Transaction,
  root: MutableTree,
  written: { readonly tree: Checksum; readonly meta: Checksum },
  options: { readonly bootable: boolean; readonly "generate-composefs-metadata": boolean },
): Promise<(all: Dict) => Dict> {
  const digest = options["generate-composefs-metadata"]
    ? await composefsDigest(transaction, written)
    : undefined;
  return (all) => {
    const marked = options.bootable ? bootableMetadata(all, root) : all;
    return digest === undefined ? marked : withComposefsDigest(marked, digest);
  };
}

export interface TreeSpec {
  readonly kind: "dir" | "tar" | "ref";
  readonly at: string;
}

function parseTree(text: string): TreeSpec {
  const equals = text.indexOf("=");
  if (equals < 0) throw new OstreeFailure(`Missing type in tree specification '${text}'`);
  const kind = text.slice(0, equals);
  if (kind !== "dir" && kind !== "tar" && kind !== "ref") {
    throw new OstreeFailure(`Invalid tree type specification '${kind}'`);
  }
  return { kind, at: text.slice(equals + 1) };
}

interface ModifierOptions {
  readonly "owner-uid": number | undefined;
  readonly "owner-gid": number | undefined;
  readonly "canonical-permissions": boolean;
  readonly "mode-ro-executables": boolean;
  readonly "no-xattrs": boolean;
  readonly statoverride: string | undefined;
  readonly "skip-list": string | undefined;
}

/** `undefined` where nothing is changed, so that trees of commits are taken as they are. */
function modifierOf(
  cli: Cli,
  options: ModifierOptions,
  label: LabelRule | undefined,
): CommitModifier | undefined {
  const uid = options["owner-uid"];
  const gid = options["owner-gid"];
  const modifier: CommitModifier = {
    ...(uid === undefined || uid < 0 ? {} : { ownerUid: uid }),
    ...(gid === undefined || gid < 0 ? {} : { ownerGid: gid }),
    ...(options["canonical-permissions"] ? { canonicalPermissions: true } : {}),
    ...(options["mode-ro-executables"] ? { readOnlyExecutables: true } : {}),
    ...(options["no-xattrs"] ? { noXattrs: true } : {}),
    ...(options.statoverride === undefined
      ? {}
      : { statOverrides: statOverrides(cli.readText(options.statoverride)) }),
    ...(label === undefined ? {} : { label }),
    ...(options["skip-list"] === undefined ? {} : { skip: pathList(cli.readText(options["skip-list"])) }),
  };
  return Object.keys(modifier).length === 0 ? undefined : modifier;
}

function parentOf(
  repo: Repo,
  given: string | undefined,
  branch: string | undefined,
  orphan: boolean,
): string | undefined {
  if (given === "none") return undefined;
  if (given !== undefined) {
    if (!isChecksum(given)) throw new OstreeFailure(`Invalid rev ${given}`);
    return given;
  }
  return orphan || branch === undefined ? undefined : repo.refs.lookup(branch);
}

interface MetadataOptions {
  readonly "add-metadata-string": readonly string[];
  readonly "add-metadata": readonly string[];
  readonly "keep-metadata": readonly string[];
  readonly branch: string | undefined;
}

async function metadata(repo: Repo, options: MetadataOptions, parent: string | undefined): Promise<Dict> {
  const list: [string, Variant][] = [...stringPairs(options["add-metadata-string"])];
  for (const pair of options["add-metadata"]) {
    const [key, value] = splitPair(pair);
    list.push([key, parseValue(pair, value)]);
  }
  if (list.some(([key]) => key === "")) throw new OstreeFailure("Empty metadata key");
  const kept = options["keep-metadata"];
  if (kept.length > 0) {
    if (parent === undefined)
      throw new OstreeFailure("Either --branch or --parent must be specified when using --keep-metadata");
    const before = repo.readCommit(parent).metadata;
    for (const key of kept) {
      const found = lookupVariant(before, key);
      if (found === undefined)
        throw new OstreeFailure(`Missing metadata key '${key}' from commit '${parent}'`);
      list.push([key, found]);
    }
  }
  return list;
}

function stringPairs(pairs: readonly string[]): [string, Variant][] {
  return pairs.map((pair) => {
    const [key, value] = splitPair(pair);
    return [key, variant("s", value)];
  });
}

function parseValue(pair: string, text: string): Variant {
  try {
    return parseVariantText(text);
  } catch (error) {
    if (isStoreError(error)) throw new OstreeFailure(`Parsing ${pair}: ${error.message}`);
    throw error;
  }
}

function splitPair(pair: string): [key: string, value: string] {
  const equals = pair.indexOf("=");
  if (equals < 0) throw new OstreeFailure(`Missing '=' in KEY=VALUE metadata '${pair}'`);
  return [pair.slice(0, equals), pair.slice(equals + 1)];
}

function timestampOf(cli: Cli, given: string | undefined): bigint {
  if (given !== undefined) return parseDate(given);
  const epoch = cli.context.env["SOURCE_DATE_EPOCH"];
  if (epoch !== undefined) {
    if (!/^-?[0-9]+$/.test(epoch)) throw new OstreeFailure(`Failed to convert SOURCE_DATE_EPOCH`);
    const seconds = BigInt(epoch);
    if (seconds !== BigInt.asIntN(64, seconds)) {
      throw new OstreeFailure("Parsing SOURCE_DATE_EPOCH: Numerical result out of range");
    }
    return seconds;
  }
  return BigInt(Math.floor(Date.now() / 1000));
}

interface StoreContext {
  readonly modifier: CommitModifier | undefined;
  readonly matched: Set<ByteString>;
  readonly devino: DevinoCache | undefined;
  readonly options: {
    readonly "devino-canonical": boolean;
    readonly consume: boolean;
    readonly "tar-autocreate-parents": boolean;
    readonly "tar-pathname-filter": string | undefined;
  };
}

async function store(
  cli: Cli,
  transaction: Transaction,
  tree: TreeSpec,
  root: MutableTree,
  { modifier, matched, devino, options }: StoreContext,
): Promise<void> {
  const { repo } = transaction;
  const common = { matched, signal: cli.context.signal, ...(modifier === undefined ? {} : { modifier }) };
  if (tree.kind === "ref") {
    await storeCommitTree(transaction, repo.readCommit(revParse(repo, tree.at)), root, common);
  } else if (tree.kind === "tar") {
    const filter = options["tar-pathname-filter"];
    await storeTar(transaction, archive(cli, tree.at), root, {
      ...common,
      autocreateParents: options["tar-autocreate-parents"],
      ...(filter === undefined ? {} : { rename: pathFilter(filter) }),
    });
  } else {
    using dir = cli.context.openDir(tree.at);
    await storeDirectory(transaction, dir, root, {
      ...common,
      ...(devino === undefined ? {} : { devino, devinoCanonical: options["devino-canonical"] }),
      consume: options.consume,
    });
    if (options.consume && tree.at !== ".") {
      const { dir: parent, name } = cli.openParent(tree.at);
      using above = parent;
      if (name !== "" && fileKey(above.stat(name)) === fileKey(dir.statSelf())) above.remove(name);
    }
  }
}

/** An archive from a file or standard input, decompressed. */
function archive(cli: Cli, path: string): AsyncGenerator<Uint8Array> {
  // What somebody names to be committed is theirs; zeros shrink as far as they do.
  return decompress(path === "-" ? cli.context.stdin : pieces(cli, path), { limits: { maxRatio: 2000 } });
}

async function* pieces(cli: Cli, path: string): AsyncGenerator<Uint8Array> {
  using file = cli.openFile(path);
  for (;;) {
    const buffer = Buffer.allocUnsafeSlow(1 << 18);
    const count = file.read(buffer);
    if (count === 0) return;
    yield buffer.subarray(0, count);
  }
}

/** `REGEX,REPLACEMENT`, where `\1` is the first group. */
function pathFilter(text: string): (path: string) => string {
  const comma = text.indexOf(",");
  if (comma < 0) throw new OstreeFailure("Missing ',' in --tar-pathname-filter");
  const regex = new RegExp(text.slice(0, comma), "gu");
  const replacement = text
    .slice(comma + 1)
    .replaceAll("$", "$$$$")
    .replace(/\\(\d)/g, (_, digit: string) => (digit === "0" ? "$&" : `$${digit}`));
  return (path) => path.replace(regex, replacement);
}

async function checkMatched(
  cli: Cli,
  modifier: CommitModifier | undefined,
  matched: ReadonlySet<ByteString>,
): Promise<void> {
  // Lines that set a mode need not name anything.
  const overrides = [...(modifier?.statOverrides ?? [])].filter(
    ([path, { set }]) => set === undefined && !matched.has(path),
  );
  for (const [path] of overrides) await cli.note(`Unmatched statoverride path: ${displayName(path)}`);
  if (overrides.length > 0) throw new OstreeFailure("Unmatched statoverride paths");
  const skips = [...(modifier?.skip ?? [])].filter((path) => !matched.has(path));
  for (const path of skips) await cli.note(`Unmatched skip-list path: ${displayName(path)}`);
  if (skips.length > 0) throw new OstreeFailure("Unmatched skip-list paths");
}

function unchanged(repo: Repo, parent: string, root: { tree: string; meta: string }): boolean {
  const before = repo.readCommit(parent);
  return before.tree === root.tree && before.meta === root.meta;
}
