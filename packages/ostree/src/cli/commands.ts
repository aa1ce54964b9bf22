import type { OstreeCommand } from "./command.ts";

/** Each command is loaded when it is called. */
export const COMMANDS: ReadonlyMap<string, () => Promise<OstreeCommand>> = new Map<
  string,
  () => Promise<OstreeCommand>
>([
  ["admin", async () => (await import("./admin.ts")).admin],
  ["cat", async () => (await import("./inspect.ts")).cat],
  ["checkout", async () => (await import("./checkout.ts")).checkoutCommand],
  ["checksum", async () => (await import("./checksum.ts")).checksum],
  ["commit", async () => (await import("./commit.ts")).commitCommand],
  ["config", async () => (await import("./config.ts")).config],
  ["container", async () => (await import("./container.ts")).containerCommand],
  ["diff", async () => (await import("./diff.ts")).diff],
  ["export", async () => (await import("./export.ts")).exportCommand],
  ["fsck", async () => (await import("./fsck.ts")).fsck],
  ["init", async () => (await import("./init.ts")).init],
  ["log", async () => (await import("./show.ts")).log],
  ["ls", async () => (await import("./inspect.ts")).ls],
  ["prune", async () => (await import("./prune.ts")).pruneCommand],
  ["pull", async () => (await import("./pull.ts")).pull],
  ["pull-local", async () => (await import("./pull-local.ts")).pullLocalCommand],
  ["refs", async () => (await import("./refs.ts")).refs],
  ["remote", async () => (await import("./remote.ts")).remote],
  ["reset", async () => (await import("./refs.ts")).reset],
  ["rev-parse", async () => (await import("./rev-parse.ts")).revParseCommand],
  ["show", async () => (await import("./show.ts")).show],
  ["summary", async () => (await import("./summary.ts")).summary],
]);
