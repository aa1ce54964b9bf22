/* oxlint-disable typescript/await-thenable -- the linter does not know of async disposal in test files */
// Our programs killed at every call that changes the store, or made to fail there: the real tools find a sound store, and
// the next try completes. `BOOTC_STORE_LONG=1` goes through every call, else some of them.

import { execFileSync } from "node:child_process";
import { cpSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { type Command, eachCrashPoint, failSyscall, openLab, traceCalls } from "@bootc-store/lab";
import { afterAll, describe, expect, test } from "vitest";

import { openStore, pathsIn, type StorePaths } from "./helpers/store.ts";
import { layoutImage } from "./helpers/layout.ts";

const LAYOUT = fileURLToPath(new URL("fixtures/oci", import.meta.url));
const PROGRAM = fileURLToPath(new URL("helpers/program.ts", import.meta.url));
const NAME = "localhost/fixture:v1";
const LONG = process.env["BOOTC_STORE_LONG"] === "1";
/** `BOOTC_STORE_CALLS=1-100` goes through a part of the calls. */
const [FIRST = 1, LAST = Infinity] = (process.env["BOOTC_STORE_CALLS"] ?? "")
  .split("-")
  .filter((part) => part !== "")
  .map(Number);
const PART = { first: FIRST, last: LAST };

const lab = openLab();
const missing = lab.missing({ root: true, peers: ["podman", "containers-storage"], programs: ["perl"] });
const { podman, "containers-storage": cli } = lab.peers;
afterAll(() => lab.close());

function program(paths: StorePaths, ...args: string[]): Command {
  return [process.execPath, "--conditions=@bootc-store/source", PROGRAM, paths.root, paths.run, ...args];
}

/** After the real tools have cleaned up as they do, they find nothing wrong. */
async function expectSound(paths: StorePaths, what: string): Promise<void> {
  await podman.succeed([...paths.podman, "images", "-a"]);
  const check = await cli.run([...paths.cli, "check"]);
  expect([what, check.code, check.text, check.errorText]).toEqual([what, 0, "", ""]);
}

describe.skipIf(missing !== undefined)(`killed${missing === undefined ? "" : ` (${missing})`}`, () => {
  test("while an image is written", async () => {
    await using scratch = lab.scratch();
    let made = 0;
    const paths = (n: number): StorePaths => pathsIn(join(scratch.path, String(n)));
    const points = await eachCrashPoint({
      ...PART,
      step: LONG ? 1 : 61,
      prepare(n) {
        const own = paths(n);
        return { command: program(own, "pull", LAYOUT, NAME), below: join(scratch.path, String(n)) };
      },
      async check(crash, n) {
        const own = paths(n);
        const what = `call ${n}: ${JSON.stringify(crash.at)}`;
        await expectSound(own, what);
        execFileSync(program(own, "pull", LAYOUT, NAME)[0], program(own, "pull", LAYOUT, NAME).slice(1));
        await expectSound(own, what);
        await using store = openStore(own);
        expect([what, (await store.images()).map(({ names }) => names)]).toEqual([what, [[NAME]]]);
        expect((await Array.fromAsync(store.verify())).map(({ code }) => code)).toEqual([]);
        made++;
      },
    });
    expect(points).toBe(made);
    expect(points).toBeGreaterThan(3);
    console.log(`${points} crash points while writing`);
  }, 3_600_000);

  test("while an image is removed", async () => {
    await using scratch = lab.scratch();
    const from = pathsIn(join(scratch.path, "full"));
    {
      await using store = openStore(from);
      await store.writeImage(layoutImage(LAYOUT), { names: [NAME] });
    }
    const paths = (n: number): StorePaths => pathsIn(join(scratch.path, String(n)));
    const points = await eachCrashPoint({
      ...PART,
      step: LONG ? 1 : 37,
      prepare(n) {
        const own = paths(n);
        execFileSync("cp", ["-a", join(scratch.path, "full"), join(scratch.path, String(n))]);
        return { command: program(own, "delete", NAME), below: join(scratch.path, String(n)) };
      },
      async check(crash, n) {
        const own = paths(n);
        const what = `call ${n}: ${JSON.stringify(crash.at)}`;
        await expectSound(own, what);
        await using store = openStore(own);
        for (const { id } of await store.images()) await store.deleteImage(id);
        const plan = await store.planGc();
        await store.applyGc(plan);
        expect([what, (await Array.fromAsync(store.verify())).map(({ code }) => code)]).toEqual([what, []]);
      },
    });
    expect(points).toBeGreaterThan(3);
    console.log(`${points} crash points while removing`);
  }, 3_600_000);
});

describe.skipIf(missing !== undefined)(
  `calls that fail${missing === undefined ? "" : ` (${missing})`}`,
  () => {
    test.each([
      ["write", "EIO"],
      ["write", "ENOSPC"],
      ["rename", "EIO"],
      ["mkdir", "ENOSPC"],
      ["sync", "EIO"],
    ] as const)(
      "%s with %s: an error, and the store as before",
      async (kind, errno) => {
        await using scratch = lab.scratch();
        const from = join(scratch.path, "from");
        openStore(pathsIn(from)).close();
        const calls = CALLS[kind];
        const dir = join(scratch.path, "count");
        cpSync(from, dir, { recursive: true });
        const traced = await traceCalls({
          command: program(pathsIn(dir), "pull", LAYOUT, NAME),
          below: dir,
          calls,
        });
        expect(traced.result.code).toBe(0);
        const total = traced.calls.length;
        expect(total).toBeGreaterThan(0);
        const step = LONG ? 1 : Math.ceil(total / 2);
        for (let n = 1; n <= total; n += step) {
          const one = join(scratch.path, `n${n}`);
          cpSync(from, one, { recursive: true });
          const own = pathsIn(one);
          const failed = await failSyscall({
            command: program(own, "pull", LAYOUT, NAME),
            below: one,
            call: calls,
            errno,
            n,
          });
          const what = `${kind} ${n} of ${total}: ${JSON.stringify(failed.failed)}`;
          expect([what, failed.result.code]).toEqual([what, 1]);
          expect(failed.result.errorText).toContain(errno);
          await expectSound(own, what);
          execFileSync(program(own, "pull", LAYOUT, NAME)[0], program(own, "pull", LAYOUT, NAME).slice(1));
          await expectSound(own, what);
        }
      },
      3_600_000,
    );
  },
);

const CALLS = {
  write: ["write", "pwrite64"],
  rename: ["rename", "renameat", "renameat2"],
  mkdir: ["mkdir", "mkdirat"],
  sync: ["fsync", "fdatasync"],
} as const;
