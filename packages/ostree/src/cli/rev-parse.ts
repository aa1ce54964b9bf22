import { listObjects } from "../read/objects-list.ts";
import { revParse } from "../read/rev-parse.ts";
import { command } from "./command.ts";
import { OstreeFailure } from "./failure.ts";

export const revParseCommand = command({
  name: "rev-parse",
  usage: "REV",
  options: { single: { kind: "flag", short: "S" } },
  async run(cli, options, args) {
    using repo = cli.openRepo(options.repo);
    if (options.single) {
      if (args.length > 0) throw new OstreeFailure("Cannot specify arguments with --single", true);
      const commits: string[] = [];
      for (const { checksum, type } of listObjects(repo.objects, repo.mode))
        if (type === "commit") commits.push(checksum);
      if (commits.length > 1) throw new OstreeFailure("Multiple commit objects found");
      if (commits.length === 0) throw new OstreeFailure("No commit objects found");
      await cli.line(commits[0] as string);
      return;
    }
    if (args.length === 0) throw new OstreeFailure("REV must be specified", true);
    for (const rev of args) await cli.line(revParse(repo, rev));
  },
});
