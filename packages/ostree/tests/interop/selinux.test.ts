/* oxlint-disable typescript/await-thenable -- the linter does not know of async disposal in test files */
// Labels at commit and at checkout beside ostree's, by policies of a directory, of a commit, of the first tree.
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { utf8 } from "@bootc-store/core";
import { openLab } from "@bootc-store/lab";
import { Dir } from "@bootc-store/linux";
import { afterAll, describe, expect, it } from "vitest";

import { dumpDirectory, inside } from "./helpers.ts";
import { fillSource } from "./random-source.ts";
import { runOurs } from "./stand-in.ts";

const lab = openLab();
afterAll(() => lab.close());
const why = lab.missing({ root: true, peers: ["ostree", "tar"] });

const CONTEXTS = `
/.*	system_u:object_r:default_t:s0
/	-d	system_u:object_r:root_t:s0
/usr(/.*)?	system_u:object_r:usr_t:s0
/etc(/.*)?	system_u:object_r:etc_t:s0
/usr/s?bin(/.*)?	--	system_u:object_r:bin_t:s0
/usr/etc(/.*)?	system_u:object_r:usretc_t:s0
/usr/.*\\.so(\\.[^/]*)*	--	system_u:object_r:lib_t:s0
/usr/link	-l	system_u:object_r:link_t:s0
/a(/.*)?	system_u:object_r:a_t:s0
/[bB]	--	system_u:object_r:b_t:s0
/var/none(/.*)?	<<none>>
`;

/** A root with a policy; ostree wants its binary form to be there, whatever is in it. */
function makePolicy(at: string, top: "etc" | "usr/etc", contexts = CONTEXTS): void {
  const targeted = inside(at, `${top}/selinux/targeted`);
  mkdirSync(`${targeted}/contexts/files`, { recursive: true });
  mkdirSync(`${targeted}/policy`);
  writeFileSync(`${targeted}/policy/policy.33`, "binary");
  writeFileSync(inside(at, `${top}/selinux/config`), "# which\nSELINUX=enforcing\nSELINUXTYPE=targeted\n");
  writeFileSync(`${targeted}/contexts/files/file_contexts`, contexts);
  writeFileSync(
    `${targeted}/contexts/files/file_contexts.homedirs`,
    "/home/[^/]+/.+\tsystem_u:object_r:home_t:s0\n",
  );
  writeFileSync(
    `${targeted}/contexts/files/file_contexts.local`,
    "/usr/local/x\tsystem_u:object_r:local_t:s0\n",
  );
  writeFileSync(`${targeted}/contexts/files/file_contexts.subs_dist`, "/lib /usr/lib\n/var/home /home\n");
}

function makeSource(at: string): void {
  for (const dir of [
    "usr/bin",
    "usr/etc/sub",
    "usr/etcetera",
    "usr/local",
    "var/home/me/sub",
    "var/none/d",
    "lib",
    "opt",
  ])
    mkdirSync(inside(at, dir), { recursive: true });
  for (const file of [
    "usr/bin/tool",
    "usr/etc/sub/conf",
    "usr/etcetera/x",
    "usr/local/x",
    "var/home/me/f",
    "var/none/f",
  ])
    writeFileSync(inside(at, file), file);
  for (const file of ["lib/a.so", "lib/a.so.1.2", "lib/empty.so", "opt/labelled"])
    writeFileSync(inside(at, file), file === "lib/empty.so" ? "" : file);
  symlinkSync("nowhere", inside(at, "usr/link"));
  symlinkSync("nowhere", inside(at, "opt/link"));
  using top = Dir.openHost(utf8(at));
  for (const path of ["opt/labelled", "var/none/f", "usr/bin", "opt/link"])
    top.setXattr(utf8(path), utf8("security.selinux"), Buffer.from("old:label\0"));
  top.setXattr(utf8("usr/bin/tool"), utf8("user.other"), Buffer.from("value"));
}

describe.skipIf(why !== undefined)(`SELinux labels ${why === undefined ? "" : `(skipped: ${why})`}`, () => {
  type Ended = { readonly code: number; readonly out: string; readonly err: string };

  async function each(cwd: string, argv: readonly string[]): Promise<{ ours: Ended; real: Ended }> {
    const ours = await runOurs(
      cwd,
      argv.map((arg) => arg.replaceAll("{}", "a")),
    );
    const real = await lab.peers.ostree.run(
      argv.map((arg) => arg.replaceAll("{}", "b")),
      { cwd },
    );
    return { ours, real: { code: real.code ?? -1, out: real.text, err: real.errorText } };
  }

  async function same(cwd: string, ...argv: string[]): Promise<Ended> {
    const { ours, real } = await each(cwd, argv);
    expect([argv, ours.code, ours.out, ours.err]).toEqual([argv, real.code, real.out, real.err]);
    return ours;
  }

  const COMMIT = ["--repo={}", "commit", "-b", "m", "--timestamp=@1"];

  it.each(["bare", "bare-user", "archive"])("of a commit into %s", async (mode) => {
    await using scratch = lab.scratch();
    const cwd = scratch.path;
    mkdirSync(inside(cwd, "source"));
    makeSource(inside(cwd, "source"));
    makePolicy(inside(cwd, "policy"), "etc");
    cpSync(inside(cwd, "source"), inside(cwd, "own"), { recursive: true, verbatimSymlinks: true });
    makePolicy(inside(cwd, "own"), "usr/etc");
    execFileSync("tar", ["cf", "own.tar", "-C", "own", "."], { cwd });
    await same(cwd, "--repo={}", "init", `--mode=${mode}`);
    await same(cwd, ...COMMIT, "--tree=dir=own", "--branch=plain");
    for (const more of [
      ["--selinux-policy=policy", "--tree=dir=source"],
      ["--selinux-policy=policy", "--selinux-labeling-epoch=1", "--tree=dir=source"],
      ["--selinux-policy=policy", "--no-xattrs", "--tree=dir=source"],
      ["--selinux-policy=policy", "--canonical-permissions", "--owner-uid=0", "--tree=dir=source"],
      ["--selinux-policy=policy", "--tree=tar=own.tar"],
      ["--selinux-policy=policy", "--tree=ref=plain"],
      ["--selinux-policy=policy", "--base=plain", "--tree=dir=source"],
      ["--selinux-policy=opt", "--tree=dir=source"],
      ["--selinux-policy=source", "--tree=dir=source"],
      ["-P", "--tree=dir=own"],
      ["-P", "--tree=dir=own", "--selinux-labeling-epoch=1"],
      ["-P", "--tree=dir=source"],
      ["-P", "--tree=ref=plain", "--tree=dir=source"],
      ["-P", "--base=plain", "--tree=dir=source"],
      ["-P", "--tree=tar=own.tar"],
      ["-P", "--selinux-policy=policy", "--tree=dir=own"],
      ["--selinux-labeling-epoch=2", "--tree=dir=own"],
      ["--selinux-labeling-epoch=x", "--tree=dir=own"],
      ["--selinux-labeling-epoch=1", "--tree=dir=own"],
    ]) {
      mkdirSync(inside(cwd, "opt"), { recursive: true });
      await same(cwd, ...COMMIT, ...more);
      await same(cwd, "--repo={}", "ls", mode === "archive" ? "-RC" : "-RXC", "m");
    }
    for (const [repo, check] of [
      ["a", "theirs"],
      ["b", "ours"],
    ] as const) {
      const { ours, real } = await each(cwd, [`--repo=${repo}`, "fsck", "-q"]);
      expect([repo, (check === "ours" ? ours : real).code]).toEqual([repo, 0]);
    }
  });

  it("of random trees", async () => {
    for (let seed = 1; seed <= 6; seed++) {
      await using scratch = lab.scratch();
      const cwd = scratch.path;
      mkdirSync(inside(cwd, "source"));
      fillSource(inside(cwd, "source"), seed);
      makePolicy(inside(cwd, "policy"), "usr/etc");
      await same(cwd, "--repo={}", "init", "--mode=bare");
      await same(cwd, ...COMMIT, "--selinux-policy=policy", "--tree=dir=source");
    }
  });

  it("a switch and a name as ostree reads them", async () => {
    await using scratch = lab.scratch();
    const cwd = scratch.path;
    mkdirSync(inside(cwd, "source/usr/bin"), { recursive: true });
    makePolicy(inside(cwd, "policy"), "etc");
    await same(cwd, "--repo={}", "init", "--mode=bare");
    for (const config of [
      "SELINUXTYPE=targeted\n",
      "SELINUX=Permissive\nSELINUXTYPE=targeted",
      " SELINUX=enforcing\nSELINUXTYPE=targeted\n",
      "SELINUX= enforcing\nSELINUXTYPE=targeted\n",
      "SELINUX=disabled\nSELINUX=enforcing\nSELINUXTYPE=no\nSELINUXTYPE= targeted \n",
      "SELINUX=enforcing\r\nSELINUX=disabled\nSELINUXTYPE=targeted\r\n",
      "SELINUX=DISABLED\nSELINUXTYPE=targeted\n",
      "SELINUX=else\nSELINUXTYPE=targeted\n",
    ]) {
      writeFileSync(inside(cwd, "policy/etc/selinux/config"), config);
      await same(cwd, ...COMMIT, "--selinux-policy=policy", "--tree=dir=source");
    }
    // What makes ostree fail, by a signal even, fails here too, and nothing is committed.
    const before = await same(cwd, "--repo={}", "rev-parse", "m");
    const broken = async (): Promise<void> => {
      const { ours, real } = await each(cwd, [...COMMIT, "--selinux-policy=policy", "--tree=dir=source"]);
      expect(real.code).not.toBe(0);
      expect([ours.code, ours.out]).toEqual([1, ""]);
      expect(ours.err).toContain("error: ");
      expect(await same(cwd, "--repo={}", "rev-parse", "m")).toEqual(before);
    };
    writeFileSync(inside(cwd, "policy/etc/selinux/config"), "SELINUX=enforcing\n");
    await broken();
    writeFileSync(inside(cwd, "policy/etc/selinux/config"), "SELINUX=enforcing\nSELINUXTYPE=other\n");
    await broken();
    rmSync(inside(cwd, "policy"), { recursive: true });
    await broken();
  });

  it("of a checkout", async () => {
    await using scratch = lab.scratch();
    const cwd = scratch.path;
    mkdirSync(inside(cwd, "source"));
    makeSource(inside(cwd, "source"));
    // ostree crashes at a path without a label.
    rmSync(inside(cwd, "source/var/none"), { recursive: true });
    makePolicy(inside(cwd, "policy"), "etc");
    for (const mode of ["bare", "bare-user", "archive"]) {
      const repo = `${mode}-{}`;
      await same(cwd, `--repo=${repo}`, "init", `--mode=${mode}`);
      await same(cwd, `--repo=${repo}`, "commit", "-b", "m", "--timestamp=@1", "--tree=dir=source");
      for (const [at, more] of [
        [],
        ["-C"],
        ["-U"],
        ["--union"],
        ["--selinux-prefix=/usr"],
        ["--selinux-prefix=/usr/etc/"],
        ["--subpath=/usr"],
        ["--subpath=/usr", "--selinux-prefix=/lib"],
        ["--subpath=/usr/bin/tool"],
        ["--subpath=/opt/labelled"],
        ["--subpath=/usr/link"],
        ["--subpath=/usr/bin/tool", "--selinux-prefix=/etc"],
        ["-H"],
      ].entries()) {
        const destination = `${mode}-${at}-{}`;
        await same(cwd, `--repo=${repo}`, "checkout", "--selinux-policy=policy", ...more, "m", destination);
        if (more[0] === "-H") continue;
        const [ours, real] = ["a", "b"].map((name) =>
          dumpDirectory(inside(cwd, destination.replace("{}", name))),
        );
        // Without SELinux in the kernel ostree labels files only; directories and symlinks get theirs from what the
        // kernel is told before they are made.
        expect([mode, more, filesOf(ours)]).toEqual([mode, more, filesOf(real)]);
        expect([mode, more, unlabelled(ours)]).toEqual([mode, more, unlabelled(real)]);
        if (!more.includes("-U") && at === 0) expect(labelsOf(ours)).toMatchSnapshot();
      }
    }
    await same(cwd, "--repo=bare-{}", "checkout", "--selinux-prefix=/usr", "m", "x-{}");
  });

  /** Lines of regular files. */
  const filesOf = (dump: string | undefined): string[] =>
    (dump ?? "").split("\n").filter((line) => line.includes(" 0o100"));
  const unlabelled = (dump: string | undefined): string =>
    (dump ?? "").replaceAll(/\(b?'security\.selinux', b'[^']*'\)(?:, )?/g, "");
  const labelsOf = (dump: string | undefined): string[] =>
    (dump ?? "").split("\n").map((line) => {
      const label = /'security\.selinux', b'([^']*)'/.exec(line)?.[1] ?? "-";
      return `${line.split(" ")[0]} ${label}`;
    });
});
