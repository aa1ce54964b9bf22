import { describe, expect, test } from "vitest";

import { getPhysicalRootAndRun, type ReadOnlyQuestions, sysrootIsReadOnly } from "../src/index.ts";
import { plant } from "./plant.ts";

/** Answers that a test gives, and what was asked. */
function answers(
  fileSystem: boolean,
  device: boolean | undefined,
  remount: "works" | "fails",
): ReadOnlyQuestions & { asked: string[] } {
  const asked: string[] = [];
  return {
    asked,
    fileSystemReadOnly: () => (asked.push("file system"), fileSystem),
    deviceReadOnly: () => (asked.push("device"), device),
    remountReadWrite: () => {
      asked.push("remount");
      if (remount === "fails") throw new Error("no");
    },
  };
}

describe("the decision", () => {
  test("a file system that is mounted read-write is not read-only, and nothing else is asked", () => {
    using root = plant({});
    const ask = answers(false, true, "fails");
    expect(sysrootIsReadOnly(root.dir, ask)).toBe(false);
    expect(ask.asked).toEqual(["file system"]);
  });

  test("one on a read-only device is, and no remount is tried", () => {
    using root = plant({});
    const ask = answers(true, true, "works");
    expect(sysrootIsReadOnly(root.dir, ask)).toBe(true);
    expect(ask.asked).toEqual(["file system", "device"]);
  });

  test.each([false, undefined])("one on a device that says %s is remounted", (device) => {
    using root = plant({});
    const ask = answers(true, device, "works");
    expect(sysrootIsReadOnly(root.dir, ask)).toBe(false);
    expect(ask.asked).toEqual(["file system", "device", "remount"]);
  });

  test("a remount that fails is an error and not an answer", () => {
    using root = plant({});
    expect(() => sysrootIsReadOnly(root.dir, answers(true, false, "fails"))).toThrow(
      expect.objectContaining({ code: "storage/remount-failed", cause: expect.any(Error) }),
    );
  });
});

describe("opening", () => {
  test("the root is opened again after the remount", () => {
    using root = plant({ "sysroot/before": "", run: null });
    // The remount is seen to be another file system by putting another directory there.
    const ask = answers(true, false, "works");
    const swap: ReadOnlyQuestions = {
      ...ask,
      remountReadWrite(dir) {
        ask.remountReadWrite(dir);
        root.dir.rename("sysroot" as never, "old" as never);
        root.dir.makeDir("sysroot" as never);
        root.dir.makeDir("sysroot/after" as never);
      },
    };
    const opened = getPhysicalRootAndRun(root.dir, swap);
    using physicalRoot = opened.physicalRoot;
    using run = opened.run;
    expect(opened.readOnly).toBe(false);
    expect(physicalRoot.list().map((entry) => entry.name)).toEqual(["after"]);
    expect(run.list()).toEqual([]);
  });

  test.each([
    ["no /sysroot", { run: null }],
    ["no /run", { sysroot: null }],
  ])("%s is an error, and nothing stays open", (_, plants) => {
    using root = plant(plants);
    expect(() => getPhysicalRootAndRun(root.dir, answers(false, undefined, "works"))).toThrow(
      expect.objectContaining({ code: "linux/not-found" }),
    );
  });
});
