/* oxlint-disable typescript/await-thenable -- the linter does not know of async disposal in test files */
// Our locks against the programs that we share stores with.
import type { ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { utf8 } from "@bootc-store/core";
import type { PeerName } from "@bootc-store/lab";
import { afterAll, describe, expect, it } from "vitest";
import { Dir, type LockKind } from "../src/index.ts";
import { b } from "./helpers.ts";
import { lab } from "./lab.ts";

afterAll(() => lab.close());

function missing(...peers: PeerName[]): string | undefined {
  return lab.missing({ root: true, peers });
}

interface Ended {
  readonly code: number | null;
  readonly error: string;
}

/** A peer that runs, with its end to be waited for. */
function start(name: PeerName, args: readonly string[]): { child: ChildProcess; ended: Promise<Ended> } {
  const child = lab.peer(name).spawn(args);
  let error = "";
  child.stderr?.on("data", (data: Buffer) => (error += data.toString()));
  child.stdout?.resume();
  const ended = new Promise<Ended>((resolve) => child.once("exit", (code) => resolve({ code, error })));
  return { child, ended };
}

/** True if it is still running after the time given. */
async function waits(ended: Promise<unknown>, ms: number): Promise<boolean> {
  return await Promise.race([ended.then(() => false), sleep(ms, true)]);
}

const FLOCK_CASES: readonly (readonly [kind: LockKind, flags: readonly string[]])[] = [
  ["flock", []],
  ["ofd", ["--fcntl"]],
  ["record", ["--fcntl"]],
];

const noFlock = missing("flock", "sh");

describe.skipIf(noFlock !== undefined)(`flock(1) ${noFlock ?? ""}`, () => {
  it.each(FLOCK_CASES)("sees our locks of kind %s (%j)", async (kind, flags) => {
    await using place = lab.scratch();
    using dir = Dir.openHost(utf8(place.path));
    const path = `${place.path}/l`;
    const peer = (mode: string): number | null =>
      lab.peers.flock.runSync([...flags, "-n", mode, path, "true"]).code;
    {
      using _lock = dir.tryLock(b("l"), { kind, create: 0o644 });
      expect(peer("-x")).toBe(1);
      expect(peer("-s")).toBe(1);
    }
    expect(peer("-x")).toBe(0);
    using _shared = dir.tryLock(b("l"), { kind, mode: "shared" });
    expect(peer("-s")).toBe(0);
    expect(peer("-x")).toBe(1);
  });

  it.each(FLOCK_CASES)("is waited for by our locks of kind %s (%j)", async (kind, flags) => {
    await using place = lab.scratch();
    using dir = Dir.openHost(utf8(place.path));
    dir.createNew(b("l"))[Symbol.dispose]();
    // Holds the lock until its input ends.
    const { child, ended } = start("flock", [
      ...flags,
      "-x",
      `${place.path}/l`,
      "sh",
      "-c",
      `: > ${place.path}/held; read x`,
    ]);
    try {
      while (!existsSync(`${place.path}/held`)) await sleep(5);
      expect(dir.tryLock(b("l"), { kind })).toBeUndefined();
      const waiting = dir.lock(b("l"), { kind, timeout: 20_000 });
      expect(await waits(waiting, 100)).toBe(true);
      child.stdin?.end();
      using lock = await waiting;
      expect(lock.mode).toBe("exclusive");
      expect((await ended).code).not.toBeNull();
    } finally {
      child.kill("SIGKILL");
    }
  });
});

const noOstree = missing("ostree", "sh");

describe.skipIf(noOstree !== undefined)(`ostree ${noOstree ?? ""}`, () => {
  it("waits for our lock of kind ofd on a repo, and not for one of kind flock", async () => {
    await using place = lab.scratch();
    const repo = `--repo=${place.path}/repo`;
    await lab.peers.ostree.succeed(["init", repo, "--mode=archive"]);
    using dir = Dir.openHost(utf8(`${place.path}/repo`));
    {
      using _flock = dir.tryLock(b(".lock"), { kind: "flock", create: 0o660 });
      await lab.peers.ostree.succeed(["prune", repo]);
    }
    const lock = dir.tryLock(b(".lock"), { kind: "ofd", mode: "shared" });
    expect(lock).toBeDefined();
    const { ended } = start("ostree", ["prune", repo]);
    expect(await waits(ended, 1500)).toBe(true);
    lock?.[Symbol.dispose]();
    expect(await ended).toMatchObject({ code: 0 });
  });

  it("keeps our exclusive lock out while it commits", async () => {
    await using place = lab.scratch();
    const repo = `--repo=${place.path}/repo`;
    await lab.peers.ostree.succeed(["init", repo, "--mode=archive"]);
    using dir = Dir.openHost(utf8(`${place.path}/repo`));
    // An editor of the commit's text that waits: the transaction, and with it the lock, is open meanwhile.
    using top = Dir.openHost(utf8(place.path));
    top.mknod(b("pipe"), "fifo");
    top.makeDir(b("tree"));
    const { child, ended } = start("ostree", ["commit", repo, "-b", "x", `--tree=tar=${place.path}/pipe`]);
    try {
      while (dir.statOptional(b(".lock")) === undefined) await sleep(5);
      await sleep(100);
      expect(dir.tryLock(b(".lock"), { kind: "ofd" })).toBeUndefined();
      dir.tryLock(b(".lock"), { kind: "ofd", mode: "shared" })?.[Symbol.dispose]();
      const waiting = dir.lock(b(".lock"), { kind: "ofd", timeout: 20_000 });
      expect(await waits(waiting, 100)).toBe(true);
      child.kill("SIGKILL");
      using lock = await waiting;
      expect(lock.kind).toBe("ofd");
      await ended;
    } finally {
      child.kill("SIGKILL");
    }
  });
});

const noStorage = missing("containers-storage");

describe.skipIf(noStorage !== undefined)(`containers-storage ${noStorage ?? ""}`, () => {
  it.each<LockKind>(["record", "ofd"])("waits for our lock of kind %s on an index", async (kind) => {
    await using place = lab.scratch();
    const where = ["--graph", `${place.path}/root`, "--run", `${place.path}/run`, "--storage-driver", "vfs"];
    await lab.peer("containers-storage").succeed([...where, "create-layer"]);
    using dir = Dir.openHost(utf8(`${place.path}/root/vfs-layers`));
    {
      using _flock = dir.tryLock(b("layers.lock"), { kind: "flock" });
      await lab.peer("containers-storage").succeed([...where, "layers"]);
    }
    const lock = dir.tryLock(b("layers.lock"), { kind });
    expect(lock).toBeDefined();
    const { ended } = start("containers-storage", [...where, "create-layer"]);
    expect(await waits(ended, 500)).toBe(true);
    // Our own reading of the index meanwhile does not cost us the lock.
    dir.readFile(b("layers.lock"));
    dir.readFile(b("layers.json"));
    expect(await waits(ended, 300)).toBe(true);
    lock?.[Symbol.dispose]();
    expect(await ended).toMatchObject({ code: 0 });
  });
});
