import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openLab } from "@bootc-store/lab";
import { afterAll, describe, expect, it } from "vitest";
import { plan, type PlanOptions } from "./plan.ts";
import { cellLine, lastLine, planLines } from "./reporters/console.ts";
import { html } from "./reporters/html.ts";
import { junit } from "./reporters/junit.ts";
import { writeReports } from "./reporters/write.ts";
import { runCells } from "./run.ts";
import type { HarnessContext, HarnessScenario } from "./scenario.ts";
import { type RunReport, totals, verdictOf } from "./verdict.ts";

const lab = openLab({ cache: process.env["BOOTC_STORE_CACHE"] });
afterAll(() => lab.close());

const scenario = (
  id: string,
  run: (t: HarnessContext) => Promise<void> = async () => undefined,
  needs: HarnessScenario["needs"] = {},
): HarnessScenario => ({ id, title: `title of ${id}`, needs, run });

const options: PlanOptions = { matrix: { filesystems: ["tmpfs", "ext4"], seeds: 1 }, seed: 5 };

describe("plan", () => {
  const all = [
    scenario("a/x/1"),
    scenario("a/y/1"),
    scenario("b/x/1", undefined, { filesystems: ["small", "ext4"] }),
  ];
  const ids = (wanted: Partial<PlanOptions>): string[] =>
    plan(all, lab, { ...options, ...wanted }).map(
      (cell) => `${cell.scenario.id} ${cell.filesystem} ${cell.seed}`,
    );

  it("is every scenario on every file system of the matrix, or on those it names", () => {
    expect(ids({})).toEqual([
      "a/x/1 tmpfs 5",
      "a/x/1 ext4 5",
      "a/y/1 tmpfs 5",
      "a/y/1 ext4 5",
      "b/x/1 small 5",
      "b/x/1 ext4 5",
    ]);
  });

  it("is narrowed by id, backend and file system, and widened by seeds", () => {
    expect(ids({ ids: ["*/x/*"], filesystems: ["ext4"] })).toEqual(["a/x/1 ext4 5", "b/x/1 ext4 5"]);
    expect(ids({ ids: ["a.x.1"] })).toEqual([]);
    expect(ids({ backends: ["b"], filesystems: ["tmpfs"] })).toEqual([]);
    expect(ids({ ids: ["a/x/1"], matrix: { filesystems: ["tmpfs"], seeds: 2 } })).toEqual([
      "a/x/1 tmpfs 5",
      "a/x/1 tmpfs 6",
    ]);
  });

  it("says why a cell cannot run, before anything starts", () => {
    const nowhere = openLab({ cache: "/nonexistent" });
    const cells = plan([scenario("a/x/1", undefined, { peers: ["ostree"] })], nowhere, options);
    expect(cells.map((cell) => cell.reason)).toEqual([
      expect.stringContaining("not installed"),
      expect.stringContaining("not installed"),
    ]);
    expect(planLines(cells).join("\n")).toContain("a/x/1 on tmpfs");
    const unknown = plan([scenario("a/x/1", undefined, { peers: ["nonsuch"] })], lab, options);
    expect(unknown[0]?.reason).toBe("no peer is called nonsuch");
  });
});

class OurError extends Error {
  readonly code = "linux/unsupported";
}

const canMount = lab.missing({ filesystems: ["tmpfs"] });
describe.skipIf(canMount !== undefined)(`run ${canMount ?? ""}`, () => {
  async function outcome(): Promise<RunReport> {
    const all = [
      scenario("s/pass/1", async (t) => {
        await t.step("write", () => writeFileSync(join(t.scratch, "f"), String(t.seed)));
        t.note(`wrote ${readFileSync(join(t.scratch, "f"), "utf8")}`);
      }),
      scenario("s/fail/1", async (t) => {
        await t.step("good", () => undefined);
        await t.step("bad", () => {
          throw new Error('a <b> & "c"');
        });
      }),
      scenario("s/skip/1", async (t) => t.skip("no reason")),
      scenario("s/unsupported/1", async () => {
        throw new OurError("no such call");
      }),
      scenario("s/hang/1", () => new Promise(() => undefined)),
    ];
    const cells = plan(all, lab, { ...options, filesystems: ["tmpfs"] });
    return await runCells(cells, { lab, matrix: "test", seed: 5, timeout: 500 });
  }

  it("gives each cell a verdict, with its steps, and leaves nothing behind", async () => {
    const report = await outcome();
    expect(report.cells.map((cell) => cell.verdict.kind)).toEqual([
      "pass",
      "fail",
      "skipped",
      "unsupported",
      "fail",
    ]);
    expect(report.cells[0]).toMatchObject({ steps: ["write"], notes: ["seed 5", "wrote 5"], backend: "s" });
    expect(report.cells[1]).toMatchObject({ steps: ["good", "bad"] });
    expect(report.cells[4]?.verdict).toMatchObject({ message: "no end after 500 ms" });
    expect(totals(report.cells)).toEqual({ passed: 1, failed: 2, skipped: 2 });
    expect(lastLine(report)).toBe("1 passed, 2 failed, 2 skipped");
    expect(report.cells[1] && cellLine(report.cells[1])).toContain('in step "bad": a <b> & "c"');
  });

  it("is reported as JSON, JUnit and one HTML page", async () => {
    const report = await outcome();
    const directory = mkdtempSync(join(tmpdir(), "harness-report-"));
    try {
      const paths = writeReports(directory, report);
      expect(paths.every((path) => existsSync(path))).toBe(true);
      expect(JSON.parse(readFileSync(join(directory, "report.json"), "utf8"))).toEqual(report);
    } finally {
      rmSync(directory, { recursive: true });
    }
    const xml = junit(report);
    expect(xml).toContain('<testsuites tests="5" failures="2" skipped="2">');
    expect(xml).toContain('<failure message="a &lt;b&gt; &amp; &quot;c&quot;">');
    expect(xml).toContain('<skipped message="linux/unsupported"/>');
    const page = html(report);
    expect(page).toContain("a &lt;b&gt; &amp;");
    expect(page).not.toMatch(/<(script|link|img)/);
    expect(page).toContain("harness run --id 's/pass/1' --fs tmpfs --seed 5");
  });
});

it("an error is a failure unless its code says that this machine lacks something", () => {
  expect(verdictOf(new OurError("x"))).toEqual({
    kind: "unsupported",
    code: "linux/unsupported",
    message: "x",
  });
  expect(verdictOf(new Error("x")).kind).toBe("fail");
  expect(verdictOf("x")).toEqual({ kind: "fail", message: "x" });
});
