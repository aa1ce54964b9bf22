import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { compileCacheDir } from "./compile-cache.ts";

const onPosix = process.geteuid !== undefined;
const uid = process.geteuid?.() ?? 0;

describe.skipIf(!onPosix)("where compiled code is kept", () => {
  let top: string;
  beforeEach(() => {
    top = mkdtempSync(join(tmpdir(), "compile-cache-"));
  });
  afterEach(() => {
    rmSync(top, { recursive: true, force: true });
  });
  // As root the place is not of the environment, so the test gives one.
  const ask = (env: NodeJS.ProcessEnv = { XDG_CACHE_HOME: top }): string | undefined =>
    compileCacheDir(env, uid, top);

  it("is made for the user alone, and found again", () => {
    expect(ask()).toBe(`${top}/bootc-store/compiled`);
    expect(statSync(`${top}/bootc-store/compiled`).mode & 0o777).toBe(0o700);
    expect(ask()).toBe(`${top}/bootc-store/compiled`);
  });

  it.each(["", "bootc-store", "bootc-store/compiled"])(
    "is no directory that others can write to: %s",
    (path) => {
      expect(ask()).toBeDefined();
      chmodSync(join(top, path), 0o777);
      expect(ask()).toBeUndefined();
    },
  );

  it("is no link to somewhere else", () => {
    mkdirSync(`${top}/elsewhere`);
    symlinkSync("elsewhere", `${top}/bootc-store`);
    expect(ask()).toBeUndefined();
    expect(readdirSync(`${top}/elsewhere`)).toEqual([]);
  });

  it("is nowhere if it is switched off, or there is no place", () => {
    expect(ask({ XDG_CACHE_HOME: top, NODE_DISABLE_COMPILE_CACHE: "1" })).toBeUndefined();
    expect(existsSync(`${top}/bootc-store`)).toBe(false);
    expect(compileCacheDir({ HOME: "not/absolute" }, 1)).toBeUndefined();
    expect(compileCacheDir({}, undefined)).toBeUndefined();
    expect(compileCacheDir({ HOME: `${top}/none` }, 1)).toBeUndefined();
  });

  it("is not another user's", () => {
    mkdirSync(`${top}/.cache`);
    if (uid === 0) chownSync(`${top}/.cache`, 1, 1);
    expect(compileCacheDir({ HOME: top }, uid + 2)).toBeUndefined();
    expect(readdirSync(`${top}/.cache`)).toEqual([]);
  });

  it("holds code that Node takes", () => {
    const directory = ask() as string;
    const script = `require("node:module").enableCompileCache(${JSON.stringify(directory)})`;
    execFileSync(process.execPath, ["-e", `${script}; require("node:module").flushCompileCache()`]);
    expect(readdirSync(directory)).toHaveLength(1);
  });
});
