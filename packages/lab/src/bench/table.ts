import { readFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import type { ComparisonResult, Spread } from "./bench.ts";

const seconds = (value: number): string => (value < 1 ? value.toFixed(3) : value.toFixed(2));
const range = (spread: Spread): string => `${seconds(spread.min)}–${seconds(spread.max)}`;
const megabytes = (bytes: number): string => Math.round(bytes / 1e6).toString();

function ratio(spread: Spread | undefined): string {
  if (!spread) return "";
  return `**${spread.median.toFixed(2)}** (${spread.min.toFixed(2)}–${spread.max.toFixed(2)})`;
}

/** A Markdown table of comparisons. Ratios are ours divided by the peer: below 1 we are faster. */
export function markdownTable(results: readonly ComparisonResult[]): string {
  const lines = [
    "| what | who | wall s | min–max | user s | system s | peak RSS MB | ours ÷ peer, wall | ours ÷ peer, CPU |",
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
  ];
  for (const result of results)
    for (const [index, row] of result.rows.entries()) {
      const cells = [
        index === 0 ? result.name : "",
        row.name,
        seconds(row.wall.median),
        range(row.wall),
        seconds(row.user.median),
        seconds(row.system.median),
        megabytes(row.resident.median),
        ratio(row.ratio?.wall),
        ratio(row.ratio?.cpu),
      ];
      lines.push(`| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`);
    }
  return `${lines.join("\n")}\n`;
}

/** The machine in one line, without its name. */
export function machineLine(): string {
  const processors = cpus();
  let system = process.platform as string;
  try {
    system = /^PRETTY_NAME="?([^"\n]*)/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1] ?? system;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  const model = processors[0]?.model.trim() ?? "unknown processor";
  const memory = Math.round(totalmem() / 1024 ** 3);
  return `${processors.length} × ${model}, ${memory} GiB, ${system}, kernel ${release()}, Node ${process.version}`;
}
