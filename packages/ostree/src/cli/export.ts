import { utf8 } from "@bootc-store/core";

import { exportTar } from "../export/export.ts";
import { lookupPath, rootOf } from "../read/tree-path.ts";
import { revParse } from "../read/rev-parse.ts";
import { command } from "./command.ts";
import { OstreeFailure } from "./failure.ts";

export const exportCommand = command({
  name: "export",
  usage: "COMMIT",
  options: {
    "no-xattrs": { kind: "flag" },
    subpath: { kind: "value" },
    prefix: { kind: "value" },
    output: { kind: "value", short: "o" },
  },
  async run(cli, options, args) {
    const [rev] = args;
    if (rev === undefined) throw new OstreeFailure("A COMMIT argument is required", true);
    using repo = cli.openRepo(options.repo);
    const commit = revParse(repo, rev);
    const node = lookupPath(repo, rootOf(repo, commit), utf8(options.subpath ?? "/"));
    const prefix = options.prefix?.replace(/\/+$/, "");
    const pieces = exportTar(repo, node, {
      mtime: Number(repo.readCommit(commit).timestamp),
      noXattrs: options["no-xattrs"],
      fillRecord: options.output === undefined,
      ...(prefix === undefined || prefix === "" ? {} : { prefix: utf8(prefix) }),
      signal: cli.context.signal,
    });
    if (options.output === undefined) {
      for await (const piece of pieces) await cli.bytes(piece);
      return;
    }
    const { dir, name } = cli.openParent(options.output);
    using parent = dir;
    using file = parent.openFile(name, { access: "write", create: 0o666, truncate: true });
    for await (const piece of pieces) file.write(piece);
  },
});
