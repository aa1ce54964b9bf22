import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  type Command,
  cutFile,
  eachCrashPoint,
  failSyscall,
  flipByte,
  fullDisk,
  killAtSyscall,
  openLab,
  powerCut,
  readOnlyDisk,
  run,
  secondWriter,
  traceCalls,
} from "../index.ts";

const lab = openLab({ cache: process.env["BOOTC_STORE_CACHE"] });
afterAll(() => lab.close());

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "lab-faults-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const node = (script: string): Command => [process.execPath, "--input-type=module", "-e", script];
const at = (name: string): string => join(directory, name);

/** Replaces a file as it should be done: write, sync, rename, sync. */
const replace = (): Command =>
  node(`
    import fs from "node:fs";
    const dir = ${JSON.stringify(directory)};
    const fd = fs.openSync(dir + "/new", "w");
    fs.writeSync(fd, "second");
    fs.fsyncSync(fd);
    fs.closeSync(fd);
    fs.renameSync(dir + "/new", dir + "/file");
    const d = fs.openSync(dir, "r");
    fs.fsyncSync(d);
  `);

const linux = lab.missing({ programs: ["perl"] });
describe.skipIf(linux !== undefined || process.platform !== "linux")(`system calls ${linux ?? ""}`, () => {
  it("are counted in order, with their paths, and the command runs as without", async () => {
    writeFileSync(at("file"), "first");
    const { calls, result } = await traceCalls({ command: replace(), below: directory });
    expect(result.code).toBe(0);
    expect(calls.map(({ n, call, paths }) => [n, call, paths])).toEqual([
      [1, "openat", [at("new")]],
      [2, "write", [at("new")]],
      [3, "fsync", [at("new")]],
      [4, "rename", [at("new"), at("file")]],
      [5, "fsync", [directory]],
    ]);
    expect(readFileSync(at("file"), "utf8")).toBe("second");
  });

  it("standard output, pipes and reads do not count", async () => {
    writeFileSync(at("file"), "first");
    const { calls, result } = await traceCalls({ command: ["sh", "-c", `cat ${at("file")} | cat; exit 7`] });
    expect(result.text).toBe("first");
    expect(result.code).toBe(7);
    expect(calls).toEqual([]);
  });

  it("kill before the n-th: the call is not carried out, those before it are", async () => {
    const seen: string[] = [];
    const points = await eachCrashPoint({
      prepare() {
        rmSync(at("new"), { force: true });
        writeFileSync(at("file"), "first");
        return { command: replace(), below: directory };
      },
      check({ result }) {
        expect(result.code).toBe(137);
        const fresh = existsSync(at("new")) ? readFileSync(at("new"), "utf8") : undefined;
        seen.push(`${fresh} ${readFileSync(at("file"), "utf8")}`);
      },
    });
    expect(points).toBe(5);
    expect(seen).toEqual(["undefined first", " first", "second first", "second first", "undefined second"]);
  });

  it("count over threads and child processes", async () => {
    const script = `
      import fs from "node:fs/promises";
      import { Worker } from "node:worker_threads";
      const dir = ${JSON.stringify(directory)};
      await Promise.all([1, 2, 3].map((n) => fs.mkdir(dir + "/p" + n)));
      await Promise.all([1, 2, 3].map((n) => new Promise((done) => new Worker(
        \`process.getBuiltinModule("node:fs").mkdirSync("\${dir}/w\${n}")\`, { eval: true }).once("exit", done))));
    `;
    const command: Command = ["sh", "-c", `"$@"; mkdir ${at("last")}`, "sh", ...node(script)];
    const whole = await traceCalls({ command, below: directory });
    expect(whole.calls.map(({ call }) => call)).toEqual(Array(7).fill("mkdir"));
    expect(new Set(whole.calls.map(({ thread }) => thread)).size).toBeGreaterThanOrEqual(5);
    for (const name of readdirSync(directory)) rmSync(at(name), { recursive: true });
    const crash = await killAtSyscall({ command, below: directory, n: 5 });
    expect(crash.killed).toBe(true);
    expect(readdirSync(directory)).toHaveLength(4);
  });

  it("a kill beyond the last call leaves the command alone", async () => {
    const crash = await killAtSyscall({ command: replace(), below: directory, n: 6 });
    expect([crash.killed, crash.result.code]).toEqual([false, 0]);
    await expect(killAtSyscall({ command: replace(), n: 0 })).rejects.toMatchObject({
      code: "lab/bad-argument",
    });
  });

  it.skipIf(process.arch !== "x64")("fail with the error asked for, the n-th only", async () => {
    const script = `
      import fs from "node:fs";
      for (const n of [1, 2, 3]) {
        try { fs.mkdirSync(${JSON.stringify(directory)} + "/" + n); console.log(n, "made"); }
        catch (error) { console.log(n, error.code); }
      }
    `;
    const second = await failSyscall({
      command: node(script),
      call: "mkdir",
      errno: "ENOSPC",
      n: 2,
      below: directory,
    });
    expect(second.result.text).toBe("1 made\n2 ENOSPC\n3 made\n");
    expect(second.failed.map(({ paths }) => paths[0])).toEqual([at("2")]);
    expect(readdirSync(directory)).toEqual(["1", "3"]);
    for (const name of readdirSync(directory)) rmSync(at(name), { recursive: true });
    const all = await failSyscall({ command: node(script), call: ["mkdir"], errno: "EIO", n: "every" });
    expect(all.result.text).toBe("1 EIO\n2 EIO\n3 EIO\n");
  });

  const peers = lab.missing({ root: true, peers: ["ostree"] });
  it.skipIf(peers !== undefined)(`hit peers too ${peers ?? ""}`, async () => {
    await using scratch = lab.scratch();
    const command = lab.peers.ostree.command(["init", "--repo=r", "--mode=bare"], scratch.path);
    const whole = await traceCalls({ command, below: scratch.path });
    expect(whole.calls.length).toBeGreaterThan(10);
    expect(whole.calls.every(({ paths }) => paths.some((path) => path.startsWith(scratch.path)))).toBe(true);
    rmSync(join(scratch.path, "r"), { recursive: true });
    const crash = await killAtSyscall({ command, below: scratch.path, n: whole.calls.length });
    expect(crash.killed).toBe(true);
    expect(existsSync(join(scratch.path, "r/objects"))).toBe(true);
    rmSync(join(scratch.path, "r"), { recursive: true });
    const failed = await failSyscall({ command, call: "renameat", errno: "EIO", below: scratch.path });
    expect(failed.result.code).not.toBe(0);
    expect(failed.result.errorText).toMatch(/input\/output error/i);
  });
});

describe("bytes", () => {
  it("flip and come back", () => {
    writeFileSync(at("f"), "abc");
    const damage = flipByte(at("f"), -1, 0x20);
    expect(readFileSync(at("f"), "utf8")).toBe("abC");
    expect(damage.offset).toBe(2);
    damage.undo();
    expect(readFileSync(at("f"), "utf8")).toBe("abc");
    expect(() => flipByte(at("f"), 3)).toThrow(expect.objectContaining({ code: "lab/bad-argument" }));
    expect(() => flipByte(at("f"), 0, 0)).toThrow(expect.objectContaining({ code: "lab/bad-argument" }));
  });

  it("are cut and come back", () => {
    writeFileSync(at("f"), "abcdef");
    const damage = cutFile(at("f"), -2);
    expect(readFileSync(at("f"), "utf8")).toBe("abcd");
    damage.undo();
    expect(readFileSync(at("f"), "utf8")).toBe("abcdef");
    cutFile(at("f"), 0);
    expect(readFileSync(at("f"), "utf8")).toBe("");
    expect(() => cutFile(at("f"), 0)).toThrow(expect.objectContaining({ code: "lab/bad-argument" }));
  });
});

for (const kind of ["tmpfs", "ext4", "xfs", "btrfs", "small"] as const) {
  const reason = lab.missing({ filesystems: [kind] });
  describe.skipIf(reason !== undefined)(`disk ${reason ?? kind}`, () => {
    it("full: another write fails, and succeeds again afterwards", async () => {
      const size = kind === "xfs" ? 320 << 20 : kind === "btrfs" ? 128 << 20 : 8 << 20;
      await using fs = await lab.filesystem(kind, { size });
      const target = join(fs.path, "f");
      {
        await using _full = await fullDisk(fs.path);
        expect(() => writeFileSync(target, Buffer.alloc(1 << 20), { flush: true })).toThrow(/ENOSPC/);
        rmSync(target, { force: true });
      }
      writeFileSync(target, Buffer.alloc(1 << 20), { flush: true });
    });

    it("read-only: writes fail with EROFS, and succeed again afterwards", async () => {
      await using fs = await lab.filesystem(kind);
      {
        await using _ro = await readOnlyDisk(fs);
        expect(() => writeFileSync(join(fs.path, "f"), "")).toThrow(/EROFS/);
      }
      writeFileSync(join(fs.path, "f"), "");
    });
  });
}

for (const kind of ["ext4", "xfs"] as const) {
  const reason = lab.missing({ filesystems: [kind], programs: ["perl"] });
  it.skipIf(reason !== undefined)(
    `a power cut of ${reason ?? kind} keeps what was synced and loses the rest`,
    async () => {
      await using fs = await lab.filesystem(kind);
      const path = (name: string): string => join(fs.path, name);
      writeFileSync(path("synced"), "1", { flush: true });
      await run(["sync", "-f", fs.path]);
      writeFileSync(path("lost"), "2");
      const fd = openSync(path("synced"), "r");
      await expect(powerCut(fs)).rejects.toMatchObject({ code: "lab/command-failed" });
      closeSync(fd);
      await fs.cycle();
      expect(readdirSync(fs.path).filter((name) => name !== "lost+found")).toEqual(["synced"]);
      expect(readFileSync(path("synced"), "utf8")).toBe("1");
      writeFileSync(path("after"), "4", { flush: true });
    },
  );
}

const small = lab.missing({ filesystems: ["small"] });
it.skipIf(small !== undefined)("a disk without inodes, and one with some bytes left", async () => {
  await using fs = await lab.filesystem("small");
  {
    await using _full = await fullDisk(fs.path, { what: "inodes" });
    expect(() => mkdirSync(join(fs.path, "d"))).toThrow(/ENOSPC/);
  }
  await using _left = await fullDisk(fs.path, { leave: 1 << 20 });
  const stat = statfsSync(fs.path);
  expect(stat.bavail * stat.bsize).toBeGreaterThanOrEqual(1 << 20);
  expect(stat.bavail * stat.bsize).toBeLessThan(2 << 20);
  writeFileSync(join(fs.path, "f"), Buffer.alloc(900_000), { flush: true });
  expect(() => writeFileSync(join(fs.path, "g"), Buffer.alloc(1_200_000), { flush: true })).toThrow(/ENOSPC/);
});

it("a large disk is not filled", async () => {
  const stat = statfsSync(tmpdir());
  const large = stat.bavail * stat.bsize > 4 * 1024 ** 3;
  if (large) await expect(fullDisk(directory)).rejects.toMatchObject({ code: "lab/bad-argument" });
  expect(readdirSync(directory)).toEqual([]);
});

describe.skipIf(linux !== undefined)(`a second writer ${linux ?? ""}`, () => {
  it("holds a flock that flock(1) cannot get", async () => {
    const writer = await secondWriter({ lock: "flock", path: at("lock") });
    expect((await run(["flock", "-n", at("lock"), "true"])).code).toBe(1);
    expect(await writer.stop()).toBe(1);
    expect((await run(["flock", "-n", at("lock"), "true"])).code).toBe(0);
  });

  for (const kind of ["ofd", "record"] as const)
    it(`holds a lock of kind ${kind} that another of either kind waits for, and no flock`, async () => {
      const writer = await secondWriter({ lock: kind, path: at("lock") });
      let got = false;
      const second = secondWriter({ lock: "record", path: at("lock") }).then((held) => {
        got = true;
        return held;
      });
      expect((await run(["flock", "-n", at("lock"), "true"])).code).toBe(0);
      await new Promise((resolve) => setTimeout(resolve, 200));
      expect(got).toBe(false);
      await writer.stop();
      await (await second).stop();
      expect(got).toBe(true);
    });

  it("shared locks live side by side", async () => {
    const first = await secondWriter({ lock: "ofd", mode: "shared", path: at("lock") });
    const second = await secondWriter({ lock: "ofd", mode: "shared", path: at("lock") });
    expect([await first.stop(), await second.stop()]).toEqual([1, 1]);
  });

  it("replaces a file in a loop, whole every time", async () => {
    const writer = await secondWriter({ replace: at("f"), bytes: 5000 });
    const seen = new Set<string>();
    for (let n = 0; n < 200; n++) {
      const text = readFileSync(at("f"), "latin1");
      expect(text).toHaveLength(5000);
      seen.add(text);
    }
    expect(await writer.stop()).toBeGreaterThan(1);
    expect(seen.size).toBeGreaterThan(1);
  });

  it("appends in a loop, and says when it cannot", async () => {
    const writer = await secondWriter({ append: at("f"), bytes: 10 });
    const rounds = await writer.stop();
    expect(readFileSync(at("f"))).toHaveLength(rounds * 10);
    await expect(secondWriter({ append: at("no/f") })).rejects.toMatchObject({ code: "lab/fault" });
  });
});
