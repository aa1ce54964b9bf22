import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { compare, type ComparisonResult, machineLine, markdownTable, openLab } from "@bootc-store/lab";
import { Command, InvalidArgumentError } from "@commander-js/extra-typings";
import { comparisons } from "../bench/comparisons.ts";
import { composefsComparisons } from "../bench/composefs.ts";
import { containersStorageComparisons } from "../bench/containers-storage.ts";
import { inputNames, openInput } from "../bench/inputs.ts";
import { layerComparisons } from "../bench/layers.ts";
import { mainJobComparisons } from "../bench/main-job.ts";
import { ostreeComparisons } from "../bench/ostree.ts";
import { cacheOption, log, print } from "./options.ts";

function rounds(value: string): number {
  if (!/^[1-9]\d{0,2}$/.test(value)) throw new InvalidArgumentError("a number from 1 to 999");
  return Number(value);
}

const collect = (value: string, before: string[] | undefined): string[] => [
  ...(before ?? []),
  ...value.split(","),
];

/** The table with the rows of an earlier page in the place of what was not measured now. */
function mergedTable(results: readonly ComparisonResult[], before: string): string {
  const groups = new Map<string, string[]>();
  const take = (lines: readonly string[]): void => {
    let group: string[] = [];
    for (const line of lines) {
      const name = /^\| ([^|]*?) \| /.exec(line)?.[1] ?? "";
      if (name !== "") groups.set(name, (group = []));
      group.push(line);
    }
  };
  const rows = (text: string): string[] => text.split("\n").filter((line) => line.startsWith("| "));
  const [head = "", rule = "", ...now] = rows(markdownTable(results));
  take(rows(before).filter((line) => line !== head && line !== rule));
  take(now);
  return [head, rule, ...[...groups.values()].flat(), ""].join("\n");
}

function page(results: readonly ComparisonResult[], count: number, file: string): string {
  return `# Benchmarks

Whole processes, ours and the peer in turn in one run, ${count} rounds after one that is not counted: medians with the smallest and
largest. A ratio is ours divided by the peer within a round, so below 1 we are faster; the median with its spread. User and
system time and the peak of resident memory are the kernel's count (\`wait4\`) over the process and its children. Made by
\`npx pnpm@12 harness bench --write ${file}\`; no test depends on it.

Machine: ${machineLine()}. ${new Date().toISOString().slice(0, 10)}. Other work may have shared it: trust ratios and processor time before
wall clock.

${mergedTable(results, existsSync(file) ? readFileSync(file, "utf8") : "")}`;
}

export function benchCommand() {
  return new Command("bench")
    .description("measure ours and the real tools in turn, on trees made from Debian packages or from a seed")
    .addOption(cacheOption())
    .option(
      "--input <name>",
      `one of ${inputNames.join(", ")}, or layer; may be repeated (default: os)`,
      collect,
    )
    .option("--only <text>", "only what has this in its name")
    .option("--rounds <n>", "rounds that count", rounds, 5)
    .option("--seed <n>", "of the inputs that are made from one", rounds, 1)
    .option("--write <file>", "write the page there as well; rows in it of what is not measured now stay")
    .action(async ({ cache, input = ["os"], only = "", rounds: count, seed, write }) => {
      const lab = openLab({ cache });
      try {
        const results: ComparisonResult[] = [];
        for (const name of input) {
          await using scratch = lab.scratch("bench");
          await using tree = name === "layer" ? undefined : await openInput(name, lab, seed, log);
          const list =
            tree === undefined
              ? await layerComparisons(lab, scratch.path, seed, log)
              : [
                  ...comparisons(tree, scratch.path),
                  ...(await composefsComparisons(lab, tree, scratch.path, log)),
                  ...ostreeComparisons(lab, tree, scratch.path),
                  ...(await containersStorageComparisons(lab, tree, scratch.path, log)),
                  ...(await mainJobComparisons(lab, tree, log)),
                ];
          for (const comparison of list.filter((each) => each.name.includes(only)))
            results.push(await compare({ ...comparison, rounds: count }, log));
        }
        print(machineLine());
        print(markdownTable(results).trimEnd());
        if (write !== undefined) {
          mkdirSync(dirname(write), { recursive: true });
          writeFileSync(write, page(results, count, write));
          log(`wrote ${write}`);
        }
      } finally {
        lab.close();
      }
    });
}
