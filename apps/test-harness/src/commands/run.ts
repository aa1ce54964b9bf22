import { type FileSystemKind, fileSystemKinds, isFileSystemKind, openLab } from "@bootc-store/lab";
import { Command, InvalidArgumentError, Option } from "@commander-js/extra-typings";
import { matrices, type MatrixName, matrixNames } from "../matrix/matrices.ts";
import { plan, type PlannedCell, type PlanOptions } from "../plan.ts";
import { cellLine, lastLine, planLines } from "../reporters/console.ts";
import { writeReports } from "../reporters/write.ts";
import { runCells } from "../run.ts";
import { scenarios } from "../scenarios/index.ts";
import { totals } from "../verdict.ts";
import { cacheOption, print } from "./options.ts";

const collect = (value: string, before: string[] | undefined): string[] => [
  ...(before ?? []),
  ...value.split(","),
];

function collectKinds(value: string, before: FileSystemKind[] | undefined): FileSystemKind[] {
  const kinds = value.split(",").map((name) => {
    if (!isFileSystemKind(name)) throw new InvalidArgumentError(`one of ${fileSystemKinds.join(", ")}`);
    return name;
  });
  return [...(before ?? []), ...kinds];
}

function integer(value: string): number {
  if (!/^\d{1,9}$/.test(value)) throw new InvalidArgumentError("a number");
  return Number(value);
}

export interface RunCommandOptions {
  cache?: string | undefined;
  matrix: MatrixName;
  seed: number;
  id?: readonly string[] | undefined;
  backend?: readonly string[] | undefined;
  fs?: readonly FileSystemKind[] | undefined;
  report?: string | undefined;
}

/** Plans, says what cannot run, runs, reports. The exit code is 1 for a failure and when nothing could be run. */
export async function runScenarios(options: RunCommandOptions): Promise<void> {
  const lab = openLab({ cache: options.cache });
  try {
    const wanted: PlanOptions = {
      matrix: matrices[options.matrix],
      seed: options.seed,
      ...(options.id ? { ids: options.id } : {}),
      ...(options.backend ? { backends: options.backend } : {}),
      ...(options.fs ? { filesystems: options.fs } : {}),
    };
    const cells: PlannedCell[] = plan(scenarios, lab, wanted);
    for (const line of planLines(cells)) print(line);
    const report = await runCells(cells, {
      lab,
      matrix: options.matrix,
      seed: options.seed,
      onCell: (cell) => print(cellLine(cell)),
    });
    if (options.report !== undefined)
      for (const path of writeReports(options.report, report)) print(`wrote ${path}`);
    const sum = totals(report.cells);
    if (sum.failed > 0 || sum.passed === 0) process.exitCode = 1;
    print(lastLine(report));
  } finally {
    lab.close();
  }
}

export const matrixOption = () =>
  new Option("--matrix <name>", "how much").choices(matrixNames).default("default" as const);
export const reportOption = () =>
  new Option("--report <dir>", "write report.json, junit.xml and report.html there");

export function runCommand() {
  return new Command("run")
    .description("run scenarios on every file system of a matrix")
    .addOption(cacheOption())
    .option("--id <pattern>", "only these, * standing for anything; may be repeated", collect)
    .option("--backend <name>", "only those of a backend; may be repeated", collect)
    .option("--fs <kind>", "only on these file systems; may be repeated", collectKinds)
    .addOption(matrixOption())
    .option("--seed <n>", "from which everything random is made", integer, 1)
    .addOption(reportOption())
    .action(runScenarios);
}
