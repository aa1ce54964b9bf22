/* oxlint-disable typescript/await-thenable -- the linter does not know of async disposal in test files */
// Secure repositories, on a kernel and a file system that have fs-verity: everything that is written is sealed, and what is not is refused.
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { openLab, workspaceFiles } from "@bootc-store/lab";
import { afterAll, describe, expect, test } from "vitest";

import { makeLayout } from "./random-layout.ts";

const lab = openLab();
afterAll(() => lab.close());

const LONG = process.env["BOOTC_STORE_LONG"] === "1";
const why =
  lab.missing({ root: true, peers: ["cfsctl", "fsverity"] }) ??
  lab.vm.reason ??
  (LONG ? undefined : "only with BOOTC_STORE_LONG=1");

describe.skipIf(why !== undefined)(
  `on a kernel that has fs-verity${why === undefined ? "" : ` (${why})`}`,
  () => {
    test("a secure repository, by ours and by cfsctl", async () => {
      await using scratch = await lab.scratch();
      await makeLayout(join(scratch.path, "layout"), 21);
      const { files, prepare } = workspaceFiles([new URL("..", import.meta.url).pathname]);
      const result = await lab.vm.run({
        node: true,
        programs: ["fsverity", "cfsctl"],
        files: {
          ...files,
          "/w/packages/composefs/tests/programs/secure-session.ts": readFileSync(
            new URL("programs/secure-session.ts", import.meta.url),
          ),
          "/w/packages/composefs/tests/tool-context.ts": readFileSync(
            new URL("tool-context.ts", import.meta.url),
          ),
          "/layout": { from: join(scratch.path, "layout") },
        },
        script: `${prepare}
        node --conditions=@bootc-store/source /w/packages/composefs/tests/programs/secure-session.ts`,
        timeout: 400_000,
      });
      expect([result.code, result.stderr]).toEqual([0, ""]);
      expect(JSON.parse(result.stdout)).toEqual({
        init: [
          "Initialized composefs repository at sec\n  algorithm: fsverity-sha512-12\n  verity:    required\n",
          ["sha512"],
        ],
        pull: "",
        tree: "",
        unsealed: 0,
        theirs: ["status: ok", "oci images: 1/1 ok", "1"],
        again: ["1"],
        both: ["", 0, "status: ok"],
        mount: ["", ["verity=require", "read"]],
        // An object that was replaced by a copy, then by something else that is sealed.
        copied: 1,
        other: 1,
        // A layer without a seal is not believed, unless that is asked for.
        stream: [1, 0],
        insecure: ["", 0, "Error: repository was not initialized with fs-verity (hint: "],
      });
    }, 420_000);
  },
);
