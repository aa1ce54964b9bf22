import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { schemaOf, violations } from "./schema.ts";

import { calledAs, dropInScript } from "../src/drop-ins.ts";
import { tableLines, widthOf } from "../src/output/table.ts";

const MAIN = join(import.meta.dirname, "../src/main.ts");
const VERSION = (
  JSON.parse(readFileSync(join(import.meta.dirname, "../package.json"), "utf8")) as { version: string }
).version;

let base = "";
beforeAll(() => {
  base = mkdtempSync(join(tmpdir(), "bootc-store-cli-"));
});
afterAll(() => rmSync(base, { recursive: true, force: true }));

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs the program as a person would, from the sources. */
function run(...args: string[]): Ran {
  const child = spawnSync(process.execPath, ["--conditions=@bootc-store/source", MAIN, ...args], {
    encoding: "utf8",
    cwd: base,
    env: { ...process.env, NODE_OPTIONS: "", NO_COLOR: "1" },
  });
  return { code: child.status, out: child.stdout, err: child.stderr };
}

/** A root with these directories; a name with `->` is a link. */
function root(...places: string[]): string {
  const path = mkdtempSync(join(base, "root-"));
  for (const place of places) {
    const [name = "", target] = place.split("->");
    if (target === undefined) mkdirSync(join(path, name), { recursive: true });
    else {
      mkdirSync(join(path, name, ".."), { recursive: true });
      symlinkSync(target, join(path, name));
    }
  }
  return path;
}

describe("the program", () => {
  test("says its version, and loads nothing for it", () => {
    expect(run("--version")).toEqual({ code: 0, out: `${VERSION}\n`, err: "" });
    const traced = spawnSync(
      process.execPath,
      ["--conditions=@bootc-store/source", "--input-type=module", "-e", TRACE, MAIN, "--version"],
      { encoding: "utf8", env: { ...process.env, NODE_OPTIONS: "" } },
    );
    const loaded = JSON.parse(traced.stdout.split("\n").at(-2) ?? "[]") as string[];
    expect(loaded.filter((url) => /koffi|commander|packages\//.test(url))).toEqual([]);
    expect(loaded.filter((url) => url.startsWith("file:")).map((url) => url.split("/").at(-1))).toEqual([
      "main.ts",
      "compile-cache.ts",
    ]);
  });

  test("helps, and says what is wrong with arguments", () => {
    expect(run("--help")).toMatchObject({ code: 0, out: expect.stringContaining("status") });
    expect(run("nonsense")).toMatchObject({ code: 2, err: expect.stringContaining("nonsense") });
    expect(run("status", "--nonsense")).toMatchObject({
      code: 2,
      err: expect.stringMatching(/^bootc-store: unknown option/),
    });
  });
});

// Loads the program with a hook that notes every module.
const TRACE = `
import { registerHooks } from "node:module";
const loaded = [];
registerHooks({ load(url, context, next) { loaded.push(url); return next(url, context); } });
const [node, main, ...rest] = process.argv;
process.argv = [node, main, ...rest];
await import(main);
console.log(JSON.stringify(loaded));
`;

describe("status", () => {
  test("of a directory that is no root", () => {
    expect(run("--root", root("etc", "usr"), "status")).toEqual({
      code: 3,
      out: "",
      err: expect.stringMatching(/storage\/not-a-root\)\n.*top of the disk/),
    });
  });

  test("of a path that is not there", () => {
    expect(run("--root", join(base, "absent"), "status")).toMatchObject({
      code: 3,
      err: expect.stringContaining("linux/not-found"),
    });
  });

  test("of an empty root, for a person and for programs", () => {
    const path = root("ostree", "composefs", "state", "boot");
    chmodSync(join(path, "composefs"), 0o700);
    const { code, out } = run("--root", path, "status");
    expect(code).toBe(0);
    expect(out).toContain("Booted by      nothing: there are no deployments");
    expect(out).toMatch(/^ostree +not there$/m);
    const json = run("--root", path, "status", "--json");
    expect(JSON.parse(json.out)).toMatchObject({
      root: path,
      bootBackend: "none",
      findings: [],
      stores: { composefs: { format: "empty" } },
    });
  });

  test("of a root with a broken link: said, and the rest still shown", () => {
    const { code, out } = run("--root", root("boot", "ostree/bootc->../composefs/bootc"), "status");
    expect(code).toBe(0);
    expect(out).toContain("which leads nowhere");
    expect(out).toContain("storage/bootc-root-dangling");
  });

  test("a name cannot drive the terminal", () => {
    const path = root("boot/loader/entries");
    writeFileSync(join(path, "boot/loader/entries/x.conf"), "title \u001b[31mred\nlinux /x\n");
    const { out } = run("--root", path, "status");
    expect(out).not.toContain("\u001b");
    expect(out).toContain("\\x1b[31mred");
  });

  test("every report keeps the documented schema", () => {
    const schema = schemaOf("status");
    const report = JSON.parse(
      run("--root", root("boot", "ostree/repo", "composefs", "state/deploy/x"), "status", "--json").out,
    ) as unknown;
    expect(violations(schema, report, "report", schema)).toEqual([]);
    expect(violations(schema, { root: 1 }, "report", schema)).not.toEqual([]);
  });
});

describe("a root as a whole", () => {
  test.each([
    ["images", "There are no images."],
    ["du", "There are no stores."],
    ["fsck", "no store: nothing is wrong"],
  ])("%s of a root with nothing in it", (command, expected) => {
    const path = root("boot", "ostree");
    const { code, out } = run("--root", path, command);
    expect([code, out]).toEqual([0, expect.stringContaining(expected)]);
    const report = JSON.parse(run("--root", path, command, "--json").out) as unknown;
    const schema = schemaOf(command);
    expect(violations(schema, report, "report", schema)).toEqual([]);
  });

  test("fsck ends with 1 where something is wrong, and says what", () => {
    const path = root("boot", "ostree/repo/objects", "ostree/repo/refs/heads");
    writeFileSync(join(path, "ostree/repo/config"), "[core]\nrepo_version=1\nmode=bare\n");
    writeFileSync(join(path, "ostree/repo/refs/heads/main"), `${"a".repeat(64)}\n`);
    const { code, out } = run("--root", path, "fsck");
    expect(code).toBe(1);
    expect(out).toContain("error: ostree/ref-dangling: ");
    const schema = schemaOf("fsck");
    const report = JSON.parse(run("--root", path, "fsck", "--json").out) as { findings: unknown[] };
    expect(violations(schema, report, "report", schema)).toEqual([]);
    expect(report.findings).toHaveLength(1);
    expect(run("--root", path, "fsck", "--depth", "deep").code).toBe(2);
  });

  test("du writes a page", () => {
    const path = root("boot");
    const page = join(path, "stores.html");
    expect(run("--root", path, "du", "--html", page).code).toBe(0);
    expect(readFileSync(page, "utf8")).toMatch(/^<!doctype html>/);
  });

  test("diff --digest names what alone makes two ids differ", () => {
    const [a, b] = [root("usr/lib"), root("usr/lib")];
    for (const each of [a, b])
      for (const name of ["usr/lib", "usr", "."]) utimesSync(join(each, name), 1_700_000_000, 1_700_000_000);
    const same = run("diff", "--digest", a, b);
    expect([same.code, same.out]).toEqual([0, expect.stringContaining("The ids are the same.")]);
    utimesSync(join(b, "usr/lib"), 1_700_000_009, 1_700_000_009);
    const { code, out } = run("diff", "--digest", a, `dir:${b}`);
    expect(code).toBe(1);
    expect(out).toContain("/usr/lib  mtime  1700000000.000000000 → 1700000009.000000000");
    expect(out).toContain("These alone make the ids differ: 1 mtime.");
    const report = JSON.parse(run("diff", "--digest", "--json", a, b).out) as unknown;
    const schema = schemaOf("diff-digest");
    expect(violations(schema, report, "report", schema)).toEqual([]);
    expect(run("diff", "--digest", "--no-mtime", a, b).code).toBe(2);
    expect(run("diff", "--boot", a, b).code).toBe(2);
  });

  test("diff of two directories needs no root, and ends with 1 where they differ", () => {
    const [a, b] = [root("dir"), root("dir")];
    writeFileSync(join(a, "dir/file"), "one");
    writeFileSync(join(b, "dir/file"), "two");
    const { code, out } = run("diff", "--no-mtime", a, b);
    expect([code, out]).toEqual([1, expect.stringContaining("M /dir/file  content")]);
    expect(out).toContain("0 added (0 B), 0 removed (0 B), 1 changed");
    expect(run("diff", a, a)).toMatchObject({ code: 0, out: "no difference\n" });
    const schema = schemaOf("diff");
    const report = JSON.parse(run("diff", "--json", a, b).out) as unknown;
    expect(violations(schema, report, "report", schema)).toEqual([]);
    expect(run("--root", root("boot"), "diff", "nothing", a).code).toBe(3);
  });
});

describe("doctor", () => {
  test("says what the machine can do", () => {
    const { code, out } = run("--root", root("boot"), "doctor");
    expect(code).toBe(0);
    expect(out).toContain(process.version);
    const found = JSON.parse(run("doctor", "--json").out) as { capabilities: { name: string }[] };
    expect(found.capabilities.map(({ name }) => name)).toContain("native-calls");
  });
});

describe("stand-ins", () => {
  test("are known by the script's argument, or by the name of a link", () => {
    expect(calledAs("/x/main.js", ["--called-as=ostree", "refs"])).toEqual({
      name: "ostree",
      rest: ["refs"],
    });
    expect(calledAs("/x/main.js", ["status"])).toEqual({ name: "bootc-store", rest: ["status"] });
    expect(calledAs("/x/main.js", ["ostree", "--repo=r", "refs"])).toEqual({
      name: "ostree",
      rest: ["--repo=r", "refs"],
    });
    expect(calledAs("/bin/unknown", ["a"])).toEqual({ name: "bootc-store", rest: ["a"] });
  });

  test("a script quotes what a shell would read", () => {
    expect(dropInScript("bootc-store", "/n o/node", "/it's/main.js")).toBe(
      `#!/bin/sh\n# written by bootc-store dropins\nexec '/n o/node' '/it'\\''s/main.js' "$@"\n`,
    );
  });

  test.skipIf(!existsSync(join(import.meta.dirname, "../bundle/main.js")))(
    "run from any directory (needs a build)",
    () => {
      const built = spawnSync(
        process.execPath,
        [join(import.meta.dirname, "../bundle/main.js"), "dropins", join(base, "bin")],
        {
          encoding: "utf8",
          env: { ...process.env, NODE_OPTIONS: "--conditions=@bootc-store/source" },
        },
      );
      expect(built.stderr).toBe("");
      const ran = spawnSync(join(base, "bin/bootc-store"), ["--version"], {
        cwd: "/",
        encoding: "utf8",
        env: { PATH: "" },
      });
      expect(ran.stdout).toBe(`${VERSION}\n`);
    },
  );

  test("are not passed by in silence when options stand before them", () => {
    expect(run("--root", base, "composefs", "mkcomposefs", "/nowhere", "out")).toMatchObject({
      code: 2,
      err: expect.stringContaining("no options before"),
    });
  });

  test.each(["ostree", "containers-storage"])("are commands of ours: %s", (name) => {
    expect(run("--help").out).toContain(`as the program ${name}`);
    expect(run(name, "version-that-is-none").code).not.toBe(0);
    expect(run("--root", base, name)).toMatchObject({
      code: 2,
      err: expect.stringContaining("no options before"),
    });
  });

  test("do not overwrite what they did not write", () => {
    mkdirSync(join(base, "taken"));
    writeFileSync(join(base, "taken/bootc-store"), "mine");
    expect(run("dropins", join(base, "taken"))).toMatchObject({
      code: 2,
      err: expect.stringContaining("cli/drop-in-dir-invalid"),
    });
    expect(readFileSync(join(base, "taken/bootc-store"), "utf8")).toBe("mine");
    // A wrapper that somebody else wrote looks much like ours.
    const wrapper = '#!/bin/sh\nexec /opt/bootc-store/bin/bootc-store "$@"\n';
    writeFileSync(join(base, "taken/bootc-store"), wrapper);
    expect(run("dropins", join(base, "taken")).code).toBe(2);
    expect(readFileSync(join(base, "taken/bootc-store"), "utf8")).toBe(wrapper);
  });
});

describe("tables", () => {
  test("are as wide as their widest cell, by columns of the terminal", () => {
    expect(widthOf("a\u0301日\u001b[1mb\u001b[0m")).toBe(4);
    const lines = tableLines(
      [
        { a: "日本", n: 5 },
        { a: "x", n: 10 },
      ],
      [
        { title: "A", value: (row) => row.a },
        { title: "N", value: (row) => String(row.n), align: "right" },
      ],
    );
    expect(lines).toEqual(["A      N", "日本   5", "x     10"]);
  });
});

describe("composefs", () => {
  test("runs its programs with their own arguments, and tells of them", () => {
    const tree = root("usr/bin");
    writeFileSync(join(tree, "usr/file"), "x".repeat(1000));
    const ours = run("composefs", "mkcomposefs", "--use-epoch", "--print-digest-only", tree);
    expect(ours.err).toBe("");
    expect(ours.out).toMatch(/^[0-9a-f]{64}\n$/);
    expect(run("composefs", "mkcomposefs", "--help").code).toBe(1);
    expect(run("composefs", "--help").out).toContain("composefs-info");
  });

  test("makes a repository of a directory, checks it and collects it", () => {
    const tree = root("usr/bin", "boot", "sysroot");
    writeFileSync(join(tree, "usr/file"), "x".repeat(1000));
    const repo = join(base, "repository");
    expect(run("composefs", "init", repo).code).toBe(0);
    const made = run("composefs", "create-image", "--repo", repo, "--name", "one", tree);
    expect(made.out).toMatch(/^[0-9a-f]{128}\n$/);
    expect(run("composefs", "compute-id", tree).out).toBe(made.out);
    expect(run("composefs", "dump", "--repo", repo, "refs/one").out).toContain("/usr/file 1000 100644 1 ");
    expect(run("composefs", "fsck", "--repo", repo)).toMatchObject({ code: 0, out: "nothing found\n" });
    expect(run("composefs", "gc", "--repo", repo).out).toMatch(/^removed 0 /);
    const [object = ""] = readdirSync(join(repo, "objects")).flatMap((shard) =>
      readdirSync(join(repo, "objects", shard)).map((name) => join(repo, "objects", shard, name)),
    );
    rmSync(object);
    expect(run("composefs", "fsck", "--repo", repo).code).toBe(1);
    expect(run("composefs", "fsck")).toMatchObject({ code: 2 });
  }, 60_000);
});
