import type { PlannedCell } from "../plan.ts";
import { type CellResult, type RunReport, totals, totalsLine } from "../verdict.ts";

/** Said before anything starts: what cannot run here and why, each reason once. */
export function planLines(cells: readonly PlannedCell[]): string[] {
  const lines = [
    `${cells.length} cells, ${cells.filter((cell) => cell.reason === undefined).length} can run here`,
  ];
  const reasons = new Map<string, string[]>();
  for (const { scenario, filesystem, reason } of cells) {
    if (reason === undefined) continue;
    const names = reasons.get(reason) ?? [];
    names.push(`${scenario.id} on ${filesystem}`);
    reasons.set(reason, names);
  }
  for (const [reason, names] of reasons) {
    lines.push(`cannot run (${reason}):`);
    for (const name of names) lines.push(`  ${name}`);
  }
  return lines;
}

export function cellLine(cell: CellResult): string {
  const head = `${cell.verdict.kind.padEnd(11)} ${cell.id} on ${cell.filesystem} (${Math.round(cell.ms)} ms)`;
  const { verdict } = cell;
  if (verdict.kind === "skipped") return `${head}: ${verdict.reason}`;
  if (verdict.kind === "unsupported") return `${head}: ${verdict.code}`;
  if (verdict.kind === "pass") return head;
  const step = cell.steps.at(-1);
  return `${head}\n  ${step === undefined ? "" : `in step "${step}": `}${verdict.message}`;
}

export const lastLine = (report: RunReport): string => totalsLine(totals(report.cells));
