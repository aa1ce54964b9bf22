import { readlinkSync, statSync } from "node:fs";
import { join } from "node:path";

import type { Log } from "@bootc-store/core";
import { describe, expect, test } from "vitest";

import { ensureComposefsBootcLink, ensureComposefsDir } from "../src/index.ts";
import { plant } from "./plant.ts";

const modeOf = (path: string): string => (statSync(path).mode & 0o7777).toString(8);

describe("ensureComposefsDir", () => {
  test.each([
    ["absent", {}, "created"],
    ["of mode 0755", { composefs: { mode: 0o755 } }, "repaired"],
    ["of mode 0700", { composefs: { mode: 0o700 } }, "existed"],
  ] as const)("%s", (_, plants, said) => {
    using root = plant(plants);
    expect(ensureComposefsDir(root.dir)).toBe(said);
    expect(modeOf(join(root.path, "composefs"))).toBe("700");
    expect(ensureComposefsDir(root.dir)).toBe("existed");
  });

  test("an open umask does not matter, nor a closed one", () => {
    const before = process.umask(0o777);
    try {
      using root = plant({});
      ensureComposefsDir(root.dir);
      expect(modeOf(join(root.path, "composefs"))).toBe("700");
    } finally {
      process.umask(before);
    }
  });

  test.each([
    ["a file", { composefs: "x" }],
    ["a link to a directory", { elsewhere: null, composefs: { link: "elsewhere" } }],
  ])("%s in the way is refused and left alone", (_, plants) => {
    using root = plant(plants);
    expect(() => ensureComposefsDir(root.dir)).toThrow(
      expect.objectContaining({ code: "storage/composefs-dir-blocked" }),
    );
  });
});

describe("ensureComposefsBootcLink", () => {
  test("makes the link, with exactly its text, and makes it once", () => {
    using root = plant({});
    expect(ensureComposefsBootcLink(root.dir)).toBe("created");
    expect(readlinkSync(join(root.path, "ostree/bootc"))).toBe("../composefs/bootc");
    expect(statSync(join(root.path, "ostree/bootc")).ino).toBe(
      statSync(join(root.path, "composefs/bootc")).ino,
    );
    expect(ensureComposefsBootcLink(root.dir)).toBe("link");
  });

  test.each([
    ["a link", "../composefs/bootc"],
    ["a link that leads elsewhere", "../nowhere"],
  ])("%s is accepted as it is", (_, link) => {
    using root = plant({ "ostree/bootc": { link } });
    expect(ensureComposefsBootcLink(root.dir)).toBe("link");
    expect(readlinkSync(join(root.path, "ostree/bootc"))).toBe(link);
    expect(statSync(join(root.path, "composefs/bootc")).isDirectory()).toBe(true);
  });

  test("a directory is left alone, with a warning", () => {
    using root = plant({ "ostree/bootc/storage": null });
    const warnings: string[] = [];
    const log: Log = { log: (level, message) => void warnings.push(`${level}: ${message}`) };
    expect(ensureComposefsBootcLink(root.dir, log)).toBe("directory");
    expect(warnings).toEqual([expect.stringMatching(/^warn: ostree\/bootc is a directory/)]);
    expect(statSync(join(root.path, "ostree/bootc/storage")).isDirectory()).toBe(true);
  });

  test("a file in the way is refused", () => {
    using root = plant({ "ostree/bootc": "x" });
    expect(() => ensureComposefsBootcLink(root.dir)).toThrow(
      expect.objectContaining({ code: "storage/bootc-root-blocked" }),
    );
  });
});
