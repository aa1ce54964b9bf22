// Says what did not run and why, and ends with one plain line of totals. A skip is a result: it is counted,
// and its reason is shown, or the name of the test where the reason is in its name.
import { appendFileSync } from "node:fs";
import type { Reporter, TestCase, TestModule } from "vitest/node";

export default class SkipsReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    let passed = 0;
    let failed = 0;
    const skipped = new Map<string, number>();
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === "passed") passed++;
        else if (state === "failed") failed++;
        else {
          const reason = reasonOf(test);
          skipped.set(reason, (skipped.get(reason) ?? 0) + 1);
        }
      }
      if (module.state() === "failed" && module.children.size === 0) failed++;
    }
    const skips = [...skipped.values()].reduce((sum, count) => sum + count, 0);
    if (skips > 0) {
      console.log("Skipped:");
      for (const [reason, count] of [...skipped].sort()) console.log(`  ${count} × ${reason}`);
    }
    console.log(`${passed} passed, ${failed} failed, ${skips} skipped`);
    const file = process.env["BOOTC_STORE_TOTALS"];
    if (file !== undefined) appendFileSync(file, `${JSON.stringify({ passed, failed, skipped: skips })}\n`);
  }
}

function reasonOf(test: TestCase): string {
  const result = test.result();
  const note = "note" in result && result.note !== undefined ? result.note : undefined;
  return `${test.project.name}: ${note ?? test.fullName}`;
}
