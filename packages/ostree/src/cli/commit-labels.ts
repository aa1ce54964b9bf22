import { withContext } from "@bootc-store/core";

import {
  type LabelRule,
  labelRule,
  policyOf,
  rootReader,
  commitReader,
  type ReadPath,
} from "../selinux/policy.ts";
import { revParse } from "../read/rev-parse.ts";
import type { Repo } from "../repo/repo.ts";
import type { TreeSpec } from "./commit.ts";
import type { Cli } from "./context.ts";
import { OstreeFailure } from "./failure.ts";

interface LabelOptions {
  readonly base: string | undefined;
  readonly "selinux-policy": string | undefined;
  readonly "selinux-policy-from-base": boolean;
  readonly "selinux-labeling-epoch": number | undefined;
}

export function checkLabelOptions(options: LabelOptions): void {
  const epoch = options["selinux-labeling-epoch"] ?? 0;
  if (epoch !== 0 && epoch !== 1) throw new OstreeFailure(`Unknown SELinux labeling epoch: ${epoch}`);
  if (options["selinux-policy"] !== undefined && options["selinux-policy-from-base"]) {
    throw new OstreeFailure("Cannot specify both --selinux-policy and --selinux-policy-from-base");
  }
}

/** By the policy of a directory that is named, or of what the commit begins with. None where there is no policy. */
export async function labelOf(
  cli: Cli,
  repo: Repo,
  options: LabelOptions,
  trees: readonly TreeSpec[],
): Promise<LabelRule | undefined> {
  const path = options["selinux-policy"];
  const asEtc = options["selinux-labeling-epoch"] === 1;
  if (path !== undefined) return await ofDirectory(cli, path, asEtc);
  if (!options["selinux-policy-from-base"]) return undefined;
  const [first] = trees;
  if (options.base !== undefined) return await ofCommit(repo, options.base, asEtc);
  if (first === undefined) return undefined;
  if (first.kind === "tar") throw new OstreeFailure("Cannot use --selinux-policy-from-base with tar");
  return first.kind === "dir"
    ? await ofDirectory(cli, first.at, asEtc)
    : await ofCommit(repo, first.at, asEtc);
}

async function ofDirectory(cli: Cli, path: string, asEtc: boolean): Promise<LabelRule | undefined> {
  using root = cli.context.openDir(path);
  return await ruleOf(rootReader(root), asEtc);
}

async function ofCommit(repo: Repo, rev: string, asEtc: boolean): Promise<LabelRule | undefined> {
  const commit = revParse(repo, rev);
  return await withContext({ op: "setting sepolicy from commit" }, async () =>
    ruleOf(commitReader(repo, commit), asEtc),
  );
}

async function ruleOf(read: ReadPath, asEtc: boolean): Promise<LabelRule | undefined> {
  const policy = await policyOf(read);
  return policy === undefined ? undefined : labelRule(policy, { asEtc });
}
