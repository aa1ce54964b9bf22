import type { ByteString } from "@bootc-store/core";

import { revParse, revParseOptional } from "../read/rev-parse.ts";
import { isChecksum } from "../format/checksum.ts";
import { parseRefspec } from "../repo/ref-name.ts";
import { type FoundRef, HEADS, type RefOwner } from "../repo/refs.ts";
import type { Repo } from "../repo/repo.ts";
import { command } from "./command.ts";
import type { Cli } from "./context.ts";
import { OstreeFailure } from "./failure.ts";

const OPTIONS = {
  delete: { kind: "flag" },
  list: { kind: "flag" },
  revision: { kind: "flag", short: "r" },
  alias: { kind: "flag", short: "A" },
  create: { kind: "value" },
  collections: { kind: "flag", short: "c" },
  force: { kind: "flag" },
} as const;

export const refs = command({
  name: "refs",
  usage: "[PREFIX]",
  options: OPTIONS,
  async run(cli, options, args) {
    using repo = cli.openRepo(options.repo);
    if (options.delete && (options.list || options.create !== undefined)) {
      throw new OstreeFailure("--delete cannot be specified together with --list or --create", true);
    }
    if (args.length === 0 && options.delete) {
      throw new OstreeFailure("At least one PREFIX is required when deleting refs", true);
    }
    if (args.length === 0 && options.create !== undefined) {
      throw new OstreeFailure("At least one PREFIX is required when creating refs", true);
    }
    if (options.create !== undefined)
      return create(repo, options.create, args, options.alias, options.force, options.collections);
    if (options.delete) return remove(repo, args, options.collections);
    for (const path of ["refs/heads", "refs/remotes"]) {
      if (repo.dir.typeOptional(path as ByteString) !== undefined) continue;
      throw new OstreeFailure(`Listing refs: opendir(${path}): No such file or directory`);
    }
    const lines: string[] = [];
    for (const prefix of args.length === 0 ? [undefined] : args) {
      lines.push(...list(repo, prefix, options));
    }
    for (const line of lines) await cli.line(line);
  },
});

type ListOptions = {
  readonly list: boolean;
  readonly revision: boolean;
  readonly alias: boolean;
  readonly collections: boolean;
};

function list(repo: Repo, prefix: string | undefined, options: ListOptions): string[] {
  if (options.collections) return listCollections(repo, prefix, options);
  const all = repo.refs
    .listAll()
    .filter(({ owner, alias }) => owner.kind !== "mirror" && (!options.alias || alias !== undefined));
  const lines: [name: string, line: string][] = [];
  for (const found of all) {
    const name = refspecOf(found);
    const shown = prefix === undefined ? name : below(name, prefix, options.list);
    if (shown === undefined) continue;
    if (options.alias) lines.push([shown, `${shown} -> ${found.alias}`]);
    else lines.push([shown, options.revision ? `${shown}\t${found.checksum}` : shown]);
  }
  return lines.sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b))).map(([, line]) => line);
}

/** What is left of a name below a prefix; `undefined` if it is not below. */
function below(name: string, prefix: string, whole: boolean): string | undefined {
  // `REMOTE:.` is all of a remote, as `REMOTE:` is.
  if (prefix.endsWith(":.")) return below(name, prefix.slice(0, -1), whole);
  if (name === prefix) return name;
  const start = prefix.endsWith(":") || prefix.endsWith("/") ? prefix : `${prefix}/`;
  if (!name.startsWith(start)) return undefined;
  return whole ? name : name.slice(start.length);
}

function listCollections(repo: Repo, prefix: string | undefined, options: ListOptions): string[] {
  const pairs: [collection: string, ref: string, checksum: string][] = [];
  const { collectionId } = repo.config;
  for (const { owner, ref, checksum } of repo.refs.listAll()) {
    if (owner.kind === "heads" && collectionId !== undefined) pairs.push([collectionId, ref, checksum]);
    if (owner.kind === "mirror") pairs.push([owner.collectionId, ref, checksum]);
    if (owner.kind === "remote") {
      const remoteId = repo.configFile.getString(`remote "${owner.remote}"`, "collection-id");
      if (remoteId !== undefined) pairs.push([remoteId, ref, checksum]);
    }
  }
  return pairs
    .filter(([collection]) => prefix === undefined || collection === prefix)
    .sort(([a, x], [b, y]) => Buffer.compare(Buffer.from(`${a}\0${x}`), Buffer.from(`${b}\0${y}`)))
    .map(
      ([collection, ref, checksum]) => `(${collection}, ${ref})${options.revision ? `\t${checksum}` : ""}`,
    );
}

function create(
  repo: Repo,
  target: string,
  args: readonly string[],
  alias: boolean,
  force: boolean,
  collections: boolean,
): void {
  const from = args[0] as string;
  if (collections) {
    throw new OstreeFailure("Cannot specify --create with --collections");
  }
  const { remote, ref } = parseRefspec(target);
  const owner: RefOwner = remote === undefined ? HEADS : { kind: "remote", remote };
  const existing = repo.refs.read(owner, ref);
  // An alias may be set to another ref, as that is what one is for.
  const realias =
    alias && repo.refs.list(HEADS).some((found) => found.ref === ref && found.alias !== undefined);
  if (existing !== undefined && !force && !realias) {
    throw new OstreeFailure(`--create specified but ref ${target} already exists`);
  }
  if (alias) {
    if (remote !== undefined) throw new OstreeFailure(`Cannot create alias to remote ref: ${remote}`);
    const source = isChecksum(from) ? undefined : parseRefspec(from);
    if (source?.remote !== undefined)
      throw new OstreeFailure(`Cannot create alias to remote ref: ${source.remote}`);
    if (source === undefined || repo.refs.read(HEADS, source.ref) === undefined) {
      throw new OstreeFailure(`Cannot create alias to non-existent ref: ${from}`);
    }
    repo.refs.writeAlias(ref, source.ref);
    return;
  }
  repo.refs.write(owner, ref, revParse(repo, from));
}

function remove(repo: Repo, prefixes: readonly string[], collections: boolean): void {
  for (const prefix of prefixes) {
    for (const found of repo.refs.listAll()) {
      if (collections) {
        const { owner } = found;
        const id =
          owner.kind === "mirror"
            ? owner.collectionId
            : owner.kind === "heads"
              ? repo.config.collectionId
              : undefined;
        if (id === prefix) repo.refs.write(owner, found.ref, undefined);
      } else if (found.owner.kind !== "mirror" && below(refspecOf(found), prefix, true) !== undefined) {
        repo.refs.write(found.owner, found.ref, undefined);
      }
    }
  }
}

export function refspecOf({ owner, ref }: FoundRef): string {
  return owner.kind === "remote" ? `${owner.remote}:${ref}` : ref;
}

export const reset = command({
  name: "reset",
  usage: "REF COMMIT",
  options: {},
  async run(cli: Cli, options, args) {
    using repo = cli.openRepo(options.repo);
    const [ref, target] = args;
    if (ref === undefined) throw new OstreeFailure("A ref argument is required", true);
    if (target === undefined) throw new OstreeFailure("A commit argument is required", true);
    const checksum = revParse(repo, target);
    if (revParseOptional(repo, ref) === undefined) throw new OstreeFailure(`Invalid ref '${ref}'`);
    const spec = parseRefspec(ref);
    await using transaction = await repo.begin();
    transaction.setRef(
      spec.ref,
      checksum,
      spec.remote === undefined ? HEADS : { kind: "remote", remote: spec.remote },
    );
    await transaction.commit();
  },
});
