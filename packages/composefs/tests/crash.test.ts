/* oxlint-disable typescript/await-thenable -- the linter does not know of async disposal in test files */
// A pull killed at every call that changes the repository: it is sound afterwards, and the next pull completes.
// `BOOTC_STORE_LONG=1` goes through every call, else some of them.
import { rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { utf8 } from "@bootc-store/core";
import { type Command, eachCrashPoint, openLab } from "@bootc-store/lab";
import { createPool, Dir } from "@bootc-store/linux";
import { afterAll, describe, expect, test } from "vitest";

import { cfsctl } from "../src/drop-ins/index.ts";
import { ComposefsBackend } from "../src/index.ts";
import { makeLayout } from "./random-layout.ts";
import { runTool } from "./tool-context.ts";

const PROGRAM = fileURLToPath(new URL("programs/cfsctl.ts", import.meta.url));
const LONG = process.env["BOOTC_STORE_LONG"] === "1";

const lab = openLab();
const missing = lab.missing({ root: true, peers: ["cfsctl"], programs: ["perl"] });
const pool = createPool();
afterAll(async () => {
  await pool[Symbol.asyncDispose]();
  await lab.close();
});

async function expectSound(repository: string, what: string): Promise<void> {
  using dir = Dir.openHost(utf8(repository));
  await using backend = await ComposefsBackend.open(dir, { pool });
  expect([what, await Array.fromAsync(backend.verify())]).toEqual([what, []]);
  for (const command of [["fsck"], ["oci", "fsck"], ["gc", "-n"]]) {
    const { code, text, errorText } = await lab.peers.cfsctl.run(["--repo", repository, ...command]);
    expect([what, command, code, text, errorText]).toEqual([what, command, 0, expect.any(String), ""]);
  }
}

describe.skipIf(missing !== undefined)(`killed${missing === undefined ? "" : ` (${missing})`}`, () => {
  test("while an image is pulled", async () => {
    await using scratch = await lab.scratch();
    const layout = join(scratch.path, "layout");
    await makeLayout(layout, 7);
    const at = (n: number): string => join(scratch.path, String(n));
    const pull = (n: number): string[] => [
      "--repo",
      at(n),
      "oci",
      "pull",
      `oci:${layout}:v1`,
      "x",
      "--bootable",
    ];
    let ids: string | undefined;
    const points = await eachCrashPoint({
      step: LONG ? 1 : 41,
      async prepare(n) {
        await runTool(cfsctl, ["init", "--insecure", at(n)], { cwd: "/", pool });
        const command: Command = [process.execPath, "--conditions=@bootc-store/source", PROGRAM, ...pull(n)];
        return { command, below: at(n) };
      },
      async check(crash, n) {
        const what = `call ${n}: ${JSON.stringify(crash.at)}`;
        await expectSound(at(n), what);
        const again = await runTool(cfsctl, pull(n), { cwd: "/", pool });
        expect([what, again.code, again.err]).toEqual([what, 0, ""]);
        await expectSound(at(n), what);
        const found = /^(?:config|Boot image).*$/gm.exec(again.out.toString())?.join();
        ids ??= found;
        expect([what, found]).toEqual([what, ids]);
        // What was left is collected, and the image is whole after that.
        expect((await runTool(cfsctl, ["--repo", at(n), "gc"], { cwd: "/", pool })).code).toBe(0);
        await expectSound(at(n), what);
        const left = await lab.peers.cfsctl.succeed(["--repo", at(n), "oci", "images"]);
        expect(left.text).toContain(" x ");
        rmSync(at(n), { recursive: true });
      },
    });
    expect(points).toBeGreaterThan(3);
    console.log(`${points} crash points of a pull`);
  }, 3_600_000);
});
