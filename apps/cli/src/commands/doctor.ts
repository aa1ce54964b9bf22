import type { CommandModule } from "@bootc-store/backend/command";
import { printable } from "@bootc-store/core";

/** `doctor`: what this machine can do, and what is lost where it cannot. */
export const doctorCommand: CommandModule = {
  name: "doctor",
  summary: "say what this machine can do",
  register(parent, context) {
    parent
      .command("doctor")
      .description(
        "say what this machine, and the file system of --root, can do, and what each missing capability costs",
      )
      .option("--json", "print it as JSON")
      .action(async (options) => {
        const { probe } = await import("@bootc-store/linux");
        const { root } = parent.opts() as { root?: string };
        const found = probe(root === undefined ? {} : { dir: context.openDir(root) });
        const output = context.output(options);
        output.value(found);
        if (output.json) return;
        output.line(
          `${found.platform} ${found.arch}, kernel ${found.release ?? "unknown"}, Node ${found.node}`,
        );
        output.line();
        output.table(found.capabilities, [
          { title: "", value: ({ available }) => (available === undefined ? "?" : available ? "yes" : "no") },
          { title: "CAPABILITY", value: ({ title }) => printable(title) },
          { title: "FOUND", value: ({ detail }) => printable(detail ?? "") },
        ]);
        const missing = found.capabilities.filter(({ available }) => available !== true);
        if (missing.length > 0) output.line();
        for (const { title, cost } of missing) output.line(`Without ${title}: ${cost}.`);
      });
  },
};
