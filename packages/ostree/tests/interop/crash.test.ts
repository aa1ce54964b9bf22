/* oxlint-disable typescript/await-thenable -- the linter does not know of async disposal in test files */
// Our programs killed at every call that changes the repository, made to fail there, or run on media that are full or cannot
// be written: ostree finds a sound repository, no lock holds it up, and the next try completes. `BOOTC_STORE_LONG=1` goes
// through every call, else some of them.

import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import {
  type ChangingCall,
  type Command,
  eachCrashPoint,
  failSyscall,
  fullDisk,
  openLab,
  readOnlyDisk,
  traceCalls,
} from "@bootc-store/lab";
import { afterAll, describe, expect, test } from "vitest";

import { MODES } from "./helpers.ts";
import { runOurs } from "./stand-in.ts";

const PROGRAM = fileURLToPath(new URL("program.ts", import.meta.url));
const LONG = process.env["BOOTC_STORE_LONG"] === "1";

const lab = openLab();
afterAll(() => lab.close());
const { ostree } = lab.peers;
const missing = lab.missing({ root: true, peers: ["ostree"], programs: ["perl"] });
const named = (what: string): string => `${what}${missing === undefined ? "" : ` (${missing})`}`;

function program(cwd: string, ...args: string[]): Command {
  return [process.execPath, "--conditions=@bootc-store/source", PROGRAM, cwd, ...args];
}

type Mode = (typeof MODES)[number];

/** A repository with a commit under `old` and one that only `gone` keeps, and a directory to commit. */
async function plant(cwd: string, mode: Mode): Promise<void> {
  mkdirSync(join(cwd, "tree/dir"), { recursive: true });
  writeFileSync(join(cwd, "tree/dir/file"), "first\n");
  writeFileSync(join(cwd, "tree/script"), "#!/bin/sh\n");
  chmodSync(join(cwd, "tree/script"), 0o755);
  symlinkSync("dir/file", join(cwd, "tree/link"));
  const canonical = mode === "bare-user-only" ? ["--canonical-permissions"] : [];
  await ostree.succeed(["--repo=repo", "init", `--mode=${mode}`], { cwd });
  await ostree.succeed(
    ["--repo=repo", "commit", "-b", "old", "--timestamp=@1", ...canonical, "--tree=dir=tree"],
    { cwd },
  );
  writeFileSync(join(cwd, "tree/dir/file"), "second\n");
  writeFileSync(join(cwd, "tree/more"), "x".repeat(5000));
  await ostree.succeed(
    ["--repo=repo", "commit", "-b", "gone", "--timestamp=@2", ...canonical, "--tree=dir=tree"],
    { cwd },
  );
  await ostree.succeed(["--repo=repo", "config", "set", "core.lock-timeout-secs", "3"], { cwd });
  writeFileSync(join(cwd, "tree/dir/file"), "third\n");
  await ostree.succeed(["--repo=source", "init", "--mode=archive"], { cwd });
  await ostree.succeed(
    ["--repo=source", "commit", "-b", "pulled", "--timestamp=@3", ...canonical, "--tree=dir=tree"],
    { cwd },
  );
}

const OPERATIONS: { readonly [what: string]: (mode: Mode) => readonly string[] } = {
  commit: (mode) => [
    "--repo=repo",
    "commit",
    "-b",
    "new",
    "--timestamp=@4",
    ...(mode === "bare-user-only" ? ["--canonical-permissions"] : []),
    "--tree=dir=tree",
  ],
  "pull-local": () => ["--repo=repo", "pull-local", "source", "pulled"],
  prune: () => ["--repo=repo", "prune", "--refs-only"],
  "refs --delete": () => ["--repo=repo", "refs", "--delete", "old"],
};

async function expectSound(cwd: string, what: string): Promise<void> {
  const fsck = await ostree.run(["--repo=repo", "fsck", "-q"], { cwd });
  expect([what, fsck.code, fsck.errorText]).toEqual([what, 0, ""]);
}

/** Whatever happened: sound, not locked, the other ref as it was, and the same command and another one complete. */
async function expectRecovers(cwd: string, what: string, argv: readonly string[]): Promise<void> {
  await expectSound(cwd, what);
  if (!argv.includes("old")) await ostree.succeed(["--repo=repo", "ls", "-R", "old"], { cwd });
  const again = await runOurs(cwd, argv, { workers: 0 });
  const deleted = argv.includes("--delete") && /not found|No such/i.test(again.err);
  if (!deleted) expect([what, again.code, again.err]).toEqual([what, 0, ""]);
  await ostree.succeed(["--repo=repo", "commit", "-b", "after", "--timestamp=@9", "--tree=dir=tree"], {
    cwd,
  });
  await expectSound(cwd, what);
}

async function copyOf(from: string, to: string): Promise<string> {
  execFileSync("cp", ["-a", from, to]);
  return to;
}

describe.skipIf(missing !== undefined)(named("killed"), () => {
  test.each(
    Object.keys(OPERATIONS).flatMap((what) =>
      (LONG ? MODES : MODES.slice(0, 1)).map((mode) => [what, mode] as const),
    ),
  )(
    "in %s, %s",
    async (what, mode) => {
      await using scratch = lab.scratch();
      const planted = join(scratch.path, "planted");
      mkdirSync(planted);
      await plant(planted, mode);
      // Without a ref there is something to prune.
      if (what === "prune")
        await ostree.succeed(["--repo=repo", "refs", "--delete", "gone"], { cwd: planted });
      const argv = (OPERATIONS[what] as (typeof OPERATIONS)[string])(mode);
      const points = await eachCrashPoint({
        step: LONG ? 1 : 17,
        async prepare(n) {
          const own = await copyOf(planted, join(scratch.path, String(n)));
          return { command: program(own, ...argv), below: join(own, "repo") };
        },
        async check(crash, n) {
          await expectRecovers(join(scratch.path, String(n)), `call ${n}: ${JSON.stringify(crash.at)}`, argv);
        },
      });
      expect(points).toBeGreaterThan(0);
      console.log(`${points} crash points in ${what}, ${mode}`);
    },
    3_600_000,
  );
});

const CALLS: { readonly [kind: string]: readonly ChangingCall[] } = {
  write: ["write", "pwrite64", "copy_file_range"],
  link: ["linkat", "symlinkat"],
  rename: ["rename", "renameat", "renameat2"],
  mkdir: ["mkdir", "mkdirat"],
  sync: ["fsync", "fdatasync", "syncfs"],
  open: ["openat", "openat2"],
};

describe.skipIf(missing !== undefined)(named("calls that fail"), () => {
  test.each(
    (["commit", "pull-local"] as const).flatMap((what) =>
      Object.keys(CALLS).flatMap((kind) =>
        (kind === "sync" || kind === "open" ? (["EIO"] as const) : (["EIO", "ENOSPC"] as const)).map(
          (errno) => [what, kind, errno] as const,
        ),
      ),
    ),
  )(
    "%s: %s with %s: an error, and the repository as before",
    async (what, kind, errno) => {
      await using scratch = lab.scratch();
      const planted = join(scratch.path, "planted");
      mkdirSync(planted);
      await plant(planted, "bare");
      const argv = (OPERATIONS[what] as (typeof OPERATIONS)[string])("bare");
      const call = CALLS[kind] as readonly ChangingCall[];
      const counting = await copyOf(planted, join(scratch.path, "count"));
      const traced = await traceCalls({
        command: program(counting, ...argv),
        below: join(counting, "repo"),
        calls: call,
      });
      expect(traced.result.code).toBe(0);
      const total = traced.calls.length;
      if (total === 0) return;
      const step = LONG ? 1 : Math.ceil(total / 2);
      for (let n = 1; n <= total; n += step) {
        const own = await copyOf(planted, join(scratch.path, `n${n}`));
        const failed = await failSyscall({
          command: program(own, ...argv),
          below: join(own, "repo"),
          call,
          errno,
          n,
        });
        const where = `${kind} ${n} of ${total}: ${JSON.stringify(failed.failed)}`;
        expect([where, failed.result.code]).toEqual([where, 1]);
        expect(failed.result.errorText).toMatch(/^error: ./);
        const ref = join(own, "repo/refs/heads", what === "commit" ? "new" : "pulled");
        // The last sync is that of the name of the ref itself, which is there by then, and whole.
        const last = kind === "sync" && n === total;
        expect([where, existsSync(ref)]).toEqual([where, last]);
        if (last) expect(readFileSync(ref, "utf8")).toMatch(/^[0-9a-f]{64}\n$/);
        expect([where, readdirSync(join(own, "repo/tmp")).filter((name) => name !== "cache")]).toEqual([
          where,
          [],
        ]);
        await expectRecovers(own, where, argv);
      }
    },
    3_600_000,
  );
});

describe.skipIf(missing !== undefined)(named("media"), () => {
  /** A commit that needs more room than there is. */
  async function fill(at: string): Promise<void> {
    mkdirSync(join(at, "big"));
    for (let count = 0; count < 40; count++)
      writeFileSync(join(at, "big", `f${count}`), Buffer.alloc(100_000, count));
  }

  test.each([0, 200_000, 1_000_000, 2_000_000])(
    "a disk with %i bytes left",
    async (leave) => {
      await using fs = await lab.filesystem("ext4", { size: 64 << 20 });
      await using scratch = lab.scratch();
      await plant(fs.path, "bare");
      await fill(scratch.path);
      await ostree.succeed(["--repo=repo", "config", "set", "core.min-free-space-percent", "0"], {
        cwd: fs.path,
      });
      const before = readFileSync(join(fs.path, "repo/refs/heads/old"), "utf8");
      {
        await using _full = await fullDisk(fs.path, { leave });
        const argv = ["--repo=repo", "commit", "-b", "big", `--tree=dir=${scratch.path}/big`];
        const { code, err } = await runOurs(fs.path, argv);
        expect(code).toBe(1);
        expect(err).toMatch(/^error: .*(ENOSPC|No space left|no space)/i);
        expect(readFileSync(join(fs.path, "repo/refs/heads/old"), "utf8")).toBe(before);
        expect(existsSync(join(fs.path, "repo/refs/heads/big"))).toBe(false);
        expect(readdirSync(join(fs.path, "repo/tmp")).filter((name) => name !== "cache")).toEqual([]);
        await expectSound(fs.path, "full");
      }
      await expectRecovers(fs.path, "emptied", OPERATIONS["commit"]?.("bare") ?? []);
    },
    120_000,
  );

  test("min-free-space refuses before the disk is full", async () => {
    await using fs = await lab.filesystem("ext4", { size: 64 << 20 });
    await plant(fs.path, "bare");
    writeFileSync(join(fs.path, "ballast"), Buffer.alloc(4 << 20, 1));
    await ostree.succeed(["--repo=repo", "config", "set", "core.min-free-space-percent", "99"], {
      cwd: fs.path,
    });
    const argv = ["--repo=repo", "commit", "-b", "new", "--tree=dir=tree"];
    const ours = await runOurs(fs.path, argv);
    const theirs = await ostree.run(argv, { cwd: fs.path });
    // How much is missing depends on which content is the first that does not fit, and ostree says which function saw it.
    const plain = (text: string): string =>
      text
        .replace("Writing content object: ", "")
        .replace(/at least \S+\s\S+ requested/u, "at least some requested");
    expect([ours.code, plain(ours.err)]).toEqual([theirs.code, plain(theirs.errorText)]);
    expect(ours.err).toMatch(/min-free-space-percent '99%' would be exceeded/);
    expect(theirs.errorText).toMatch(/min-free-space-percent '99%' would be exceeded/);
    await expectSound(fs.path, "refused");
  });

  test("a read-only disk is read, and what would write is refused", async () => {
    await using fs = await lab.filesystem("ext4", { size: 64 << 20 });
    await plant(fs.path, "bare");
    await using _ro = await readOnlyDisk(fs);
    for (const argv of [["ls", "old"], ["log", "old"], ["refs"], ["rev-parse", "old"], ["show", "old"]]) {
      const ours = await runOurs(fs.path, ["--repo=repo", ...argv]);
      const theirs = await ostree.run(["--repo=repo", ...argv], { cwd: fs.path });
      expect([argv, ours.code, ours.out]).toEqual([argv, theirs.code, Buffer.from(theirs.stdout).toString()]);
    }
    for (const what of Object.keys(OPERATIONS)) {
      const argv = (OPERATIONS[what] as (typeof OPERATIONS)[string])("bare");
      const { code, err } = await runOurs(fs.path, argv);
      expect([what, code]).toEqual([what, 1]);
      expect(err).toMatch(/^error: .*(read-only|EROFS)/i);
    }
  });
});
