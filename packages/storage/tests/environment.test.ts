import { describe, expect, test } from "vitest";

import { Environment } from "../src/index.ts";
import { plant, type Plants } from "./plant.ts";

const ID = "ab".repeat(64);
const OTHER = "cd".repeat(64);

const mountinfo = (source: string): string =>
  [
    "22 1 0:21 / /proc rw,relatime shared:5 - proc proc rw",
    `28 1 0:25 / / ro,relatime shared:1 - overlay ${source} ro,lowerdir+=x`,
    "30 28 8:1 / /sysroot rw shared:2 - ext4 /dev/sda1 rw",
    "",
  ].join("\n");

const booted = (cmdline: string, source: string): Plants => ({
  "proc/cmdline": `${cmdline}\n`,
  "proc/self/mountinfo": mountinfo(source),
});

function detect(plants: Plants, env: Record<string, string> = {}): Environment {
  using root = plant({ run: null, ...plants });
  return Environment.detect({ host: root.dir, env });
}

const composefs = (digest: string, allowMissingVerity: boolean, softRebooted = false): Environment => ({
  kind: "composefs-booted",
  cmdline: { digest, allowMissingVerity, softRebooted },
});

describe("what is detected", () => {
  test.each<[string, Plants, Record<string, string>, Environment]>([
    ["nothing at all", {}, {}, { kind: "other" }],
    ["a plain command line", { "proc/cmdline": "root=/dev/sda1 rw" }, {}, { kind: "other" }],
    ["the variable of a container", {}, { container: "podman" }, { kind: "container" }],
    ["podman's marker", { "run/.containerenv": "" }, {}, { kind: "container" }],
    ["docker's marker", { ".dockerenv": "" }, {}, { kind: "container" }],
    ["ostree's marker", { "run/ostree-booted": "" }, {}, { kind: "ostree-booted" }],
    ["composefs", booted(`rw composefs=${ID}`, `composefs:${ID}`), {}, composefs(ID, false)],
    ["composefs without verity", booted(`composefs=?${ID} rw`, `composefs:${ID}`), {}, composefs(ID, true)],
    ["a transient root", booted(`composefs=${ID}`, `transient:composefs=${ID}`), {}, composefs(ID, false)],
    [
      "the first of two arguments",
      booted(`composefs=${ID} composefs=${OTHER}`, `composefs:${ID}`),
      {},
      composefs(ID, false),
    ],
    ["quotes around an argument", booted(`"composefs=${ID}"`, `composefs:${ID}`), {}, composefs(ID, false)],
    // After a soft reboot the command line is the old one; the mount is right, and knows of no `?`.
    ["a soft reboot", booted(`composefs=?${ID}`, `composefs:${OTHER}`), {}, composefs(OTHER, false, true)],
    ["an argument without a value", booted("composefs rw", "composefs"), {}, { kind: "other" }],
    ["another argument", booted(`composefs.digest=v1-sha512-12:${ID}`, "x"), {}, { kind: "other" }],
  ])("%s", (_, plants, env, expected) => {
    expect(detect(plants, env)).toEqual(expected);
  });
});

describe("which one wins", () => {
  const everything: Plants = {
    ...booted(`composefs=${ID}`, `composefs:${ID}`),
    "run/ostree-booted": "",
    "run/.containerenv": "",
  };

  test("a container, also on a composefs host", () => {
    expect(detect(everything)).toEqual({ kind: "container" });
    expect(detect(booted(`composefs=${ID}`, `composefs:${ID}`), { container: "" })).toEqual({
      kind: "container",
    });
  });

  test("composefs before ostree", () => {
    const { "run/.containerenv": _, ...host } = everything;
    expect(detect(host)).toEqual(composefs(ID, false));
  });

  test("ostree where composefs has no value", () => {
    expect(detect({ ...booted("composefs", "x"), "run/ostree-booted": "" })).toEqual({
      kind: "ostree-booted",
    });
  });
});

describe("what is refused", () => {
  test.each([
    [
      "a root that is not mounted from composefs",
      booted(`composefs=${ID}`, "/dev/sda1"),
      "storage/root-mount-not-composefs",
    ],
    [
      "a digest that is too short",
      booted("composefs=abcd", "composefs:abcd"),
      "storage/cmdline-digest-invalid",
    ],
    [
      "a mount whose digest is none",
      booted(`composefs=${ID}`, "composefs:zz"),
      "storage/cmdline-digest-invalid",
    ],
    ["no list of mounts", { "proc/cmdline": `composefs=${ID}` }, "linux/not-found"],
  ] as [string, Plants, string][])("%s", (_, plants, code) => {
    expect(() => detect(plants)).toThrow(expect.objectContaining({ code }));
  });
});

test("a mount namespace is needed on a booted host, and only there", () => {
  const needed = (kind: "container" | "ostree-booted" | "other"): boolean =>
    Environment.needsMountNamespace({ kind });
  expect([needed("container"), needed("other"), needed("ostree-booted")]).toEqual([false, false, true]);
  expect(Environment.needsMountNamespace(composefs(ID, false))).toBe(true);
});
