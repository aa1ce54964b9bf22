import { fork } from "node:child_process";
import * as fs from "node:fs";
import { compareByteStrings } from "@bootc-store/core";
import { describe, expect, it } from "vitest";
import { b, codeOf, expectNoLeak, onLinux, openDescriptors, scratch } from "../tests/helpers.ts";
import { Dir, type WalkEntry } from "./index.ts";

/** A tree as Node's own calls see it, sorted by bytes: what the walk must yield. */
function expected(path: Buffer, prefix = ""): string[] {
  const names = fs.readdirSync(path, { encoding: "buffer" }).sort((a, c) => Buffer.compare(a, c));
  return names.flatMap((name) => {
    const at = Buffer.concat([path, Buffer.from("/"), name]);
    const shown = `${prefix}${name.toString("latin1")}`;
    return fs.lstatSync(at).isDirectory() ? [[shown], expected(at, `${shown}/`)].flat() : [shown];
  });
}

function makeTree(dir: Dir): void {
  for (const path of ["a/b/c", "a.b", "a-b", "z/\xff\xfe", "empty"])
    dir.ensureDir(b(path), { parents: true });
  for (const path of ["a/1", "a/b/2", "a/b/c/3", "a.b/4", "z/\xff\xfe/5", "6", "a\x01"]) {
    dir.atomicWrite(b(path.slice(path.lastIndexOf("/") + 1)), Buffer.from("x"), { sync: "none" });
    if (path.includes("/")) dir.rename(b(path.slice(path.lastIndexOf("/") + 1)), b(path));
  }
  dir.symlink(b("a"), b("link"));
  dir.symlink(b("."), b("a/loop"));
}

/** `count` directories in one another, far beyond what one path can hold. */
function makeDeep(dir: Dir, count: number): void {
  let at = dir.duplicate();
  for (let depth = 0; depth < count; depth++) {
    const name = b(`directory-${depth}`);
    at.makeDir(name);
    const next = at.openDir(name);
    at[Symbol.dispose]();
    at = next;
  }
  at.createNew(b("file"))[Symbol.dispose]();
  at[Symbol.dispose]();
}

describe.skipIf(!onLinux)("walk", () => {
  it("yields everything in byte order, without following", () => {
    using s = scratch();
    makeTree(s.dir);
    const entries = [...s.dir.walk()];
    expect(entries.map((entry) => entry.path)).toEqual(expected(Buffer.from(s.path)));
    expect(entries.find((entry) => entry.path === "a/b/c/3")).toMatchObject({
      name: "3",
      type: "regular",
      depth: 4,
    });
    expect(entries.find((entry) => entry.path === "link")).toMatchObject({ type: "symlink", depth: 1 });
  });

  it("gives the directory of each entry to work in, in both orders", () => {
    using s = scratch();
    makeTree(s.dir);
    for (const order of ["before", "after"] as const) {
      for (const entry of s.dir.walk({ order })) {
        expect(entry.dir.stat(entry.name).ino).toBe(s.dir.stat(entry.path).ino);
      }
    }
  });

  it("yields directories after their content where asked", () => {
    using s = scratch();
    makeTree(s.dir);
    const paths = [...s.dir.walk({ order: "after" })].map((entry) => entry.path);
    expect([...paths].sort(compareByteStrings)).toEqual(
      [...s.dir.walk()].map((entry) => entry.path).sort(compareByteStrings),
    );
    for (const [index, path] of paths.entries()) {
      const parent = path.slice(0, Math.max(path.lastIndexOf("/"), 0));
      if (parent !== "") expect(paths.indexOf(b(parent))).toBeGreaterThan(index);
    }
  });

  it("leaves out what it is told not to enter, but yields it", () => {
    using s = scratch();
    makeTree(s.dir);
    for (const order of ["before", "after"] as const) {
      const paths = [...s.dir.walk({ order, descend: (entry) => entry.name !== "a" })].map(
        ({ path }) => path,
      );
      expect(paths).toContain("a");
      expect(paths.filter((path) => path.startsWith("a/"))).toEqual([]);
      expect(paths).toContain("a.b/4");
    }
  });

  it("is bounded in entries and in depth", () => {
    using s = scratch();
    makeTree(s.dir);
    const all = [...s.dir.walk()].length;
    expect(codeOf(() => [...s.dir.walk({ maxEntries: all - 1 })])).toBe("linux/limit-exceeded");
    expect([...s.dir.walk({ maxEntries: all })].length).toBe(all);
    expect(codeOf(() => [...s.dir.walk({ maxDepth: 3 })])).toBe("linux/limit-exceeded");
    expect([...s.dir.walk({ maxDepth: 4 })].length).toBe(all);
    expect(codeOf(() => s.dir.list({ limit: 3 }))).toBe("linux/limit-exceeded");
  });

  it("stops when its signal fires", () => {
    using s = scratch();
    makeTree(s.dir);
    const controller = new AbortController();
    const seen: WalkEntry[] = [];
    const code = codeOf(() => {
      for (const entry of s.dir.walk({ signal: controller.signal })) {
        seen.push(entry);
        controller.abort();
      }
    });
    expect(code).toBe("core/cancelled");
    expect(seen.length).toBeLessThan(5);
  });

  it("reports a directory that it cannot enter, or stops there", () => {
    using s = scratch();
    makeTree(s.dir);
    const errors: string[] = [];
    const paths: string[] = [];
    const onError = (error: unknown, entry: WalkEntry): void => {
      errors.push(`${entry.path} ${(error as { code: string }).code}`);
    };
    for (const entry of s.dir.walk({ onError })) {
      paths.push(entry.path);
      if (entry.path === "a/b") s.dir.removeAll(b("a/b"));
    }
    expect(errors).toEqual(["a/b linux/not-found"]);
    expect(paths).toContain("z/\xff\xfe/5");
    const walking = s.dir.walk();
    walking.next();
    s.dir.removeAll(b("z"));
    expect(codeOf(() => [...walking])).toBe("linux/not-found");
  });

  it("sees no other mount if told to", () => {
    using top = Dir.openHost(b("/"));
    const found = (crossMounts: boolean): string[] => {
      const descend = (entry: WalkEntry): boolean => entry.depth === 1 && entry.name === "proc";
      return [...top.walk({ crossMounts, descend })].map((entry) => entry.path);
    };
    expect(found(true)).toContain("proc/version");
    expect(found(false)).toContain("proc");
    expect(found(false)).not.toContain("proc/version");
  });

  it("goes deeper than a path can be, with few descriptors, and removes it all again", () => {
    using s = scratch();
    makeDeep(s.dir, 1200);
    const before = openDescriptors();
    let deepest = 0;
    let most = 0;
    let length = 0;
    for (const entry of s.dir.walk()) {
      deepest = Math.max(deepest, entry.depth);
      length = Math.max(length, entry.path.length);
      if (entry.depth % 100 === 0) most = Math.max(most, openDescriptors() - before);
      if (entry.type === "regular") expect(entry.dir.stat(entry.name).size).toBe(0);
    }
    expect(deepest).toBe(1201);
    expect(length).toBeGreaterThan(4096 * 3);
    expect(most).toBeLessThan(70);
    const after = [...s.dir.walk({ order: "after" })];
    const [first] = after;
    expect(first).toMatchObject({ name: "file", depth: 1201 });
    expect(after.at(-1)).toMatchObject({ name: "directory-0", depth: 1 });
    expect(first === undefined ? -1 : s.dir.readFile(first.path).length).toBe(0);
    expect(s.dir.removeAll(b("directory-0"))).toBe(1201);
    expect(s.dir.list()).toEqual([]);
    expect(openDescriptors()).toBe(before);
  });

  it("notices that a directory above was moved while it was below", () => {
    using s = scratch();
    makeDeep(s.dir, 200);
    s.dir.makeDir(b("elsewhere"));
    const code = codeOf(() => {
      for (const entry of s.dir.walk({ order: "after" })) {
        // The first entry is the deepest; its ancestors near the top are closed by now.
        if (entry.type === "regular") {
          using top = s.dir.openDir(b("directory-0/directory-1"));
          top.rename(b("directory-2"), b("moved"), { to: s.dir });
        }
      }
    });
    expect(code).toBe("linux/path-changing");
  });

  it("lists a directory of 100,000 entries", () => {
    using s = scratch("/dev/shm");
    for (let at = 0; at < 100_000; at++) fs.mkdirSync(`${s.path}/${(at * 7919) % 100_000}`);
    const names = s.dir.list().map((entry) => entry.name);
    expect(names.length).toBe(100_000);
    for (let at = 1; at < names.length; at++) expect(String(names[at - 1]) < String(names[at])).toBe(true);
    expect(s.dir.removeAll(b("1"))).toBe(1);
    using parent = s.dir.openDir(b("2"));
    expect(parent.list()).toEqual([]);
    let count = 0;
    for (const entry of s.dir.walk()) if (entry.type === "directory") count++;
    expect(count).toBe(99_999);
  });
});

describe.skipIf(!onLinux)("removeAll", () => {
  it("removes files, trees and links, not what links lead to", () => {
    using s = scratch();
    makeTree(s.dir);
    const names = [...s.dir.walk()].filter(
      (entry) => entry.path === "a" || entry.path.startsWith("a/"),
    ).length;
    expectNoLeak(() => s.dir.removeAll(b("nothing")));
    expect(s.dir.removeAll(b("link"))).toBe(1);
    expect(s.dir.statOptional(b("a"))?.type).toBe("directory");
    expect(s.dir.removeAll(b("a"))).toBe(names);
    expect(s.dir.removeAll(b("a"))).toBe(0);
    expect(s.dir.removeAll(b("6"))).toBe(1);
    expect(codeOf(() => s.dir.removeAll(b("..")))).toBe("linux/path-dotdot");
  });

  it("finds nothing in a directory that was removed after it was opened", () => {
    using s = scratch();
    fs.mkdirSync(`${s.path}/gone`);
    using gone = s.dir.openDir(b("gone"));
    fs.rmdirSync(`${s.path}/gone`);
    expect(gone.list()).toEqual([]);
  });

  it("finishes while somebody else removes the same tree", async () => {
    using s = scratch();
    const remover = fork(new URL("../tests/remover.ts", import.meta.url), [s.path], { execArgv: [] });
    try {
      await new Promise((resolve) => remover.once("message", resolve));
      for (let round = 0; round < 20; round++) {
        for (let d = 0; d < 30; d++) {
          fs.mkdirSync(`${s.path}/t/${d}/x/y`, { recursive: true });
          for (let f = 0; f < 5; f++) fs.writeFileSync(`${s.path}/t/${d}/x/y/${f}`, "");
        }
        const gone = new Promise((resolve) => remover.once("message", resolve));
        remover.send("t");
        s.dir.removeAll(b("t"));
        await gone;
        expect(s.dir.list()).toEqual([]);
      }
    } finally {
      remover.kill();
    }
  });

  it("removes nothing behind a link that takes a directory's place meanwhile", async () => {
    using s = scratch();
    fs.mkdirSync(`${s.path}/keep`);
    const swapper = fork(new URL("../tests/swapper.ts", import.meta.url), [s.path], { execArgv: [] });
    let removed = 0;
    try {
      await new Promise((resolve) => swapper.once("message", resolve));
      for (const end = Date.now() + 700; Date.now() < end;) {
        try {
          fs.mkdirSync(`${s.path}/t/d/e`, { recursive: true });
          for (let f = 0; f < 10; f++) fs.writeFileSync(`${s.path}/t/d/e/${f}`, "");
        } catch (error) {
          // The swapper was quicker.
          expect((error as { code: string }).code).toMatch(/^(ENOENT|EEXIST|ENOTDIR|EPERM)$/);
        }
        for (let f = 0; f < 10; f++) fs.writeFileSync(`${s.path}/keep/${f}`, "keep");
        removed += s.dir.removeAll(b("t"));
        // Making `t/d/e` may itself have gone through a link, and have left an `e` there.
        expect(fs.readdirSync(`${s.path}/keep`).filter((name) => name !== "e").length).toBe(10);
      }
    } finally {
      swapper.kill();
      await new Promise((resolve) => swapper.once("exit", resolve));
    }
    expect(removed).toBeGreaterThan(100);
  });
});
