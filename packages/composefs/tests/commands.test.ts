/* oxlint-disable typescript/await-thenable -- the linter does not know of async disposal in test files */
// `bootc-store composefs …`: a layout imported, mounted and taken away again.
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";

import type { CommandContext, Output } from "@bootc-store/backend/command";
import { silentLog, utf8 } from "@bootc-store/core";
import { openLab } from "@bootc-store/lab";
import { createPool, Dir } from "@bootc-store/linux";
import { openImageSource, parseImageReference } from "@bootc-store/oci";
import { Command } from "@commander-js/extra-typings";
import { afterAll, describe, expect, test } from "vitest";

import { registerComposefs } from "../src/commands/index.ts";
import { makeLayout } from "./random-layout.ts";

const lab = openLab();
const pool = createPool();
afterAll(async () => {
  await pool[Symbol.asyncDispose]();
  await lab.close();
});

/** Runs a command and gives the lines and the value that it printed. */
async function run(...argv: string[]): Promise<{ lines: string[]; value: unknown; exit: number }> {
  const lines: string[] = [];
  const dirs: Dir[] = [];
  let value: unknown;
  let exit = 0;
  const openDir = (path: string): Dir => {
    const dir = Dir.openHost(utf8(path));
    dirs.push(dir);
    return dir;
  };
  const output = (json: boolean): Output => ({
    json,
    width: 80,
    line: (text = "") => void lines.push(text),
    value: (given) => void (value = given),
    table: () => undefined,
    note: () => undefined,
    bytes: async (bytes) => void lines.push(Buffer.from(bytes).toString()),
  });
  const context: CommandContext = {
    env: {},
    log: silentLog,
    signal: new AbortController().signal,
    pool: () => pool,
    openDir,
    ensureDir: (path) => {
      mkdirSync(path, { recursive: true });
      return openDir(path);
    },
    cwd: "/",
    openImage: async (reference) => ({
      source: await openImageSource(parseImageReference(reference), { host: { root: openDir("/") } }),
    }),
    output: ({ json }) => output(json === true),
    setExitCode: (code) => void (exit = code),
  };
  const program = new Command().exitOverride();
  registerComposefs(program, context);
  try {
    await program.parseAsync(argv, { from: "user" });
  } finally {
    for (const dir of dirs) dir[Symbol.dispose]();
  }
  return { lines, value, exit };
}

describe.skipIf(process.getuid?.() !== 0)("commands (needs root)", () => {
  test("import, fsck, mount, umount, gc", async () => {
    await using scratch = await lab.scratch();
    const layout = join(scratch.path, "layout");
    const repo = ["--repo", join(scratch.path, "repository")];
    const point = join(scratch.path, "mnt");
    mkdirSync(point);
    await makeLayout(layout, 11);
    await run("init", join(scratch.path, "repository"));
    const imported = await run(
      "import",
      ...repo,
      "--bootable",
      "--name",
      "one",
      "--json",
      `oci:${layout}:v1`,
    );
    expect(imported.value).toMatchObject({ image: expect.stringMatching(/^[0-9a-f]{128}$/) });
    const { image } = imported.value as { image: string };
    expect((await run("import", ...repo, `oci:${layout}:v1`)).lines).toEqual([image]);
    expect(await run("fsck", ...repo)).toMatchObject({ lines: ["nothing found"], exit: 0 });
    await run("mount", ...repo, image, point);
    expect(readdirSync(point)).toContain("usr");
    await run("umount", point);
    expect(readdirSync(point)).toEqual([]);
    await expect(run("umount", point)).rejects.toMatchObject({ code: expect.stringMatching(/^linux\//) });
    await expect(run("umount", "/")).rejects.toMatchObject({ code: "composefs/option-invalid" });
    // Only the documents from before their images were made are not referred to any more.
    expect((await run("gc", ...repo)).lines).toEqual([expect.stringMatching(/^removed 2 files and links/)]);
    expect(await run("fsck", ...repo)).toMatchObject({ lines: ["nothing found"], exit: 0 });
  });
});
