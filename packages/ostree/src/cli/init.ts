import { utf8 } from "@bootc-store/core";

import { parseMode } from "../format/mode.ts";
import { initRepo } from "../repo/init.ts";
import { command } from "./command.ts";
import { OstreeFailure } from "./failure.ts";

export const init = command({
  name: "init",
  usage: "",
  options: { mode: { kind: "value" }, "collection-id": { kind: "value" } },
  async run(cli, options) {
    const word = options.mode ?? "bare";
    const mode = parseMode(word);
    if (mode === undefined) throw new OstreeFailure(`Invalid mode '${word}' in repository configuration`);
    const path = options.repo ?? cli.context.env["OSTREE_REPO"] ?? ".";
    if (path !== ".") {
      const { dir, name } = cli.openParent(path);
      using _dir = dir;
      if (name !== "") dir.ensureDir(utf8(name), { mode: 0o775 });
    }
    using dir = cli.context.openDir(path);
    const collectionId = options["collection-id"];
    initRepo(dir, { mode, ...(collectionId === undefined ? {} : { collectionId }) });
  },
});
