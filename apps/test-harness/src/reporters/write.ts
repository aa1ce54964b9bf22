import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { RunReport } from "../verdict.ts";
import { html } from "./html.ts";
import { junit } from "./junit.ts";

/** Writes `report.json`, `junit.xml` and `report.html` into a directory, which is made; returns their paths. */
export function writeReports(directory: string, report: RunReport): string[] {
  mkdirSync(directory, { recursive: true });
  const files = {
    "report.json": `${JSON.stringify(report, null, 2)}\n`,
    "junit.xml": junit(report),
    "report.html": html(report),
  };
  return Object.entries(files).map(([name, content]) => {
    const path = join(directory, name);
    writeFileSync(path, content);
    return path;
  });
}
