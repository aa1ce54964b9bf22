import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { makeDirectory } from "./atomic.ts";
import { contained } from "./contained.ts";
import { isRoot } from "./host.ts";
import { lock } from "./lock.ts";
import { mounts } from "./mounts.ts";
import { ownedName, ownerAlive, ownerTag, startTimeOf } from "./owner.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "lab-atomic-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const here = (name: string): string => new URL(name, import.meta.url).pathname;

/** Runs a module that says one line and then hangs; resolves to it when the line is there. */
async function hanging(script: string) {
  const child = spawn(process.execPath, ["--input-type=module-typescript", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  const kill = async (): Promise<void> => {
    child.kill("SIGKILL");
    await once(child, "exit");
  };
  return { line: line.toString().trim(), kill };
}

describe("owners", () => {
  it("live while their process does, and a number given out again is another owner", () => {
    expect(ownerAlive(ownedName())).toBe(true);
    const [pid, , ...rest] = ownerTag().split("-");
    expect(ownerAlive([pid, "1", ...rest].join("-"))).toBe(false);
    expect(ownerAlive(`${ownerTag().slice(0, -8)}00000000`)).toBe(false);
  });

  it("are not known of other names, nor in another process namespace", () => {
    expect(ownerAlive("precious")).toBeUndefined();
    const [pid, time, , boot] = ownerTag().split("-");
    expect(ownerAlive([pid, time, "1", boot].join("-"))).toBeUndefined();
    expect(startTimeOf(2 ** 22 + 1)).toBeUndefined();
  });
});

describe("a directory", () => {
  it("appears whole", async () => {
    const path = join(directory, "made");
    await makeDirectory(path, directory, async (temporary) => {
      writeFileSync(join(temporary, "f"), "1");
      expect(existsSync(path)).toBe(false);
    });
    expect(readdirSync(directory)).toEqual(["made"]);
    expect(readFileSync(join(path, "f"), "utf8")).toBe("1");
  });

  it("does not appear when its making fails, and replaces one that is not trusted", async () => {
    const path = join(directory, "made");
    await expect(
      makeDirectory(path, directory, async () => {
        throw new Error("half-way");
      }),
    ).rejects.toThrow("half-way");
    expect(readdirSync(directory)).toEqual([]);
    mkdirSync(path);
    writeFileSync(join(path, "old"), "");
    await makeDirectory(path, directory, async () => undefined);
    expect(readdirSync(path)).toEqual([]);
  });

  it("of a maker that was killed is removed by the next, and that of a living one is not", async () => {
    const path = join(directory, "made");
    const maker = await hanging(`
      import { makeDirectory } from ${JSON.stringify(here("./atomic.ts"))};
      await makeDirectory(${JSON.stringify(path)}, ${JSON.stringify(directory)}, async (temporary) => {
        console.log(temporary);
        await new Promise((resolve) => setTimeout(resolve, 100_000));
      });
    `);
    await makeDirectory(join(directory, "other"), directory, async () => undefined);
    expect(existsSync(maker.line)).toBe(true);
    await maker.kill();
    expect(existsSync(maker.line)).toBe(true);
    await makeDirectory(path, directory, async () => undefined);
    expect(readdirSync(directory).sort()).toEqual(["made", "other"]);
  });
});

describe("a lock", () => {
  it("makes others wait, and goes with its holder when that is killed", async () => {
    const path = join(directory, "lock");
    const holder = await hanging(`
      import { lock } from ${JSON.stringify(here("./lock.ts"))};
      const held = await lock(${JSON.stringify(path)});
      console.log("held");
      setInterval(() => held, 1000);
    `);
    await expect(lock(path, { timeout: 1000 })).rejects.toMatchObject({ code: "lab/lock" });
    const waiting = lock(path, { timeout: 20_000 });
    await holder.kill();
    await using held = await waiting;
    expect(held.path).toBe(path);
  });

  it("is free again when let go", async () => {
    const path = join(directory, "lock");
    for (let n = 0; n < 3; n++) {
      await using held = await lock(path, { timeout: 5000 });
      expect(held.path).toBe(path);
    }
  });
});

describe.skipIf(!isRoot())("contained", () => {
  it("keeps mounts to itself and ends with us", async () => {
    const before = mounts().length;
    await contained([
      "sh",
      "-c",
      `mount -t tmpfs tmpfs ${directory} && echo x > ${directory}/f && test -e ${directory}/f`,
    ]);
    expect(readdirSync(directory)).toEqual([]);
    expect(mounts()).toHaveLength(before);

    const beat = join(directory, "beat");
    const runner = await hanging(`
      import { contained } from ${JSON.stringify(here("./contained.ts"))};
      const script = "(while sleep 0.05; do date +%N > ${beat}; done) & wait";
      setTimeout(() => console.log("started"), 500);
      await contained(["sh", "-c", script]);
    `);
    expect(existsSync(beat)).toBe(true);
    await runner.kill();
    await new Promise((resolve) => setTimeout(resolve, 200));
    const last = readFileSync(beat, "utf8");
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(readFileSync(beat, "utf8")).toBe(last);
  });
});
