/* oxlint-disable typescript/await-thenable -- the linter does not know of async disposal in test files */
// The stand-in beside ostree itself: the same arguments on the same repository, the same output, error and exit code.
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  cpSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { openLab } from "@bootc-store/lab";
import { afterAll, describe, expect, it } from "vitest";

import { inside, MODES } from "./helpers.ts";
import { runOurs } from "./stand-in.ts";

const lab = openLab();
afterAll(() => lab.close());
const why = lab.missing({ root: true, peers: ["ostree"] });

/** All that a commit can hold, and names that sort otherwise than text does. */
function makeSource(at: string): void {
  mkdirSync(inside(at, "dir/ünter/tief"), { recursive: true });
  mkdirSync(inside(at, "leer"));
  writeFileSync(inside(at, "file"), "hello\n");
  writeFileSync(inside(at, "empty"), "");
  writeFileSync(inside(at, "dir/big"), Buffer.alloc(2_500_000, "0123456789abcdef"));
  writeFileSync(inside(at, "dir/ünter/tief/\u{1f600}"), "x");
  writeFileSync(inside(at, "dir/\uffff"), "y");
  writeFileSync(inside(at, "suid"), "#!\n");
  linkSync(inside(at, "file"), inside(at, "dir/hard"));
  symlinkSync("../file", inside(at, "dir/link"));
  symlinkSync("dangling", inside(at, "leer/link"));
  chownSync(inside(at, "dir/big"), 1000, 1001);
  chmodSync(inside(at, "suid"), 0o4755);
  chmodSync(inside(at, "dir/ünter"), 0o1700);
  lutimesSync(inside(at, "file"), 1, 1);
}

async function theirs(
  cwd: string,
  argv: readonly string[],
): Promise<{ code: number; out: string; err: string }> {
  const { code, stdout, stderr } = await lab.peers.ostree.run([...argv], { cwd });
  return {
    code: code ?? -1,
    out: Buffer.from(stdout).toString("utf8"),
    err: Buffer.from(stderr).toString("utf8"),
  };
}

/** Name, type, mode, owner, size and target of everything, without times. */
function listing(at: string): string {
  return execFileSync("find", [".", "-printf", "%p %y %m %U:%G %s %l\\n"], { cwd: at, encoding: "utf8" })
    .split("\n")
    .map((line) => line.replace(/^(\S+ d \S+ \S+) \d+/, "$1"))
    .sort()
    .join("\n");
}

const COMMITS: readonly (readonly string[])[] = [
  [],
  ["--no-xattrs"],
  ["--owner-uid=7", "--owner-gid=8"],
  ["--canonical-permissions"],
  ["--mode-ro-executables"],
  ["--orphan", "--bind-ref=a", "--bind-ref=B"],
  ["--no-bindings"],
  [
    "--add-metadata-string=version=1",
    "--add-metadata=a=uint64 42",
    "--add-metadata=b=[<'x'>, <(1, true)>]",
    "-m",
    "two\nlines",
  ],
  ["--parent=none"],
];

describe.skipIf(why !== undefined)(`the stand-in ${why === undefined ? "" : `(skipped: ${why})`}`, () => {
  it.each(MODES)(
    "commits a directory as ostree does, whatever is asked for: %s",
    async (mode) => {
      await using scratch = lab.scratch();
      const cwd = scratch.path;
      makeSource(inside(cwd, "source"));
      for (const [at, options] of COMMITS.entries()) {
        const [a, b] = [`a${at}`, `b${at}`];
        expect(await runOurs(cwd, ["init", `--repo=${a}`, `--mode=${mode}`])).toEqual(
          await theirs(cwd, ["init", `--repo=${b}`, `--mode=${mode}`]),
        );
        expect(readFileSync(inside(cwd, `${a}/config`), "utf8")).toBe(
          readFileSync(inside(cwd, `${b}/config`), "utf8"),
        );
        const branch = options.includes("--orphan") ? [] : ["-b", "x/y"];
        const args = [
          "commit",
          ...branch,
          "-s",
          "subject",
          "--timestamp=2001-02-03 04:05:06 +0000",
          ...options,
          "source",
        ];
        const ours = await runOurs(cwd, [`--repo=${a}`, ...args]);
        expect(ours).toEqual(await theirs(cwd, [`--repo=${b}`, ...args]));
        expect(ours.code).toBe(0);
        expect(await theirs(cwd, [`--repo=${a}`, "fsck", "-q"])).toMatchObject({ code: 0 });
        expect(await runOurs(cwd, [`--repo=${b}`, "fsck", "-q"])).toMatchObject({ code: 0, err: "" });
      }
    },
    120_000,
  );

  it.each(MODES)(
    "says what ostree says of a repository: %s",
    async (mode) => {
      await using scratch = lab.scratch();
      const cwd = scratch.path;
      makeSource(inside(cwd, "source"));
      await theirs(cwd, ["init", "--repo=r", `--mode=${mode}`]);
      const commit = ["--repo=r", "commit", "-b", "main", "--timestamp=@1000000000"];
      const first = (
        await theirs(cwd, [...commit, "-s", "one", "--add-metadata-string=version=7", "source"])
      ).out.trim();
      writeFileSync(inside(cwd, "source/new"), "new");
      cpSync(inside(cwd, "source/dir/link"), inside(cwd, "source/leer/second"), { verbatimSymlinks: true });
      await theirs(cwd, [
        ...commit,
        "-s",
        "two",
        "-m",
        "a body\n\nof three lines",
        "--add-metadata=n=uint32 5",
        "source",
      ]);
      await theirs(cwd, ["--repo=r", "refs", "main", "--create=other/name"]);
      await theirs(cwd, ["--repo=r", "refs", "-A", "main", "--create=an-alias"]);
      await theirs(cwd, [
        "--repo=r",
        "remote",
        "add",
        "--no-gpg-verify",
        "origin",
        "file:///nowhere",
        "main",
      ]);
      const questions: readonly (readonly string[])[] = [
        ["refs"],
        ["refs", "-r"],
        ["refs", "-A"],
        ["refs", "other"],
        ["refs", "--list", "other"],
        ["rev-parse", "main"],
        ["rev-parse", "main^"],
        ["rev-parse", "main^^"],
        ["rev-parse", first.slice(0, 9)],
        ["rev-parse", "nope"],
        ["rev-parse", "bad~name"],
        ["ls", "main"],
        ["ls", "-R", "main"],
        ["ls", "-RC", "main"],
        ["ls", "-RX", "main", "/dir"],
        ["ls", "-d", "main", "dir", "file"],
        ["ls", "main", "/nope"],
        ["ls", "main", "/file/x"],
        ["cat", "main", "/file"],
        ["show", "main"],
        ["show", first],
        ["show", "--raw", "main"],
        ["show", "-B", "--raw", "main"],
        ["show", "--list-metadata-keys", "main"],
        ["show", "--print-metadata-key=n", "main"],
        ["show", "-B", "--print-metadata-key=n", "main"],
        ["show", "--print-metadata-key=nope", "main"],
        ["show", "--print-detached-metadata-key=x", "main"],
        ["log", "main"],
        ["diff", "main"],
        ["diff", "main", "main^"],
        ["diff", "--no-xattrs", "main^", "./source"],
        ["config", "get", "core.mode"],
        ["config", "get", "core.nope"],
        ["config", "get", "nodot"],
        ["remote", "list"],
        ["remote", "list", "-u"],
        ["remote", "show-url", "origin"],
        ["prune", "--no-prune", "--refs-only"],
        ["prune", "--no-prune", "--refs-only", "--depth=0"],
      ];
      for (const question of questions) {
        const ours = await runOurs(cwd, ["--repo=r", ...question]);
        const peer = await theirs(cwd, ["--repo=r", ...question]);
        expect({ question, ...ours }).toEqual({ question, ...peer });
      }
    },
    120_000,
  );

  it.each(MODES)(
    "checks out what ostree checks out: %s",
    async (mode) => {
      await using scratch = lab.scratch();
      const cwd = scratch.path;
      makeSource(inside(cwd, "source"));
      await theirs(cwd, ["init", "--repo=r", `--mode=${mode}`]);
      await theirs(cwd, ["--repo=r", "commit", "-b", "main", "source"]);
      const ways: readonly (readonly string[])[] = [
        [],
        ["-U"],
        ["-C"],
        ["-U", "-C"],
        ["-H"],
        ["-U", "-H"],
        ["--subpath=/dir"],
        ["--subpath=/file"],
      ];
      for (const [at, options] of ways.entries()) {
        const ours = await runOurs(cwd, ["--repo=r", "checkout", ...options, "main", `a${at}`]);
        const peer = await theirs(cwd, ["--repo=r", "checkout", ...options, "main", `b${at}`]);
        expect({ options, code: ours.code, err: ours.err }).toEqual({
          options,
          code: peer.code,
          err: peer.err,
        });
        if (peer.code === 0) expect(listing(inside(cwd, `a${at}`))).toBe(listing(inside(cwd, `b${at}`)));
      }
      expect(await runOurs(cwd, ["--repo=r", "checkout", "--union", "main", "a0"])).toMatchObject({
        code: 0,
      });
      expect(await runOurs(cwd, ["--repo=r", "checkout", "main", "a0"])).toMatchObject({ code: 1 });
    },
    120_000,
  );

  it("pulls between repositories of all modes, and ostree finds nothing wrong", async () => {
    await using scratch = lab.scratch();
    const cwd = scratch.path;
    makeSource(inside(cwd, "source"));
    for (const from of MODES) {
      await theirs(cwd, ["init", `--repo=${from}`, `--mode=${from}`]);
      const options = ["--canonical-permissions", "--no-xattrs"];
      await theirs(cwd, [`--repo=${from}`, "commit", "-b", "main", "--timestamp=@1", ...options, "source"]);
      for (const into of MODES) {
        for (const untrusted of [[], ["--untrusted"]]) {
          const name = `${from}-${into}${untrusted.length}`;
          await runOurs(cwd, ["init", `--repo=${name}`, `--mode=${into}`]);
          expect(await runOurs(cwd, [`--repo=${name}`, "pull-local", ...untrusted, from])).toMatchObject({
            code: 0,
            err: "",
          });
          expect(await theirs(cwd, [`--repo=${name}`, "fsck"])).toMatchObject({ code: 0 });
          expect((await theirs(cwd, [`--repo=${name}`, "rev-parse", "main"])).out).toBe(
            (await theirs(cwd, [`--repo=${from}`, "rev-parse", "main"])).out,
          );
          const result = await theirs(cwd, [`--repo=${name}`, "fsck"]);
          expect(result.out).not.toContain("partial");
        }
      }
    }
  }, 120_000);

  it("takes and gives tars as ostree does", async () => {
    await using scratch = lab.scratch();
    const cwd = scratch.path;
    makeSource(inside(cwd, "source"));
    execFileSync("tar", ["-cf", "in.tar", "--format=pax", "-C", "source", "."], { cwd });
    execFileSync("tar", ["-czf", "deep.tar.gz", "--format=gnu", "source/dir/ünter/tief"], { cwd });
    for (const repo of ["a", "b"]) await theirs(cwd, ["init", `--repo=${repo}`]);
    for (const args of [
      ["--tree=tar=in.tar"],
      ["--tree=tar=deep.tar.gz", "--tar-autocreate-parents"],
      ["--tree=tar=deep.tar.gz"],
      ["--tree=tar=in.tar", "--tar-pathname-filter=^dir,renamed"],
    ]) {
      const commit = ["commit", "-b", "main", "--timestamp=@1", ...args];
      const ours = await runOurs(cwd, ["--repo=a", ...commit]);
      const peer = await theirs(cwd, ["--repo=b", ...commit]);
      expect({ args, code: ours.code, out: ours.out }).toEqual({ args, code: peer.code, out: peer.out });
    }
    await runOurs(cwd, ["--repo=a", "export", "main", "-o", "ours.tar"]);
    await theirs(cwd, ["--repo=a", "export", "main", "-o", "theirs.tar"]);
    const list = (name: string): string =>
      execFileSync("tar", ["-tvf", name, "--numeric-owner"], { cwd, encoding: "utf8" });
    expect(list("ours.tar")).toBe(list("theirs.tar"));
  }, 120_000);

  it("writes the summary that ostree writes", async () => {
    await using scratch = lab.scratch();
    const cwd = scratch.path;
    mkdirSync(inside(cwd, "source"));
    await theirs(cwd, ["init", "--repo=r", "--mode=archive"]);
    for (const branch of ["b", "a/b", "z"]) {
      await theirs(cwd, [
        "--repo=r",
        "commit",
        "-b",
        branch,
        "--timestamp=@1",
        "--add-metadata-string=version=1",
        "source",
      ]);
    }
    for (const extra of [
      [],
      ["-m", "key='value'", "-m", "n=uint64 5", "-m", "more=true", "-m", "still=@as []", "-m", "last=1"],
    ]) {
      await theirs(cwd, ["--repo=r", "summary", "-u", ...extra]);
      const peer = readFileSync(inside(cwd, "r/summary"));
      const shown = await theirs(cwd, ["--repo=r", "summary", "-v"]);
      expect(await runOurs(cwd, ["--repo=r", "summary", "-v"])).toMatchObject({ code: 0, out: shown.out });
      expect(await runOurs(cwd, ["--repo=r", "summary", "--raw"])).toEqual(
        await theirs(cwd, ["--repo=r", "summary", "--raw"]),
      );
      expect(await runOurs(cwd, ["--repo=r", "summary", "-u", ...extra])).toEqual({
        code: 0,
        out: "",
        err: "",
      });
      const ours = readFileSync(inside(cwd, "r/summary"));
      // The time is in eight bytes somewhere, and differs.
      expect(ours.length).toBe(peer.length);
      expect([...ours].filter((byte, at) => byte !== peer[at]).length).toBeLessThanOrEqual(8);
    }
  });
});
