import type { CommandContext } from "@bootc-store/backend/command";
import { EXIT } from "@bootc-store/backend/command";
import { type Finding, printable } from "@bootc-store/core";
import type { Command } from "@commander-js/extra-typings";

import { storageErrors } from "../errors.ts";
import { withStores } from "./whole.ts";

const DEPTHS = ["structure", "references", "content"] as const;

/** `fsck`: every store's own check. */
export function registerFsck(parent: Command, context: CommandContext): void {
  parent
    .command("fsck")
    .description("check a root and all of its stores; nothing is changed")
    .option("--depth <what>", `how closely: ${DEPTHS.join(", ")}`, parseDepth, "content" as const)
    .option("--json", "print the findings as JSON")
    .action(async (options) => {
      await withStores(parent, context, async (stores, root) => {
        const { verifyRoot } = await import("../whole/verify.ts");
        const output = context.output(options);
        const findings: Finding[] = [];
        const check = verifyRoot(root, stores, { depth: options.depth, signal: context.signal });
        for await (const finding of check) {
          findings.push(finding);
          if (!output.json) output.line(lineOf(finding));
        }
        const bad = findings.filter(({ severity }) => severity !== "note");
        output.value({ stores: stores.all.map(({ kind }) => kind), findings });
        if (!output.json) {
          const kinds = stores.all.map(({ kind }) => kind).join(", ") || "no store";
          output.line(`${kinds}: ${bad.length === 0 ? "nothing is wrong" : `${bad.length} findings`}`);
        }
        if (bad.length > 0) context.setExitCode(EXIT.findings);
      });
    });
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
