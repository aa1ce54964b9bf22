// Adds up what the tiers of a run counted. Plain JavaScript, since it runs on whatever Node the machine has.
//
//   add TOTALS LOG          append the last "N passed, N failed, N skipped" of a log
//   print TOTALS FAILURES   print the sum; FAILURES tiers failed beside what they counted
import { appendFileSync, readFileSync } from "node:fs";

const [, , command, totals, argument] = process.argv;

if (command === "add") {
  const lines = readFileSync(argument, "utf8").matchAll(/^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$/gm);
  const last = [...lines].at(-1);
  if (last === undefined) {
    console.error("this tier printed no totals");
    process.exit(1);
  }
  const [passed, failed, skipped] = [last[1], last[2], last[3] ?? "0"].map(Number);
  if (passed + failed === 0) {
    console.error("this tier ran nothing");
    process.exitCode = 1;
  }
  appendFileSync(totals, `${JSON.stringify({ passed, failed, skipped })}\n`);
} else {
  const sum = { passed: 0, failed: 0, skipped: 0 };
  for (const line of readFileSync(totals, "utf8").split("\n").filter(Boolean)) {
    const each = JSON.parse(line);
    for (const key of Object.keys(sum)) sum[key] += each[key];
  }
  // A tier that failed without a failed test (a check, an installation) counts as one.
  if (sum.failed === 0) sum.failed = Number(argument);
  console.log(`${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`);
  process.exitCode = sum.failed === 0 && sum.passed > 0 ? 0 : 1;
}
