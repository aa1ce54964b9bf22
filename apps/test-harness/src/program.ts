import { Command } from "@commander-js/extra-typings";
import { benchCommand } from "./commands/bench.ts";
import { ciCommand } from "./commands/ci.ts";
import { peersCommand } from "./commands/peers.ts";
import { runCommand } from "./commands/run.ts";

/** The harness as a command line. */
export function program(): Command {
  const root = new Command("harness")
    .description("Runs scenarios against the real tools, on every file system; and the benches.")
    .enablePositionalOptions()
    .showHelpAfterError();
  root.addCommand(peersCommand());
  root.addCommand(runCommand());
  root.addCommand(benchCommand());
  root.addCommand(ciCommand());
  return root;
}
