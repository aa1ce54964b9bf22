import { lookupValue } from "../gvariant/index.ts";
import { commitsWith, type DamagedObject, fsckObjects, splitCommits } from "../maintain/fsck.ts";
import { deleteObject } from "../maintain/delete-object.ts";
import { objectKey } from "../read/traverse.ts";
import type { Repo } from "../repo/repo.ts";
import { markPartial, partialState } from "../repo/state.ts";
import { command } from "./command.ts";
import { OstreeFailure } from "./failure.ts";
import { refspecOf } from "./refs.ts";

export const fsck = command({
  name: "fsck",
  usage: "",
  options: {
    "add-tombstones": { kind: "flag" },
    quiet: { kind: "flag", short: "q" },
    all: { kind: "flag", short: "a" },
    delete: { kind: "flag" },
    "verify-bindings": { kind: "flag" },
    "verify-back-refs": { kind: "flag" },
  },
  async run(cli, options) {
    using repo = cli.openRepo(options.repo, { threads: true });
    const say = async (text: string): Promise<void> => {
      if (!options.quiet) await cli.line(text);
    };
    await say("Validating refs...");
    checkRefs(repo, options["verify-bindings"] || options["verify-back-refs"]);
    await say("Validating refs in collections...");
    await say("Enumerating commits...");
    const { complete, partial } = splitCommits(repo);
    const bad = partial.filter((commit) => partialState(repo.dir, commit) === "fsck");
    if (options["verify-back-refs"]) for (const commit of complete) checkBackRefs(repo, commit);
    await say(`Verifying content integrity of ${complete.length} commit objects...`);
    const keepGoing = options.all || options.delete;
    let corrupt = false;
    const marked = new Set<string>();
    for await (const found of fsckObjects(repo, { commits: complete, signal: cli.context.signal })) {
      const commits = commitsWith(repo, complete, objectKey(found.checksum, found.type));
      const { kind } = found.problem;
      if (kind === "missing") await cli.note(missingMessage(found, commits));
      else {
        corrupt = true;
        const message = corruptMessage(found, commits);
        if (!keepGoing) throw new OstreeFailure(message);
        await cli.note(message);
        if (options.delete) deleteObject(repo, found.checksum, found.type);
      }
      if (kind !== "missing" && !options.delete) continue;
      for (const commit of commits) {
        if (marked.has(commit) || (kind !== "missing" && found.type === "commit")) continue;
        marked.add(commit);
        await cli.note(`Marking commit as partial: ${commit}`);
        markPartial(repo.dir, commit, "fsck");
      }
    }
    if (partial.length > 0) await say(`${partial.length} partial commits not verified`);
    if (corrupt) throw new OstreeFailure("Repository corruption encountered");
    if (marked.size + bad.length > 0) {
      throw new OstreeFailure(
        `${marked.size + partial.length} partial commits from fsck-detected corruption`,
      );
    }
    await cli.line(`object fsck of ${complete.length} commits completed successfully - no errors found.`);
  },
});

function within(commits: readonly string[]): string {
  return commits.join(", ");
}

function missingMessage({ checksum, type }: DamagedObject, commits: readonly string[]): string {
  const where = type === "commit" || commits.length === 0 ? "" : ` in commits ${within(commits)}`;
  return `Object missing${where}: ${checksum}.${type}`;
}

function corruptMessage({ checksum, type, problem }: DamagedObject, commits: readonly string[]): string {
  const what = type === "file" ? `fsck content object ${checksum}` : `fsck ${checksum}.${type}`;
  const how =
    problem.kind === "mismatch"
      ? `Corrupted ${type} object; checksum expected='${checksum}' actual='${problem.actual}'`
      : problem.kind === "invalid"
        ? problem.message
        : "missing";
  return `In commits ${within(commits)}: ${what}: ${how}`;
}

function checkRefs(repo: Repo, bindings: boolean): void {
  for (const found of repo.refs.listAll()) {
    const name = refspecOf(found);
    const bytes = repo.reader.readMetadataOptional(found.checksum, "commit");
    if (bytes === undefined) {
      if (partialState(repo.dir, found.checksum) !== undefined) continue;
      throw new OstreeFailure(
        `Loading commit for ref ${name}: No such metadata object ${found.checksum}.commit`,
      );
    }
    if (!bindings || found.owner.kind !== "heads") continue;
    const bound = lookupValue(repo.readCommit(found.checksum).metadata, "ostree.ref-binding", "as");
    if (bound !== undefined && !bound.includes(found.ref)) {
      throw new OstreeFailure(
        `Commit ${found.checksum}: requested ref '${found.ref}' not found in bound refs: ${bound.map((each) => `'${each}'`).join(", ")}`,
      );
    }
  }
}

function checkBackRefs(repo: Repo, commit: string): void {
  const bound = lookupValue(repo.readCommit(commit).metadata, "ostree.ref-binding", "as") ?? [];
  for (const ref of bound) {
    const checksum = repo.refs.lookup(ref);
    if (checksum === undefined)
      throw new OstreeFailure(`Ref ‘${ref}’ in bindings for commit ${commit} does not exist`);
    if (checksum !== commit) {
      throw new OstreeFailure(
        `Ref ‘${ref}’ in bindings for commit ${commit} does not resolve to that commit`,
      );
    }
  }
}
