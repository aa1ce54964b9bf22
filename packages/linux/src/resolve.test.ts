import { fork } from "node:child_process";
import * as fs from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { b, codeOf, onLinux, type Scratch, scratch } from "../tests/helpers.ts";
import { pretendOpenat2 } from "./calls/open.ts";
import { Dir, type ResolveOptions } from "./index.ts";
import { pretendPlain } from "./plain.ts";

// The tree of all cases: `root` is the directory in hand, `outside` what must not be reached.
//
//   outside/secret
//   root/dir/file            root/in-link -> dir            root/dir/up -> ..
//   root/abs -> /dir         root/out -> ../outside         root/dir/out -> ../../outside
//   root/self -> self        root/a-loop <-> root/b-loop    root/file-link -> dir/file
//   root/magic -> /proc/self/root                           root/dangling -> none

let s: Scratch;
let root: Dir;

beforeAll(() => {
  if (!onLinux) return;
  s = scratch();
  fs.mkdirSync(`${s.path}/outside`);
  fs.writeFileSync(`${s.path}/outside/secret`, "secret");
  fs.mkdirSync(`${s.path}/root/dir`, { recursive: true });
  fs.writeFileSync(`${s.path}/root/dir/file`, "inside");
  const links = {
    "in-link": "dir",
    "dir/up": "..",
    abs: "/dir",
    out: "../outside",
    "dir/out": "../../outside",
    self: "self",
    "a-loop": "b-loop",
    "b-loop": "a-loop",
    "file-link": "dir/file",
    magic: "/proc/self/root",
    dangling: "none",
    "out-file": "../outside/secret",
    "abs-file": "/etc/passwd",
    "up-and-back": "dir/../dir/up/dir",
  };
  for (const [name, target] of Object.entries(links)) fs.symlinkSync(target, `${s.path}/root/${name}`);
  root = s.dir.openDir(b("root"));
});

afterAll(() => {
  if (!onLinux) return;
  root[Symbol.dispose]();
  s[Symbol.dispose]();
});

type Case = readonly [path: string, code: string, options: ResolveOptions | undefined];

const beneath = { resolution: "beneath" } as const;
const inRoot = { resolution: "inRoot" } as const;

const REFUSED: readonly Case[] = [
  // names
  ["", "linux/name-empty", undefined],
  [".", "linux/name-dot", undefined],
  ["..", "linux/path-dotdot", undefined],
  ["/", "linux/path-absolute", undefined],
  ["/etc/passwd", "linux/path-absolute", undefined],
  ["../outside/secret", "linux/path-dotdot", undefined],
  ["dir/../../outside/secret", "linux/path-dotdot", undefined],
  ["dir/..", "linux/path-dotdot", undefined],
  ["dir//file", "linux/name-empty", undefined],
  ["dir/", "linux/name-empty", undefined],
  ["./dir/file", "linux/name-dot", undefined],
  ["dir/./file", "linux/name-dot", undefined],
  ["dir\0/file", "linux/name-nul", undefined],
  ["dir/file\0.txt", "linux/name-nul", undefined],
  ["dir/\u0100", "linux/name-not-bytes", undefined],
  ["\u012f\u012e", "linux/name-not-bytes", undefined],
  ["x".repeat(256), "linux/name-too-long", undefined],
  [`dir/${"x".repeat(256)}`, "linux/name-too-long", undefined],
  // links, none followed
  ["in-link/file", "linux/path-symlink", undefined],
  ["file-link", "linux/path-symlink", undefined],
  ["abs/file", "linux/path-symlink", undefined],
  ["out/secret", "linux/path-symlink", undefined],
  ["out-file", "linux/path-symlink", undefined],
  ["abs-file", "linux/path-symlink", undefined],
  ["dir/up/dir/file", "linux/path-symlink", undefined],
  ["dir/out/secret", "linux/path-symlink", undefined],
  ["self", "linux/path-symlink", undefined],
  ["magic/etc/passwd", "linux/path-symlink", undefined],
  ["dangling", "linux/path-symlink", undefined],
  // links followed, but not out
  ["out/secret", "linux/path-escapes", beneath],
  ["out-file", "linux/path-escapes", beneath],
  ["dir/out/secret", "linux/path-escapes", beneath],
  ["abs/file", "linux/path-escapes", beneath],
  ["abs-file", "linux/path-escapes", beneath],
  ["../outside/secret", "linux/path-escapes", beneath],
  ["dir/../../outside/secret", "linux/path-escapes", beneath],
  ["dir/up/../outside/secret", "linux/path-escapes", beneath],
  ["magic/etc/passwd", "linux/path-escapes", beneath],
  ["/dir/file", "linux/path-absolute", beneath],
  ["self", "linux/path-loop", beneath],
  ["a-loop/x", "linux/path-loop", beneath],
  ["a-loop", "linux/path-loop", inRoot],
  // links followed as in a root: nothing leads out, so what is outside is not there
  ["out/secret", "linux/not-found", inRoot],
  ["out-file", "linux/not-found", inRoot],
  ["../../../../etc/passwd", "linux/not-found", inRoot],
  ["/etc/passwd", "linux/not-found", inRoot],
  ["abs-file", "linux/not-found", inRoot],
  ["magic/etc/passwd", "linux/not-found", inRoot],
  ["dangling", "linux/not-found", inRoot],
  ["dir/file/x", "linux/not-a-directory", inRoot],
];

const ALLOWED: readonly (readonly [string, ResolveOptions | undefined])[] = [
  ["dir/file", undefined],
  ["dir/file", { crossMounts: false }],
  ["in-link/file", beneath],
  ["file-link", beneath],
  ["dir/up/dir/file", beneath],
  ["dir/../dir/file", beneath],
  ["up-and-back/file", beneath],
  ["abs/file", inRoot],
  ["/dir/file", inRoot],
  ["../../dir/file", inRoot],
  ["dir/up/../../dir/file", inRoot],
  ["up-and-back/file", inRoot],
];

describe.skipIf(!onLinux).each([
  ["by openat2", () => pretendOpenat2(true)],
  ["component by component", () => pretendOpenat2(false)],
  ["without native code", () => pretendPlain(10_000)],
])("resolution %s", (_, pretend) => {
  it.each(REFUSED)("refuses %j as %s (%j)", (path, code, options) => {
    using _mode = pretend();
    expect(codeOf(() => root.readFile(b(path), options))).toBe(code);
    // The same for what is made and for what is only looked at, but that these never follow the last name.
    const last = new Set(["linux/name-empty", "linux/path-dotdot", "linux/path-absolute", "linux/name-nul"]);
    if (last.has(code)) {
      expect(codeOf(() => root.stat(b(path), options))).toBe(code);
      expect(codeOf(() => root.createNew(b(path), options))).toBe(code);
      expect(codeOf(() => root.remove(b(path), options))).toBe(code);
      expect(codeOf(() => root.removeAll(b(path), options))).toBe(code);
      expect(codeOf(() => root.rename(b("dir"), b(path), options))).toBe(code);
      expect(codeOf(() => root.openDir(b(path), options))).toBe(code);
    }
  });

  it.each(ALLOWED)("allows %j (%j)", (path, options) => {
    using _mode = pretend();
    expect(root.readFile(b(path), options).toString()).toBe("inside");
  });

  it("refuses to make, remove or list through a link", () => {
    using _mode = pretend();
    for (const link of ["in-link", "out", "abs"]) {
      expect(codeOf(() => root.openDir(b(link)))).toBe("linux/path-symlink");
      expect(codeOf(() => root.createNew(b(`${link}/new`)))).toBe("linux/path-symlink");
      expect(codeOf(() => root.makeDir(b(`${link}/new`)))).toBe("linux/path-symlink");
      expect(codeOf(() => root.remove(b(`${link}/secret`)))).toBe("linux/path-symlink");
      expect(codeOf(() => root.removeAll(b(`${link}/secret`)))).toBe("linux/path-symlink");
      expect(codeOf(() => root.setMode(b(`${link}/secret`), 0o777))).toBe("linux/path-symlink");
      expect(codeOf(() => root.getXattrOptional(b(`${link}/secret`), b("user.x")))).toBe(
        "linux/path-symlink",
      );
      expect(codeOf(() => root.openFile(b(`${link}/new`), { access: "write", create: 0o600 }))).toBe(
        "linux/path-symlink",
      );
    }
    expect(fs.readdirSync(`${s.path}/outside`)).toEqual(["secret"]);
  });

  it("makes a file through a link where following is asked for", () => {
    using _mode = pretend();
    const options = { access: "write", create: 0o600, ...beneath } as const;
    root.openFile(b("in-link/made"), options)[Symbol.dispose]();
    expect(root.stat(b("dir/made"))).toMatchObject({ size: 0, type: "regular" });
    root.remove(b("dir/made"));
  });

  it("refuses the links of /proc that stand for open files", () => {
    using _mode = pretend();
    using proc = Dir.openHost(b("/proc"));
    for (const path of ["self/root/etc/passwd", "self/cwd/package.json", "self/exe"]) {
      expect(codeOf(() => proc.openFile(b(path), beneath))).toBe("linux/path-magic-link");
      expect(codeOf(() => proc.openFile(b(path), inRoot))).toBe("linux/path-magic-link");
    }
    // An ordinary link of /proc is one as any.
    expect(proc.readFile(b("self/comm"), beneath).length).toBeGreaterThan(0);
    expect(codeOf(() => proc.readFile(b("self/comm")))).toBe("linux/path-symlink");
  });

  it("stays on one mount if told to", () => {
    using _mode = pretend();
    using top = Dir.openHost(b("/"));
    const stay = { crossMounts: false };
    expect(codeOf(() => top.openDir(b("proc"), stay))).toBe("linux/path-crosses-mount");
    expect(codeOf(() => top.openFile(b("proc/version"), stay))).toBe("linux/path-crosses-mount");
    expect(codeOf(() => top.openFile(b("proc/version"), { ...beneath, ...stay }))).toBe(
      "linux/path-crosses-mount",
    );
    expect(codeOf(() => top.openFile(b("proc/version"), { ...inRoot, ...stay }))).toBe(
      "linux/path-crosses-mount",
    );
    expect(top.readFile(b("proc/version")).toString()).toMatch(/^Linux/);
  });

  it("says which component was in the way", () => {
    using _mode = pretend();
    try {
      root.readFile(b("dir/up/dir/file"));
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({
        code: "linux/path-symlink",
        context: { path: "root/dir/up/dir/file", component: "up", errnoName: "ELOOP" },
      });
    }
  });
});

describe.skipIf(!onLinux)("resolution under attack", () => {
  // Another process moves a directory of the path in and out of the root and puts a link in its place. Whatever is
  // seen must be the file inside or an error, never what is outside.
  it.each([
    ["by openat2", "strict", () => pretendOpenat2(true)],
    ["component by component", "strict", () => pretendOpenat2(false)],
    ["without native code", "strict", () => pretendPlain(1e9)],
    ["by openat2", "beneath", () => pretendOpenat2(true)],
    ["component by component", "beneath", () => pretendOpenat2(false)],
    ["without native code", "beneath", () => pretendPlain(1e9)],
    ["by openat2", "inRoot", () => pretendOpenat2(true)],
    ["component by component", "inRoot", () => pretendOpenat2(false)],
    ["without native code", "inRoot", () => pretendPlain(1e9)],
  ] as const)("%s (%s) never leaves", async (_, resolution, pretend) => {
    using _mode = pretend();
    using place = scratch();
    fs.mkdirSync(`${place.path}/root/a/b/c`, { recursive: true });
    fs.mkdirSync(`${place.path}/outside/b/c`, { recursive: true });
    fs.writeFileSync(`${place.path}/root/a/b/c/file`, "inside");
    fs.writeFileSync(`${place.path}/outside/b/c/file`, "SECRET");
    fs.writeFileSync(`${place.path}/file`, "SECRET");
    fs.symlinkSync("../outside", `${place.path}/root/link`);
    using top = place.dir.openDir(b("root"));
    const attacker = fork(new URL("../tests/renamer.ts", import.meta.url), [place.path], { execArgv: [] });
    const seen: { [result: string]: number } = {};
    try {
      await new Promise((resolve) => attacker.once("message", resolve));
      const end = Date.now() + 700;
      const paths =
        resolution === "strict" ? ["a/b/c/file"] : ["a/b/c/file", "a/b/../b/c/file", "a/b/c/../../b/c/file"];
      while (Date.now() < end) {
        for (const path of paths) {
          const result = codeOf(() => {
            const text = top.readFile(b(path), { resolution }).toString();
            seen[text] = (seen[text] ?? 0) + 1;
          });
          seen[result] = (seen[result] ?? 0) + 1;
        }
      }
    } finally {
      attacker.kill();
      await new Promise((resolve) => attacker.once("exit", resolve));
    }
    expect(seen["SECRET"]).toBeUndefined();
    // Both sides of the race were seen, so there was one.
    expect(seen["inside"]).toBeGreaterThan(0);
    const refused = Object.keys(seen).filter((key) => key.startsWith("linux/"));
    expect(refused.length).toBeGreaterThan(0);
    const expected = new Set([
      "linux/not-found",
      "linux/path-symlink",
      "linux/path-escapes",
      "linux/path-changing",
    ]);
    expect(refused.filter((code) => !expected.has(code))).toEqual([]);
  });
});
