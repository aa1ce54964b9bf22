// `ostree container …`: what ostree-ext 0.15.3 offers below that name.

import { command } from "./command.ts";
import type { Cli } from "./context.ts";
import { COMMANDS_OF_IMAGES } from "./container-images.ts";
import { COMMANDS_OF_COMMITS } from "./container-commits.ts";
import { UsageFailure } from "./container-places.ts";

export type ContainerCommand = (cli: Cli, argv: readonly string[]) => Promise<number>;

export const containerCommand = command({
  name: "container",
  usage: "COMMAND",
  options: {},
  below: async (cli, argv) => {
    const [first, second] = argv;
    const image = first === "image";
    const name = image ? second : first;
    const found =
      name === undefined ? undefined : (image ? COMMANDS_OF_IMAGES : COMMANDS_OF_COMMITS).get(name);
    try {
      if (found === undefined) {
        throw new UsageFailure(
          name === undefined
            ? `'ostree container${image ? " image" : ""}' requires a subcommand but one was not provided`
            : `unrecognized subcommand '${name}'`,
        );
      }
      return await found(cli, argv.slice(image ? 2 : 1));
    } catch (error) {
      if (!(error instanceof UsageFailure)) throw error;
      await cli.note(`error: ${error.message}\n\nFor more information, try '--help'.`);
      return 2;
    }
  },
  run: async () => {},
});
