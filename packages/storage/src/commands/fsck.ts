import type { CommandContext, Output } from "@bootc-store/backend/command";
import { EXIT } from "@bootc-store/backend/command";
import { type Finding, printable, type Repair } from "@bootc-store/core";
import type { Command } from "@commander-js/extra-typings";

import { storageErrors } from "../errors.ts";
import { withStores } from "./whole.ts";

const DEPTHS = ["structure", "references", "content"] as const;

/** `fsck`: every store's own check, and repair of what another store still has. */
export function registerFsck(parent: Command, context: CommandContext): void {
  parent
    .command("fsck")
    .description("check a root and all of its stores")
    .option("--depth <what>", `how closely: ${DEPTHS.join(", ")}`, parseDepth, "content" as const)
    .option("--repair", "put back, by reflink, what one store has lost and another still has")
    .option("--runroot <dir>", "the run root of containers-storage, for a repair", "/run/bootc/storage")
    .option("--json", "print the findings as JSON")
    .action(async (options) => {
      const output = context.output(options);
      if (options.repair === true) {
        if (options.depth !== "content")
          throw storageErrors.error("argument-invalid", "--repair looks at all content");
        await repair(parent, context, output, options.runroot);
        return;
      }
      await withStores(parent, context, async (stores, root) => {
        const { verifyRoot } = await import("../whole/verify.ts");
        const findings: Finding[] = [];
        const check = verifyRoot(root, stores, { depth: options.depth, signal: context.signal });
        for await (const finding of check) {
          findings.push(finding);
          if (!output.json) output.line(lineOf(finding));
        }
        output.value({ stores: stores.all.map(({ kind }) => kind), findings });
        conclude(
          context,
          output,
          stores.all.map(({ kind }) => kind),
          findings,
        );
      });
    });
}

async function repair(
  parent: Command,
  context: CommandContext,
  output: Output,
  runRoot: string,
): Promise<void> {
  await withStores(
    parent,
    context,
    async (stores, root) => {
      const { repairRoot } = await import("../whole/repair.ts");
      const result = await repairRoot(root, stores, {
        pool: context.pool(),
        signal: context.signal,
        onRepair: ({ store, kind, id, from }) => {
          const what = from === undefined ? "is gone, since nothing needs it" : `is back, from ${from}`;
          if (!output.json) output.line(`${store}: ${kind} ${printable(id)} ${what}`);
        },
      });
      const kinds = stores.all.map(({ kind }) => kind);
      output.value({
        stores: kinds,
        findings: result.left,
        mended: result.mended,
        repaired: result.repaired,
      });
      if (!output.json) {
        for (const finding of result.mended) output.line(`mended: ${lineOf(finding)}`);
        for (const finding of result.left) output.line(`${lineOf(finding)}; ${ADVICE[finding.repair]}`);
      }
      conclude(context, output, kinds, result.left);
    },
    runRoot,
  );
}

/** How to get back what no store has any more. */
const ADVICE: Readonly<Record<Repair, string>> = {
  none: "this has to be looked at by a person",
  remove:
    "nothing else has it: remove it (`bootc-store rm`, `bootc-store gc`), and pull what is still wanted again",
  refetch: "nothing else has it: pull its image again (`bootc-store rm` it first)",
  rebuild: "it can be made again from what is there: pull its image again",
};

function conclude(
  context: CommandContext,
  output: Output,
  kinds: readonly string[],
  findings: readonly Finding[],
): void {
  const bad = findings.filter(({ severity }) => severity !== "note");
  if (!output.json) {
    output.line(
      `${kinds.join(", ") || "no store"}: ${bad.length === 0 ? "nothing is wrong" : `${bad.length} findings`}`,
    );
  }
  if (bad.length > 0) context.setExitCode(EXIT.findings);
}

function lineOf({ severity, code, subject, message }: Finding): string {
  const where = subject.path === undefined ? "" : ` (${printable(subject.path)})`;
  return `${severity}: ${code}: ${printable(message)}${where}`;
}

function parseDepth(value: string): (typeof DEPTHS)[number] {
  const depth = DEPTHS.find((each) => each === value);
  if (depth === undefined)
    throw storageErrors.error(
      "argument-invalid",
      `--depth takes one of ${DEPTHS.join(", ")}, not "${value}"`,
    );
  return depth;
}
