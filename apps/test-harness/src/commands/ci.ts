import { installPeers, installVirtualMachine } from "@bootc-store/lab";
import { Command } from "@commander-js/extra-typings";
import { cacheOption, log } from "./options.ts";
import { reportOption, runScenarios } from "./run.ts";

/** What CI runs: the peers, then the quick matrix; the last line of standard output is the totals. */
export function ciCommand() {
  return new Command("ci")
    .description("install the peers where they are missing, then run the quick matrix")
    .addOption(cacheOption())
    .addOption(reportOption())
    .action(async ({ cache, report }) => {
      await installPeers({ cache, log });
      if (process.arch === "x64") await installVirtualMachine({ cache, log });
      await runScenarios({ cache, report, matrix: "quick", seed: 1 });
    });
}
