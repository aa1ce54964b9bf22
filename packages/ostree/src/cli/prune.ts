import { decodeCommit } from "../format/commit.ts";
import { formatSize } from "../format/size.ts";
import { deleteObject } from "../maintain/delete-object.ts";
import { prune, type PruneOptions } from "../maintain/prune.ts";
import { listObjects } from "../read/objects-list.ts";
import type { Repo } from "../repo/repo.ts";
import { parseDate } from "./date.ts";
import { command } from "./command.ts";
import { OstreeFailure } from "./failure.ts";
import { refspecOf } from "./refs.ts";

export const pruneCommand = command({
  name: "prune",
  usage: "",
  options: {
    "no-prune": { kind: "flag" },
    "refs-only": { kind: "flag" },
    depth: { kind: "number" },
    "delete-commit": { kind: "value" },
    "keep-younger-than": { kind: "value" },
    "static-deltas-only": { kind: "flag" },
    "retain-branch-depth": { kind: "list" },
    "only-branch": { kind: "list" },
    "commit-only": { kind: "flag" },
  },
  async run(cli, options) {
    using repo = cli.openRepo(options.repo);
    const commit = options["delete-commit"];
    const younger = options["keep-younger-than"];
    if (options["static-deltas-only"] && commit === undefined && younger === undefined) {
      throw new OstreeFailure(
        "--static-deltas-only requires --delete-commit or --keep-younger-than; see https://github.com/ostreedev/ostree/pull/1479",
        true,
      );
    }
    if (commit !== undefined) {
      if (options["no-prune"])
        throw new OstreeFailure("Cannot specify both --delete-commit and --no-prune", true);
      if (!options["static-deltas-only"]) deleteCommit(repo, commit);
    }
    const retain = new Map(options["retain-branch-depth"].map(branchDepth));
    const depth = options.depth ?? -1;
    const base: PruneOptions = {
      dryRun: options["no-prune"],
      commitOnly: options["commit-only"],
      signal: cli.context.signal,
    };
    const plain = younger === undefined && retain.size === 0 && options["only-branch"].length === 0;
    const result = plain
      ? await prune(repo, { ...base, refsOnly: options["refs-only"], depth })
      : await prune(repo, {
          ...base,
          onlyCommits: true,
          commits: kept(repo, {
            depth,
            retain,
            only: options["only-branch"],
            after: younger === undefined ? undefined : parseDate(younger),
            refsOnly: options["refs-only"],
          }),
        });
    const size = formatSize(result.freed);
    await cli.line(`Total ${options["commit-only"] ? "(commit only) " : ""}objects: ${result.total}`);
    if (result.removed === 0) await cli.line("No unreachable objects");
    else if (options["no-prune"]) await cli.line(`Would delete: ${result.removed} objects, freeing ${size}`);
    else await cli.line(`Deleted ${result.removed} objects, ${size} freed`);
  },
});

function deleteCommit(repo: Repo, commit: string): void {
  for (const found of repo.refs.listAll()) {
    if (found.checksum === commit)
      throw new OstreeFailure(`Commit '${commit}' is referenced by '${refspecOf(found)}'`);
  }
  if (!repo.reader.hasOwn(commit, "commit"))
    throw new OstreeFailure(`No such metadata object ${commit}.commit`);
  deleteObject(repo, commit, "commit");
}

function branchDepth(text: string): [branch: string, depth: number] {
  const equals = text.lastIndexOf("=");
  if (equals < 0) throw new OstreeFailure(`Invalid value ${text}, must specify BRANCH=DEPTH`);
  const depth = Number(text.slice(equals + 1));
  if (!Number.isInteger(depth) || depth < -1)
    throw new OstreeFailure(`Invalid depth '${text.slice(equals + 1)}'`);
  return [text.slice(0, equals), depth];
}

interface Kept {
  readonly depth: number;
  readonly retain: ReadonlyMap<string, number>;
  readonly only: readonly string[];
  readonly after: bigint | undefined;
  readonly refsOnly: boolean;
}

/** Which commits stay, and how many parents of each. */
function kept(repo: Repo, { depth, retain, only, after, refsOnly }: Kept): Map<string, number> {
  const commits = new Map<string, number>();
  const keep = (commit: string, own: number): void => {
    const before = commits.get(commit);
    if (before === undefined || own < 0 || (before >= 0 && own > before)) commits.set(commit, own);
  };
  const refs = repo.refs.listAll();
  for (const branch of [...only, ...retain.keys()]) {
    if (!refs.some((found) => refspecOf(found) === branch))
      throw new OstreeFailure(`Refspec '${branch}' not found`);
  }
  for (const found of refs) {
    const name = refspecOf(found);
    const own = retain.get(name);
    if (own !== undefined) keep(found.checksum, own);
    else if (only.length > 0 && !only.includes(name)) keep(found.checksum, -1);
    else if (after === undefined) keep(found.checksum, depth);
    else {
      keep(found.checksum, 0);
      let commit: string | undefined = found.checksum;
      for (let left = depth; commit !== undefined; left--) {
        const bytes = repo.reader.readMetadataOptional(commit, "commit");
        if (bytes === undefined) break;
        const { timestamp, parent } = decodeCommit(bytes, `${commit}.commit`);
        if (timestamp < after && commit !== found.checksum) break;
        keep(commit, 0);
        if (left === 0) break;
        commit = parent;
      }
    }
  }
  if (!refsOnly && only.length === 0) {
    for (const { checksum, type } of listObjects(repo.objects, repo.mode)) {
      if (type !== "commit" || commits.has(checksum)) continue;
      const { timestamp } = repo.readCommit(checksum);
      if (after !== undefined && timestamp >= after) keep(checksum, 0);
    }
  }
  return commits;
}
