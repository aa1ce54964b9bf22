import { fromUrl } from "./file-url.ts";
import { type PullLocalOptions, pullLocal } from "../pull/pull-local.ts";
import { parseRefspec } from "../repo/ref-name.ts";
import { command } from "./command.ts";
import { OstreeFailure } from "./failure.ts";
import { summaryLine } from "./pull-local.ts";

/** `pull` from a remote whose URL is a place on this machine. */
export const pull = command({
  name: "pull",
  usage: "REMOTE [BRANCH...]",
  options: {
    "commit-metadata-only": { kind: "flag" },
    "cache-dir": { kind: "value" },
    "disable-fsync": { kind: "flag" },
    "per-object-fsync": { kind: "flag" },
    "disable-static-deltas": { kind: "flag" },
    "require-static-deltas": { kind: "flag" },
    mirror: { kind: "flag" },
    untrusted: { kind: "flag" },
    "bareuseronly-files": { kind: "flag" },
    depth: { kind: "number" },
    url: { kind: "value" },
    "disable-verify-bindings": { kind: "flag" },
  },
  async run(cli, options, args) {
    const [first, ...rest] = args;
    if (first === undefined) throw new OstreeFailure("REMOTE must be specified", true);
    if (options["require-static-deltas"])
      throw new OstreeFailure("This stand-in does not apply static deltas yet");
    const colon = rest.length === 0 && first.includes(":") ? parseRefspec(first) : undefined;
    const name = colon?.remote ?? first;
    using repo = cli.openRepo(options.repo, { threads: true });
    const group = `remote "${name}"`;
    const file = repo.configFile;
    if (options.url === undefined && !file.hasGroup(group))
      throw new OstreeFailure(`Remote "${name}" not found`);
    const state = file.getString(group, "unconfigured-state");
    if (state !== undefined) throw new OstreeFailure(`remote unconfigured-state: ${state}`);
    const backend = file.getString(group, "custom-backend");
    if (backend !== undefined && backend !== "") {
      throw new OstreeFailure(
        `Cannot fetch via libostree - remote '${name}' uses custom backend '${backend}'`,
      );
    }
    if (file.getBoolean(group, "gpg-verify") === true || file.get(group, "gpg-verify-summary") === "true") {
      throw new OstreeFailure("This stand-in does not verify signatures yet");
    }
    const url = options.url ?? file.getString(group, "url");
    if (url === undefined) throw new OstreeFailure(`No "url" for remote "${name}"`);
    using from = cli.openRepo(fromUrl(url));
    const branches = file.getStringList(group, "branches") ?? [];
    const refs = colon === undefined ? rest : [colon.ref];
    const wanted: PullLocalOptions = {
      refs: refs.length > 0 ? refs : branches,
      ...(options.mirror ? {} : { remote: name }),
      ...(options.depth === undefined ? {} : { depth: options.depth }),
      ...(options["disable-fsync"] ? { fsync: false } : {}),
      ...(options["per-object-fsync"] ? { perObjectFsync: true } : {}),
      commitMetadataOnly: options["commit-metadata-only"],
      // Remotes are not believed, unlike a place that was named.
      untrusted: true,
      bareUserOnlyFiles: options["bareuseronly-files"],
      verifyBindings: !options["disable-verify-bindings"],
      signal: cli.context.signal,
    };
    if (wanted.refs?.length === 0 && !options.mirror) {
      throw new OstreeFailure(`No configured branches for remote ${name}`);
    }
    await cli.line(summaryLine(await pullLocal(from, repo, wanted)));
  },
});
