// Sysroots that bootc and ostree made: what they say of them at rest and booted, and damage that is refused.
import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { utf8 } from "@bootc-store/core";
import { isRoot, openLab } from "@bootc-store/lab";
import { Dir } from "@bootc-store/linux";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";

import { gvariant, variant } from "../../src/gvariant/index.ts";
import {
  type DeploymentName,
  deploymentPath,
  listBootDirectories,
  readLoaderTexts,
  Sysroot,
} from "../../src/index.ts";
import { unescapeFromRef } from "../../src/container/index.ts";
import { statusText } from "../../src/sysroot/status.ts";
import { runOurs } from "./stand-in.ts";

const RECORDED = join(import.meta.dirname, "../../../../../shared/fixtures/ostree-container/sysroot");
const TARS = existsSync(RECORDED) ? readdirSync(RECORDED).filter((name) => name.endsWith(".tar.gz")) : [];

const lab = openLab();
afterAll(() => lab.close());
let top = "";
beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), "bootc-store-sysroot-"));
});
afterEach(() => rmSync(top, { recursive: true, force: true }));

function unpack(tar: string): string {
  const to = join(top, tar.replace(".tar.gz", ""));
  mkdirSync(to);
  execFileSync("tar", [
    "--xattrs",
    "--xattrs-include=*",
    "--numeric-owner",
    "-xzf",
    join(RECORDED, tar),
    "-C",
    to,
  ]);
  return to;
}

function open(path: string, booted?: DeploymentName): Sysroot {
  return Sysroot.open(Dir.openHost(utf8(path)), booted === undefined ? {} : { booted });
}

/** What the tool and the stand-in say to the same arguments. */
async function both(argv: readonly string[], cwd: string): Promise<void> {
  const theirs = await lab.peers.ostree.run(argv, { cwd });
  const ours = await runOurs(cwd, argv);
  expect({ out: ours.out, code: ours.code }).toEqual({ out: theirs.text, code: theirs.code });
  expect(ours.err.split("\n").findLast((line) => line.startsWith("error:"))).toEqual(
    theirs.errorText.split("\n").findLast((line) => line.startsWith("error:")),
  );
}

const whole = TARS.length > 0 && isRoot() && lab.peers.ostree.available;

describe.skipIf(!whole)("at rest, as the tool says", () => {
  test.for(TARS)("%s", async (tar) => {
    const path = unpack(tar);
    for (const more of [[], ["--json"], ["-D"]])
      await both(["admin", "status", `--sysroot=${path}`, ...more], top);
    for (const os of ["lab", "other", "none"]) {
      await both(["admin", "config-diff", `--sysroot=${path}`, `--os=${os}`], top);
    }
    await both(["admin", "config-diff", `--sysroot=${path}`], top);
    using sysroot = open(path);
    if (sysroot.deployments.length === 0) return;
    await both(["admin", `--sysroot=${path}`, "--print-current-dir"], top);
    // Every kernel directory belongs to somebody, and every deployment has one.
    const directories = listBootDirectories(sysroot);
    expect(directories.every((each) => each.deployments.length > 0 && each.files.length === 2)).toBe(true);
    expect(directories.flatMap((each) => each.deployments).length).toBe(sysroot.deployments.length);
    expect(readLoaderTexts(sysroot)).toEqual({});
  });

  test("config-diff of a changed /etc", async () => {
    const path = unpack("3-v2-v1.tar.gz");
    using sysroot = open(path);
    const etc = join(path, deploymentPath(sysroot.deployments[0] as DeploymentName), "etc");
    const names = readdirSync(etc);
    appendFileSync(join(etc, "passwd"), "more\n");
    chmodSync(join(etc, "containers"), 0o700);
    unlinkSync(join(etc, "os-release"));
    unlinkSync(join(etc, "group"));
    mkdirSync(join(etc, "group"));
    writeFileSync(join(etc, "group/in"), "x");
    mkdirSync(join(etc, "new/deep"), { recursive: true });
    writeFileSync(join(etc, "new/deep/file"), "x");
    symlinkSync("nowhere", join(etc, "link"));
    expect(names).toContain("passwd");
    const said = await runOurs(top, ["admin", "config-diff", `--sysroot=${path}`, "--os=lab"]);
    const theirs = await lab.peers.ostree.succeed(["admin", "config-diff", `--sysroot=${path}`, "--os=lab"]);
    const sorted = (text: string): string[] => text.trim().split("\n").sort();
    expect(sorted(said.out)).toEqual(sorted(theirs.text));
    expect(sorted(said.out).length).toBeGreaterThan(6);
  });

  test("damage is refused", async () => {
    const path = unpack("1-v1.tar.gz");
    using sysroot = open(path);
    const deployment = join(path, deploymentPath(sysroot.deployments[0] as DeploymentName));
    renameSync(deployment, `${deployment}.away`);
    expect(() => open(path)).toThrow(expect.objectContaining({ code: "ostree/deployment-not-found" }));
    renameSync(`${deployment}.away`, deployment);
    const entries = join(path, "boot/loader/entries");
    const entry = join(entries, readdirSync(entries)[0] as string);
    const text = readFileSync(entry, "utf8");
    for (const damaged of [
      text.replace(/ostree=\S+/, ""),
      text.replace(/ostree=\S+/, "ostree=/ostree/boot.0/../../etc/0"),
      text.replace(/(ostree=\S+)\/0/, "$1/7"),
    ]) {
      writeFileSync(entry, damaged);
      expect(() => open(path)).toThrow(expect.objectContaining({ code: "ostree/sysroot-invalid" }));
      const theirs = await lab.peers.ostree.run(["admin", "status", `--sysroot=${path}`]);
      expect(theirs.code).toBe(1);
    }
  });
});

interface Step {
  readonly tar?: string;
  readonly "fake-boot-of"?: string;
  readonly stateroot?: string;
  readonly commands?: readonly { readonly cmd: string; readonly stdout: string }[];
}

/** The states of the recording in which a deployment was booted and nothing had been changed yet. */
function bootedStates(): { name: string; tar: string; booted: string; stateroot: string; said: string }[] {
  const states = [];
  for (const file of readdirSync(RECORDED).filter((name) => name.endsWith(".json"))) {
    const { steps } = JSON.parse(readFileSync(join(RECORDED, file), "utf8")) as { steps: readonly Step[] };
    for (const [at, { tar }] of steps.entries()) {
      const next = steps[at + 1];
      if (tar === undefined || next?.["fake-boot-of"] === undefined) continue;
      const { commands = [], stateroot = "", "fake-boot-of": booted } = next;
      const first = commands.findIndex(({ cmd }) => cmd === "ostree admin status");
      const before = commands.slice(0, first);
      if (first < 0 || before.some(({ cmd }) => !/^bootc (?:status|upgrade --check)/.test(cmd))) continue;
      const said = commands[first]?.stdout ?? "";
      states.push({ name: `${tar} in ${file}`, tar: tar.replace("sysroot/", ""), booted, stateroot, said });
    }
  }
  return states;
}

const STATES = TARS.length === 0 ? [] : bootedStates();

describe.skipIf(!isRoot() || STATES.length === 0)("booted, as recorded", () => {
  test("there are states to compare", () => expect(STATES.length).toBeGreaterThanOrEqual(6));

  test.for(STATES)("$name", ({ tar, booted, stateroot, said }) => {
    const [checksum = "", serial] = booted.split(".");
    using sysroot = open(unpack(tar), { stateroot, checksum, serial: Number(serial) });
    expect(statusText(sysroot).trimEnd()).toBe(said.trimEnd());
    expect(sysroot.booted).toMatchObject({ checksum, stateroot });
  });

  test("staged, unlocked and found by the running root", () => {
    const path = unpack("10-three-pinned.tar.gz");
    const run = join(top, "run");
    const names = (() => {
      using sysroot = open(path);
      expect(sysroot.booted).toBeUndefined();
      expect(sysroot.stateroots).toEqual(["lab"]);
      expect(sysroot.deployments.map(({ pinned }) => pinned)).toEqual([false, false, true]);
      return sysroot.deployments.map(({ checksum, serial, stateroot }) => ({ checksum, serial, stateroot }));
    })();
    const [first, second, third] = names as [DeploymentName, DeploymentName, DeploymentName];
    mkdirSync(join(run, `ostree/deployment-state/${second.checksum}.0/unlocked-development`), {
      recursive: true,
    });
    writeFileSync(join(run, "ostree-booted"), "");
    const target = variant("a{sv}", [
      ["name", variant("s", `${third.checksum}.0`)],
      ["osname", variant("s", "lab")],
      ["bootcsum", variant("s", "ab".repeat(32))],
    ]);
    const staged = gvariant("a{sv}").encode([
      ["target", target],
      ["locked", variant("b", true)],
    ]);
    writeFileSync(join(run, "ostree/staged-deployment"), staged);
    using root = Dir.openHost(utf8(join(path, deploymentPath(second))));
    using runDir = Dir.openHost(utf8(run));
    using sysroot = Sysroot.open(Dir.openHost(utf8(path)), { root, run: runDir });
    expect(sysroot.deployments[0]).toMatchObject({ ...third, staged: true, finalizationLocked: true });
    expect(sysroot.booted).toMatchObject({ ...second, unlocked: "development", index: 2 });
    expect(sysroot.neighbours().pending).toMatchObject(third);
    expect(sysroot.neighbours().rollback).toMatchObject({ ...third, staged: false });
    expect(sysroot.deployments[1]).toMatchObject(first);
    expect(statusText(sysroot)).toMatch(/^ {2}lab \S+ \(finalization locked\)\n/);
    writeFileSync(join(run, "ostree/staged-deployment"), staged.subarray(0, 40));
    expect(() => Sysroot.open(Dir.openHost(utf8(path)), { root, run: runDir })).toThrow(
      expect.objectContaining({ code: "ostree/variant-not-normal" }),
    );
  });
});

describe.skipIf(TARS.length === 0 || !isRoot())("prune-images", () => {
  const prune = (path: string, ...more: string[]) =>
    runOurs(top, ["container", "image", "prune-images", `--sysroot=${path}`, ...more]);

  test.for(TARS)("%s: what no origin names goes", async (tar) => {
    const path = unpack(tar);
    const find = (where: string, ...tests: string[]): string[] =>
      execFileSync("find", [join(path, where), ...tests], { encoding: "utf8" })
        .split("\n")
        .slice(0, -1);
    const images = join(path, "ostree/repo/refs/heads/ostree/container/image");
    const names = existsSync(images)
      ? find("ostree/repo/refs/heads/ostree/container/image", "-type", "f", "-printf", "%P\n").sort()
      : [];
    const origins = find("ostree/deploy", "-name", "*.origin").map((file) => readFileSync(file, "utf8"));
    const unused = names.filter((name) => {
      const text = unescapeFromRef(name).replace(/^docker:\/\//, "");
      return !origins.some((origin) => origin.split("\n").some((line) => line.endsWith(`:${text}`)));
    });
    const lines = unused.map((name) => `Removed: ${unescapeFromRef(name)}\n`).join("");
    expect(await prune(path)).toEqual({ code: 0, out: lines || "No unreferenced images.\n", err: "" });
    const left = existsSync(images)
      ? find("ostree/repo/refs/heads/ostree/container/image", "-type", "f", "-printf", "%P\n").sort()
      : [];
    expect(left).toEqual(names.filter((name) => !unused.includes(name)));
    // As recorded of the program, layers are not looked at where no image went.
    expect(await prune(path, "--and-layers")).toMatchObject({ code: 0, out: "No unreferenced images.\n" });
  });

  test("an image that was pulled and never deployed goes, with its layers", async () => {
    const path = unpack("3-v2-v1.tar.gz");
    const images = join(path, "ostree/repo/refs/heads/ostree/container/image");
    const [name = ""] = execFileSync("find", [images, "-type", "f", "-printf", "%P\n"], {
      encoding: "utf8",
    }).split("\n");
    writeFileSync(join(images, "oci_3A__2F_elsewhere_3A_tag"), readFileSync(join(images, name)));
    const layer = join(path, "ostree/repo/refs/heads/ostree/container/blob/sha256_3A_ab");
    writeFileSync(layer, readFileSync(join(images, name)));
    expect(await prune(path, "--and-layers")).toEqual({
      code: 0,
      out: "Removed: oci:/elsewhere:tag\nRemoved layers: 1\n",
      err: "",
    });
    expect(existsSync(layer)).toBe(false);
    expect(await prune(path, "--full")).toMatchObject({ code: 2 });
  });
});
