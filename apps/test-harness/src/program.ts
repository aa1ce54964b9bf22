import { Command } from "@commander-js/extra-typings";
import { peersCommand } from "./commands/peers.ts";

/** The harness as a command line. The one place that reads its environment variable is `cacheOption`. */
export function program(): Command {
  const root = new Command("harness")
    .description("Runs scenarios against the real tools, on every file system; and the benches.")
    .enablePositionalOptions()
    .showHelpAfterError();
  root.addCommand(peersCommand());
  return root;
}
