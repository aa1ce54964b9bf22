import { type RunReport, totals } from "../verdict.ts";

/** Text in XML 1.0: what it cannot carry becomes U+FFFD. */
const text = (value: string): string =>
  value
    // eslint-disable-next-line no-control-regex -- these are the characters that XML refuses
    .replaceAll(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "\ufffd")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");

/** JUnit's XML: a suite for each backend and file system. */
export function junit(report: RunReport): string {
  const sum = totals(report.cells);
  const suites = new Map<string, RunReport["cells"][number][]>();
  for (const cell of report.cells) {
    const name = `${cell.backend} on ${cell.filesystem}`;
    suites.set(name, [...(suites.get(name) ?? []), cell]);
  }
  const lines = [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites tests="${report.cells.length}" failures="${sum.failed}" skipped="${sum.skipped}">`,
  ];
  for (const [name, cells] of suites) {
    const own = totals(cells);
    lines.push(
      `  <testsuite name="${text(name)}" tests="${cells.length}" failures="${own.failed}" skipped="${own.skipped}" timestamp="${report.startedAt}">`,
    );
    for (const cell of cells) {
      const head = `    <testcase classname="${text(name)}" name="${text(`${cell.id}: ${cell.title}`)}" time="${(cell.ms / 1000).toFixed(3)}"`;
      const { verdict } = cell;
      if (verdict.kind === "pass") lines.push(`${head}/>`);
      else if (verdict.kind === "fail")
        lines.push(
          `${head}><failure message="${text(verdict.message)}">${text(verdict.stack ?? "")}</failure></testcase>`,
        );
      else
        lines.push(
          `${head}><skipped message="${text(verdict.kind === "skipped" ? verdict.reason : verdict.code)}"/></testcase>`,
        );
    }
    lines.push("  </testsuite>");
  }
  return `${[...lines, "</testsuites>"].join("\n")}\n`;
}
