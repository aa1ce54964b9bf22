import { type CommandContext, EXIT } from "@bootc-store/backend/command";
import { printable } from "@bootc-store/core";
import type { Command } from "@commander-js/extra-typings";

import { withStores } from "./whole.ts";

/** `why`: what keeps an object, an image or a layer. */
export function registerWhy(parent: Command, context: CommandContext): void {
  parent
    .command("why")
    .description("tell what keeps an object, an image or a layer, or that nothing does")
    .argument(
      "<thing>",
      "a checksum of ostree, an object or image of composefs, a layer or diff id, an image's name or id",
    )
    .option("--json", "print the ways as JSON")
    .action(async (thing, options) => {
      await withStores(parent, context, async (stores, root) => {
        const { whyKept } = await import("../whole/why.ts");
        const why = await whyKept(root, stores, thing, { signal: context.signal });
        const output = context.output(options);
        output.value({ thing, ...why });
        if (why.keptBy.length === 0) context.setExitCode(EXIT.findings);
        if (output.json) return;
        for (const { store, kind, name, chain } of why.keptBy)
          output.line([`${store}: ${kind} ${printable(name)}`, ...chain.map(printable)].join(" → "));
        if (why.keptBy.length === 0)
          output.line(`${why.stores.join(", ")}: nothing keeps it; the next collection removes it`);
      });
    });
}
