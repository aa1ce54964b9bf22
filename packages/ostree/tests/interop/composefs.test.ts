/* oxlint-disable typescript/await-thenable -- the linter does not know of async disposal in test files */
// Composefs images of commits beside ostree's: the same digest in the metadata, the same bytes in the file, what the
// kernel shows of them. `BOOTC_STORE_LONG=1`: 400 trees.
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { utf8 } from "@bootc-store/core";
import { openLab } from "@bootc-store/lab";
import { Dir, unmount } from "@bootc-store/linux";
import { afterAll, describe, expect, it } from "vitest";

import { dumpDirectory, inside, MODES } from "./helpers.ts";
import { fillSource } from "./random-source.ts";
import { runOurs } from "./stand-in.ts";

const LONG = process.env["BOOTC_STORE_LONG"] === "1";
const COUNT = LONG ? 400 : 8;

const lab = openLab();
afterAll(() => lab.close());
const why = lab.missing({ root: true, peers: ["ostree", "mount.composefs", "fsck.erofs"] });

describe.skipIf(why !== undefined)(`composefs images ${why === undefined ? "" : `(skipped: ${why})`}`, () => {
  async function both(cwd: string, ...argv: string[]): Promise<{ code: number; out: string; err: string }> {
    const ours = await runOurs(
      cwd,
      argv.map((arg) => arg.replaceAll("{}", "a")),
    );
    const real = await lab.peers.ostree.run(
      argv.map((arg) => arg.replaceAll("{}", "b")),
      { cwd },
    );
    expect([argv, ours.code, ours.out, ours.err]).toEqual([argv, real.code, real.text, real.errorText]);
    return ours;
  }

  async function once(seed: number): Promise<void> {
    await using scratch = lab.scratch();
    const cwd = scratch.path;
    const mode = MODES[seed % MODES.length] as (typeof MODES)[number];
    mkdirSync(inside(cwd, "source"));
    fillSource(inside(cwd, "source"), seed);
    if (seed % 3 === 0) mkdirSync(inside(cwd, "source/usr/bin"), { recursive: true });
    await both(cwd, "--repo={}", "init", `--mode=${mode}`);
    const canonical = mode === "bare-user-only" ? ["--canonical-permissions"] : [];
    const commit = [
      "--repo={}",
      "commit",
      "-b",
      "m",
      "--timestamp=@1000000000",
      "--fsync=false",
      ...canonical,
    ];
    await both(
      cwd,
      ...commit,
      "--generate-composefs-metadata",
      "--add-metadata-string=version=1",
      "--tree=dir=source",
    );
    for (const kind of ["--composefs", "--composefs-noverity"]) {
      await both(cwd, "--repo={}", "checkout", kind, "m", `{}${kind}`);
      const [ours, real] = ["a", "b"].map((name) => readFileSync(inside(cwd, `${name}${kind}`)));
      expect([seed, mode, kind, ours?.equals(real as Buffer)]).toEqual([seed, mode, kind, true]);
    }
  }

  it(
    `of ${COUNT} random trees`,
    async () => {
      for (let seed = 1; seed <= COUNT; seed++) await once(seed);
    },
    LONG ? 3_600_000 : 120_000,
  );

  it("messages, and what metadata says", async () => {
    await using scratch = lab.scratch();
    const cwd = scratch.path;
    mkdirSync(inside(cwd, "source/usr/lib/modules/6.1"), { recursive: true });
    writeFileSync(inside(cwd, "source/usr/lib/modules/6.1/vmlinuz"), "kernel");
    writeFileSync(inside(cwd, "source/etc"), "no directory\n");
    await both(cwd, "--repo={}", "init", "--mode=bare");
    const commit = ["--repo={}", "commit", "-b", "m", "--timestamp=@1", "--tree=dir=source"];
    const digest = `[byte ${Array.from({ length: 32 }, () => "1").join(",")}]`;
    for (const more of [
      ["--generate-composefs-metadata", "--bootable"],
      [
        "--generate-composefs-metadata",
        "--bootable",
        ...["a", "version", "zeta"].map((key) => `--add-metadata-string=${key}=1`),
      ],
      ["--generate-composefs-metadata", `--add-metadata=ostree.composefs.digest.v0=${digest}`],
      [`--add-metadata=ostree.composefs.digest.v0=${digest}`],
    ]) {
      await both(cwd, ...commit, ...more);
      await both(cwd, "--repo={}", "show", "--raw", "m");
    }
    // The last has a digest that is not that of its image.
    await both(cwd, "--repo={}", "checkout", "--composefs", "m", "{}.img");
    expect(() => readFileSync(inside(cwd, "a.img"))).toThrow("ENOENT");
    await both(cwd, "--repo={}", "checkout", "--composefs-noverity", "m", "{}.img");
    for (const value of ["[byte 1,2]", "'text'"]) {
      await both(cwd, ...commit, `--add-metadata=ostree.composefs.digest.v0=${value}`);
      await both(cwd, "--repo={}", "checkout", "--composefs", "m", "{}.img");
    }
    const refused =
      "-H -C -z -M --union-add --union-identical --whiteouts --disable-cache --skip-list=nothing";
    const taken = "--selinux-policy=/ --selinux-prefix=/ -U --union --subpath=/nope";
    for (const option of `${refused} ${taken}`.split(" "))
      await both(cwd, "--repo={}", "checkout", "--composefs", option, "m", "{}.img");
    expect(readFileSync(inside(cwd, "a.img")).equals(readFileSync(inside(cwd, "b.img")))).toBe(true);
    await both(cwd, "--repo={}", "checkout", "--selinux-prefix=/", "m", "{}.out");
  });

  it("the kernel shows the files of the commit, and fsck.erofs finds nothing", async () => {
    await using scratch = lab.scratch();
    const cwd = scratch.path;
    mkdirSync(inside(cwd, "source"));
    fillSource(inside(cwd, "source"), 77);
    for (const name of ["usr", "etc", "boot", "var", "sysroot"]) {
      rmSync(inside(cwd, `source/${name}`), { recursive: true, force: true });
      mkdirSync(inside(cwd, `source/${name}`));
      chmodSync(inside(cwd, `source/${name}`), 0o755);
    }
    const ours = async (...argv: string[]): Promise<void> => {
      const { code, err } = await runOurs(cwd, argv);
      expect([argv, code, err]).toEqual([argv, 0, ""]);
    };
    await ours("--repo=a", "init", "--mode=bare");
    await ours("--repo=a", "commit", "-b", "m", "--generate-composefs-metadata", "--tree=dir=source");
    await ours("--repo=a", "checkout", "--composefs", "m", "img");
    await lab.peers["fsck.erofs"].succeed(["img"], { cwd });
    await ours("--repo=a", "checkout", "m", "files");
    mkdirSync(inside(cwd, "mnt"));
    await lab.peers["mount.composefs"].succeed(["-o", "basedir=a/objects", "img", "mnt"], { cwd });
    try {
      expect(dumpDirectory(inside(cwd, "mnt"))).toBe(dumpDirectory(inside(cwd, "files")));
    } finally {
      using top = Dir.openHost(utf8(cwd));
      unmount(top, utf8("mnt"));
    }
  });
});
