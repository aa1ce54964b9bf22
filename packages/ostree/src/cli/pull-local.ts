import { type PullLocalOptions, type PullLocalResult, pullLocal } from "../pull/pull-local.ts";
import { formatSize } from "../format/size.ts";
import { command } from "./command.ts";
import { OstreeFailure } from "./failure.ts";

export const pullLocalCommand = command({
  name: "pull-local",
  usage: "SRC_REPO [REFS...]",
  options: {
    "commit-metadata-only": { kind: "flag" },
    remote: { kind: "value" },
    "disable-fsync": { kind: "flag" },
    "per-object-fsync": { kind: "flag" },
    untrusted: { kind: "flag" },
    "bareuseronly-files": { kind: "flag" },
    "require-static-deltas": { kind: "flag" },
    "disable-static-deltas": { kind: "flag" },
    "gpg-verify": { kind: "flag" },
    "gpg-verify-summary": { kind: "flag" },
    "disable-verify-bindings": { kind: "flag" },
    depth: { kind: "number" },
  },
  async run(cli, options, args) {
    const [source, ...refs] = args;
    if (source === undefined) throw new OstreeFailure("DESTINATION must be specified", true);
    if (options["gpg-verify"] || options["gpg-verify-summary"]) {
      if (options.remote === undefined)
        throw new OstreeFailure("Must specify remote name to enable gpg verification");
      throw new OstreeFailure("This stand-in does not verify signatures yet");
    }
    if (options["require-static-deltas"])
      throw new OstreeFailure("This stand-in does not apply static deltas yet");
    using repo = cli.openRepo(options.repo, { threads: true });
    using from = cli.openRepo(source);
    const wanted: PullLocalOptions = {
      refs,
      ...(options.remote === undefined ? {} : { remote: options.remote }),
      ...(options.depth === undefined ? {} : { depth: options.depth }),
      ...(options["disable-fsync"] ? { fsync: false } : {}),
      ...(options["per-object-fsync"] ? { perObjectFsync: true } : {}),
      commitMetadataOnly: options["commit-metadata-only"],
      untrusted: options.untrusted,
      bareUserOnlyFiles: options["bareuseronly-files"],
      verifyBindings: !options["disable-verify-bindings"],
      signal: cli.context.signal,
    };
    await cli.line(summaryLine(await pullLocal(from, repo, wanted)));
  },
});

export function summaryLine(result: PullLocalResult): string {
  return `${result.metadata} metadata, ${result.content} content objects imported; ${formatSize(result.contentBytesWritten)} content written`;
}
