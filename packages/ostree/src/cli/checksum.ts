import { createHash } from "node:crypto";
import { Xattrs } from "@bootc-store/tree";

import { openInfo } from "../commit/directory-task.ts";
import { sha256 } from "../format/checksum.ts";
import { contentPrefix, encodeDirmeta } from "../format/file-info.ts";
import { readXattrs } from "../objects/reader.ts";
import { command } from "./command.ts";
import { OstreeFailure } from "./failure.ts";

export const checksum = command({
  name: "checksum",
  usage: "PATH",
  options: { "ignore-xattrs": { kind: "flag" } },
  async run(cli, options, args) {
    const [path] = args;
    if (path === undefined) throw new OstreeFailure("A filename must be given", true);
    const { dir, name } = cli.openParent(path);
    using parent = dir;
    const ignore = options["ignore-xattrs"];
    const stat = parent.stat(name);
    if (stat.type === "directory") {
      const xattrs = ignore ? Xattrs.empty : readXattrs(parent, name);
      await cli.line(sha256(encodeDirmeta({ uid: stat.uid, gid: stat.gid, mode: stat.mode, xattrs })));
      return;
    }
    using opened = openInfo(parent, name, ignore);
    const state = createHash("sha256").update(contentPrefix(opened.info));
    if (opened.file !== undefined) {
      const buffer = Buffer.allocUnsafeSlow(1 << 18);
      for (let at = 0; ;) {
        const count = opened.file.readFull(buffer, at);
        state.update(buffer.subarray(0, count));
        at += count;
        if (count < buffer.length) break;
      }
    }
    await cli.line(state.digest("hex"));
  },
});
