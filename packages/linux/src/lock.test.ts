import { execFileSync, spawn } from "node:child_process";
import * as fs from "node:fs";
import { Worker } from "node:worker_threads";
import { describe, expect, it } from "vitest";
import { b, codeOf, codeOfAsync, expectNoLeak, onLinux, scratch } from "../tests/helpers.ts";
import { Dir, holderOf, type LockKind } from "./index.ts";

const KINDS: readonly LockKind[] = ["flock", "ofd", "record"];

/** What another process says of a lock: Python's standard library knows flock and classic record locks. */
function othersMayLock(path: string, kind: LockKind, mode: "shared" | "exclusive"): boolean {
  const call =
    kind === "flock"
      ? `fcntl.flock(f, fcntl.LOCK_NB | fcntl.LOCK_${mode === "shared" ? "SH" : "EX"})`
      : `fcntl.lockf(f, fcntl.LOCK_NB | fcntl.LOCK_${mode === "shared" ? "SH" : "EX"})`;
  const program = `import fcntl, os, sys
f = os.open(sys.argv[1], os.O_RDONLY if os.path.isdir(sys.argv[1]) else os.O_RDWR)
try:
    ${call}
    print("yes")
except (BlockingIOError, PermissionError):
    print("no")
`;
  return execFileSync("python3", ["-c", program, path], { encoding: "utf8" }) === "yes\n";
}

const hasPython = (() => {
  try {
    execFileSync("python3", ["-c", "import fcntl"]);
    return true;
  } catch {
    return false;
  }
})();

describe.skipIf(!onLinux)("locks", () => {
  describe.each(KINDS)("of kind %s", (kind) => {
    it.skipIf(!hasPython)("keep other processes out, and let them in when disposed of", () => {
      using s = scratch();
      const path = `${s.path}/l`;
      {
        using lock = s.dir.tryLock(b("l"), { kind, create: 0o600 });
        expect(lock?.mode).toBe("exclusive");
        expect(othersMayLock(path, kind, "exclusive")).toBe(false);
        expect(othersMayLock(path, kind, "shared")).toBe(false);
      }
      expect(othersMayLock(path, kind, "exclusive")).toBe(true);
      using shared = s.dir.tryLock(b("l"), { kind, mode: "shared" });
      expect(shared?.mode).toBe("shared");
      expect(othersMayLock(path, kind, "shared")).toBe(true);
      expect(othersMayLock(path, kind, "exclusive")).toBe(false);
    });

    it("conflict inside of this process as well", () => {
      using s = scratch();
      expect(codeOf(() => s.dir.tryLock(b("l"), { kind }))).toBe("linux/not-found");
      const first = s.dir.tryLock(b("l"), { kind, mode: "shared", create: 0o600, access: "read-write" });
      const second = s.dir.tryLock(b("l"), { kind, mode: "shared" });
      expect(second).toBeDefined();
      expect(s.dir.tryLock(b("l"), { kind })).toBeUndefined();
      expect(first?.tryChange("exclusive")).toBe(false);
      expect(first?.mode).toBe("shared");
      second?.[Symbol.dispose]();
      expect(first?.tryChange("exclusive")).toBe(true);
      expect(s.dir.tryLock(b("l"), { kind, mode: "shared" })).toBeUndefined();
      expect(first?.tryChange("shared")).toBe(true);
      s.dir.tryLock(b("l"), { kind, mode: "shared" })?.[Symbol.dispose]();
      first?.[Symbol.dispose]();
      first?.[Symbol.dispose]();
      expect(codeOf(() => first?.file)).toBe("core/use-after-dispose");
      const exclusive = s.dir.tryLock(b("l"), { kind });
      expect(exclusive).toBeDefined();
      exclusive?.[Symbol.dispose]();
      expectNoLeak(() => {
        using lock = s.dir.tryLock(b("l"), { kind });
        expect(s.dir.tryLock(b("l"), { kind })).toBeUndefined();
        expect(lock?.file.stat().size).toBe(0);
      });
    });

    it("are waited for while the event loop runs, up to a time or a signal", async () => {
      using s = scratch();
      const held = s.dir.tryLock(b("l"), { kind, create: 0o600 });
      let ticks = 0;
      const timer = setInterval(() => ticks++, 5);
      expect(await codeOfAsync(s.dir.lock(b("l"), { kind, timeout: 100 }))).toBe("linux/lock-timeout");
      expect(ticks).toBeGreaterThan(3);
      const controller = new AbortController();
      const stopped = codeOfAsync(s.dir.lock(b("l"), { kind, signal: controller.signal }));
      setTimeout(() => controller.abort(), 30);
      expect(await stopped).toBe("core/cancelled");
      expect(await codeOfAsync(s.dir.lock(b("l"), { kind, signal: controller.signal }))).toBe(
        "core/cancelled",
      );
      const waiting = s.dir.lock(b("l"), { kind });
      setTimeout(() => held?.[Symbol.dispose](), 30);
      using lock = await waiting;
      expect(lock.mode).toBe("exclusive");
      clearInterval(timer);
    });

    it("give way to waiters one after the other", async () => {
      using s = scratch();
      let inside = 0;
      let most = 0;
      const work = async (): Promise<void> => {
        using _lock = await s.dir.lock(b("l"), { kind, create: 0o600 });
        most = Math.max(most, ++inside);
        await new Promise((resolve) => setTimeout(resolve, 3));
        inside--;
      };
      await Promise.all(Array.from({ length: 10 }, work));
      expect(most).toBe(1);
    });
  });

  it.skipIf(!hasPython)("flock works on the directory itself, and record locks see ofd locks", () => {
    using s = scratch();
    using lock = s.dir.tryLock(undefined, { kind: "flock" });
    expect(lock).toBeDefined();
    expect(othersMayLock(s.path, "flock", "shared")).toBe(false);
    using _ofd = s.dir.tryLock(b("l"), { kind: "ofd", create: 0o600 });
    expect(othersMayLock(`${s.path}/l`, "record", "shared")).toBe(false);
    expect(othersMayLock(`${s.path}/l`, "flock", "exclusive")).toBe(true);
  });

  it("say who is in the way", () => {
    using s = scratch();
    using _lock = s.dir.tryLock(b("l"), { kind: "record", create: 0o600 });
    using file = s.dir.openFile(b("l"), { access: "read-write" });
    expect(holderOf(file, { kind: "ofd" })).toBe(process.pid);
    using _ofd = s.dir.tryLock(b("o"), { kind: "ofd", create: 0o600 });
    using other = s.dir.openFile(b("o"), { access: "read-write" });
    expect(holderOf(other, { kind: "record" })).toBe("ofd");
    expect(holderOf(other, { kind: "flock" })).toBeUndefined();
  });

  it.skipIf(!hasPython)("of kind record survive other files of this package, and no other close", () => {
    using s = scratch();
    const path = `${s.path}/l`;
    using lock = s.dir.tryLock(b("l"), { kind: "record", create: 0o600 });
    lock?.file.write(Buffer.from("token"));
    // The package itself opens and closes the file again and again; it knows better than to close it for real.
    expect(s.dir.readFile(b("l")).toString()).toBe("token");
    s.dir.openFile(b("l"))[Symbol.dispose]();
    expect(othersMayLock(path, "record", "exclusive")).toBe(false);
    s.dir.link(b("l"), b("l2"));
    expect(s.dir.tryLock(b("l2"), { kind: "record" })).toBeUndefined();
    s.dir.openFile(b("l2"))[Symbol.dispose]();
    expect(othersMayLock(path, "record", "exclusive")).toBe(false);
    // What the kernel does when a second descriptor is closed behind its back: the lock is gone.
    fs.closeSync(fs.openSync(path, "r"));
    expect(othersMayLock(path, "record", "exclusive")).toBe(true);
  });

  it("of kind record are closed for real once they are given up", () => {
    using s = scratch();
    expectNoLeak(() => {
      using _lock = s.dir.tryLock(b("l"), { kind: "record", create: 0o600 });
      for (let time = 0; time < 10; time++) s.dir.readFile(b("l"));
    });
  });

  it("of kind record are refused in a worker thread", async () => {
    using s = scratch();
    const program = `
      const { parentPort } = require("node:worker_threads");
      import(${JSON.stringify(new URL("index.ts", import.meta.url).href)}).then(({ Dir }) => {
        try {
          Dir.borrow(${s.dir.fd}).tryLock("l", { kind: "record", create: 0o600 });
          parentPort.postMessage("taken");
        } catch (error) {
          parentPort.postMessage(error.code);
        }
      });`;
    const worker = new Worker(program, { eval: true, execArgv: ["--conditions=@bootc-store/source"] });
    const said = await new Promise((resolve, reject) =>
      worker.once("message", resolve).once("error", reject),
    );
    await worker.terminate();
    expect(said).toBe("linux/lock-thread");
  });

  it.skipIf(!hasPython)("taken by a process that is killed are free", async () => {
    using s = scratch();
    fs.writeFileSync(`${s.path}/l`, "");
    const program =
      "import fcntl, sys, time; f = open(sys.argv[1], 'r+'); fcntl.lockf(f, fcntl.LOCK_EX); print('held', flush=True); time.sleep(60)";
    const child = spawn("python3", ["-c", program, `${s.path}/l`], { stdio: ["ignore", "pipe", "inherit"] });
    await new Promise((resolve) => child.stdout.once("data", resolve));
    expect(s.dir.tryLock(b("l"), { kind: "ofd" })).toBeUndefined();
    const waiting = s.dir.lock(b("l"), { kind: "ofd", timeout: 20_000 });
    child.kill("SIGKILL");
    using lock = await waiting;
    expect(lock.kind).toBe("ofd");
  });

  it("need a lock file that is a file", () => {
    using s = scratch();
    s.dir.makeDir(b("d"));
    s.dir.symlink(b("x"), b("l"));
    expect(codeOf(() => s.dir.tryLock(b("l"), { kind: "ofd", create: 0o600 }))).toBe("linux/path-symlink");
    expect(codeOf(() => s.dir.tryLock(b("d"), { kind: "flock" }))).toBe("linux/is-a-directory");
    using borrowed = Dir.borrow(s.dir.fd);
    expect(borrowed.list().length).toBe(2);
  });
});
