/* oxlint-disable typescript/await-thenable -- the linter does not know of async disposal in test files */
// A kill at every system call that changes something, while a file is replaced: what is left must be sound.
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { utf8 } from "@bootc-store/core";
import { type Command, eachCrashPoint, failSyscall, powerCut } from "@bootc-store/lab";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Dir, isTempName } from "../src/index.ts";
import { b } from "./helpers.ts";
import { lab } from "./lab.ts";

const why = lab.missing({ root: true, programs: ["perl"] });
const OLD = "old ".repeat(1000);
const NEW = "new ".repeat(2000);

let place: string;

beforeAll(() => {
  place = mkdtempSync(join(tmpdir(), "linux-atomic-"));
});

afterAll(() => {
  rmSync(place, { recursive: true, force: true });
  lab.close();
});

function program(code: string): Command {
  const source = `
    const { Dir } = await import(${JSON.stringify(new URL("../src/index.ts", import.meta.url).href)});
    const dir = Dir.openHost(${JSON.stringify(`${place}/work`)});
    ${code}`;
  return [process.execPath, "--conditions=@bootc-store/source", "--input-type=module", "-e", source];
}

function fresh(): void {
  rmSync(`${place}/work`, { recursive: true, force: true });
  mkdirSync(`${place}/work`);
  writeFileSync(`${place}/work/f`, OLD);
}

function leftovers(): string[] {
  return readdirSync(`${place}/work`).filter((name) => isTempName(b(name)));
}

describe.skipIf(why !== undefined)(`atomicWrite ${why ?? ""}`, () => {
  it("leaves the old file or the whole new one when it is killed, and a second try finishes", async () => {
    const replace = `dir.atomicWrite("f", Buffer.from(${JSON.stringify(NEW)}), { mode: 0o600 });`;
    const seen: string[] = [];
    const points = await eachCrashPoint({
      prepare() {
        fresh();
        return { command: program(replace), below: `${place}/work` };
      },
      check() {
        const text = readFileSync(`${place}/work/f`, "utf8");
        expect([OLD, NEW]).toContain(text);
        expect(leftovers().length).toBeLessThanOrEqual(1);
        seen.push(text === OLD ? "old" : "new");
      },
    });
    expect(points).toBeGreaterThan(4);
    expect(new Set(seen)).toEqual(new Set(["old", "new"]));
    // Once it is there it stays.
    expect(seen.join(" ")).toMatch(/^(old )+(new ?)+$/);
    expect(readFileSync(`${place}/work/f`, "utf8")).toBe(NEW);
  });

  it.each(["fsync", "linkat", "renameat", "write"] as const)(
    "keeps the old file when %s fails, and says so",
    async (call) => {
      fresh();
      const code = `
      try {
        dir.atomicWrite("f", Buffer.from(${JSON.stringify(NEW)}));
        console.log("no error");
      } catch (error) {
        console.log(error.code, error.context.errnoName);
      }`;
      const { result, failed } = await failSyscall({
        command: program(code),
        below: `${place}/work`,
        call,
        errno: "EIO",
        n: 1,
      });
      expect(failed.length).toBe(1);
      expect(result.text).toBe("linux/call-failed EIO\n");
      expect(readFileSync(`${place}/work/f`, "utf8")).toBe(OLD);
      expect(leftovers()).toEqual([]);
    },
  );
});

describe.each(["ext4", "xfs"] as const)("a power cut on %s", (kind) => {
  const missing = lab.missing({ root: true, filesystems: [kind], programs: ["perl"] });
  it.skipIf(missing !== undefined)(
    `loses nothing that atomicWrite has finished ${missing ?? ""}`,
    async () => {
      await using system = await lab.filesystem(kind);
      {
        using dir = Dir.openHost(utf8(system.path));
        dir.atomicWrite(b("replaced"), Buffer.from(OLD));
        dir.syncFileSystem();
        for (let at = 0; at < 20; at++) dir.atomicWrite(b(`new-${at}`), Buffer.from(NEW));
        dir.atomicWrite(b("replaced"), Buffer.from(NEW), { mode: 0o4755 });
        // Not synced: it may be lost, but if it is there it is whole, as the policy says.
        dir.atomicWrite(b("data-only"), Buffer.from(NEW), { sync: "data" });
      }
      await powerCut(system);
      using dir = Dir.openHost(utf8(system.path));
      for (let at = 0; at < 20; at++) expect(dir.readFile(b(`new-${at}`)).toString()).toBe(NEW);
      expect(dir.readFile(b("replaced")).toString()).toBe(NEW);
      expect(dir.stat(b("replaced")).mode & 0o7777).toBe(0o4755);
      const half = dir.readFileOptional(b("data-only"));
      expect(half === undefined || half.toString() === NEW).toBe(true);
      expect(dir.list().filter((entry) => isTempName(entry.name))).toEqual([]);
    },
  );
});

describe.skipIf(why !== undefined)(`removeAll ${why ?? ""}`, () => {
  it("can be killed anywhere and done again", async () => {
    fresh();
    mkdirSync(`${place}/tree/a/b`, { recursive: true });
    for (const name of ["x", "a/y", "a/b/z"]) writeFileSync(`${place}/tree/${name}`, name);
    const points = await eachCrashPoint({
      prepare() {
        fresh();
        cpSync(`${place}/tree`, `${place}/work/t`, { recursive: true });
        return { command: program(`dir.removeAll("t");`), below: `${place}/work` };
      },
      check() {
        expect(readFileSync(`${place}/work/f`, "utf8")).toBe(OLD);
      },
    });
    // Six names, and the look whether the first is a directory.
    expect(points).toBeGreaterThanOrEqual(6);
    expect(readdirSync(`${place}/work`)).toEqual(["f"]);
  });
});
