import type { CommandContext, Output } from "@bootc-store/backend/command";
import { printable } from "@bootc-store/core";
import type { Command } from "@commander-js/extra-typings";

import { bytesText } from "../bytes-text.ts";
import type { RootGcPlan } from "../whole/gc.ts";
import { withStores } from "./whole.ts";

const RUN_ROOT = "/run/bootc/storage";
const RUN_ROOT_HELP = "the run root of containers-storage";

/** `rm`: images out of every store. */
export function registerRm(parent: Command, context: CommandContext): void {
  parent
    .command("rm")
    .description("remove images from every store; `gc` then frees what only they needed")
    .argument("<images...>", "names, manifest digests or ids")
    .option("--runroot <dir>", RUN_ROOT_HELP, RUN_ROOT)
    .option("--json", "print what was removed as JSON")
    .action(async (images, options) => {
      await withStores(
        parent,
        context,
        async (stores) => {
          const { removeRootImage } = await import("../whole/remove-image.ts");
          const output = context.output(options);
          const removed = [];
          for (const image of images) {
            const one = await removeRootImage(stores, image, { signal: context.signal });
            removed.push(one);
            if (output.json) continue;
            for (const [store, names] of Object.entries(one.removed))
              output.line(`${store}: ${names.length === 0 ? "removed" : names.map(printable).join(", ")}`);
          }
          output.value({ removed });
        },
        options.runroot,
      );
    });
}

/** `gc`: one collection over all stores. */
export function registerGc(parent: Command, context: CommandContext): void {
  parent
    .command("gc")
    .description("remove what no image, deployment or container needs, from every store")
    .option("--dry-run", "only tell what would be removed")
    .option("--runroot <dir>", RUN_ROOT_HELP, RUN_ROOT)
    .option("--json", "print the plan or the result as JSON")
    .action(async (options) => {
      const dry = options.dryRun === true;
      await withStores(
        parent,
        context,
        async (stores, root) => {
          const [{ applyRootGc, planRootGc }, { diskUse }] = await Promise.all([
            import("../whole/gc.ts"),
            import("../whole/disk-use.ts"),
          ]);
          const common = { signal: context.signal };
          const output = context.output(options);
          const plan = await planRootGc(root, stores, common);
          if (dry) {
            output.value({ dryRun: true, ...plan });
            if (!output.json) printPlan(output, plan, "would be removed");
            return;
          }
          const before = await diskUse(stores, context.pool(), common);
          const result = await applyRootGc(stores, plan, common);
          const after = await diskUse(stores, context.pool(), common);
          const bytes = { beforeBytes: before.onDiskBytes, afterBytes: after.onDiskBytes };
          output.value({ dryRun: false, ...result, ...bytes });
          if (output.json) return;
          const done = result.results.map(({ kind, removed, bytes: freed }) => ({
            kind,
            garbage: removed,
            bytes: freed,
          }));
          printPlan(output, { plans: done, bytes: result.bytes }, "removed");
          output.line(
            `On disk  ${bytesText(bytes.beforeBytes)} before, ${bytesText(bytes.afterBytes)} after`,
          );
        },
        // A dry run changes nothing, and so opens nothing for it.
        dry ? undefined : options.runroot,
      );
    });
}

function printPlan(
  output: Output,
  {
    plans,
    bytes,
  }: {
    readonly plans: readonly Pick<RootGcPlan["plans"][number], "kind" | "garbage" | "bytes">[];
    readonly bytes: number;
  },
  what: string,
): void {
  output.table(plans, [
    { title: "STORE", value: ({ kind }) => kind },
    { title: "ITEMS", value: ({ garbage }) => String(garbage.length), align: "right" },
    { title: "BYTES", value: (plan) => bytesText(plan.bytes), align: "right" },
  ]);
  output.line(`${bytesText(bytes)} ${what}; what stores share counts in each`);
}
