// `cfsctl` of composefs-rs 0.9.4. What concerns ostree, varlink and FUSE is refused by name.

import type { DropIn } from "@bootc-store/backend/command";

import { ToolExit } from "../fail.ts";
import { ClapExit, type ParsedCommand, parseCommand } from "../clap/parse.ts";
import { Failure, fail, messagesOf } from "./chain.ts";
import type { Command } from "./run.ts";
import { Run } from "./run.ts";
import { CFSCTL } from "./specs.ts";

type Loader = () => Promise<Command>;

/** How each command is loaded: only the one that was called is. */
const COMMANDS: ReadonlyMap<string, Loader> = new Map<string, Loader>([
  ["cfsctl init", async () => (await import("./init.ts")).init],
  ["cfsctl transaction", async () => (await import("./streams.ts")).transaction],
  ["cfsctl cat", async () => (await import("./streams.ts")).cat],
  ["cfsctl gc", async () => (await import("./collect.ts")).gc],
  ["cfsctl fsck", async () => (await import("./check.ts")).fsck],
  ["cfsctl import-image", async () => (await import("./images.ts")).importImage],
  ["cfsctl images", async () => (await import("./images.ts")).listImages],
  ["cfsctl image-objects", async () => (await import("./images.ts")).imageObjects],
  ["cfsctl dump-files", async () => (await import("./images.ts")).dumpFiles],
  ["cfsctl mount", async () => (await import("./mount.ts")).mount],
  ["cfsctl create-image", async () => (await import("./trees.ts")).createImage],
  ["cfsctl compute-id", async () => (await import("./trees.ts")).computeId],
  ["cfsctl compute-karg", async () => (await import("./trees.ts")).computeKarg],
  ["cfsctl create-dumpfile", async () => (await import("./trees.ts")).createDumpfile],
  ["cfsctl oci import-layer", async () => (await import("./oci-layers.ts")).importLayer],
  ["cfsctl oci layer", async () => (await import("./oci-layers.ts")).layer],
  ["cfsctl oci dump", async () => (await import("./oci-layers.ts")).dump],
  ["cfsctl oci compute-id", async () => (await import("./oci-layers.ts")).computeId],
  ["cfsctl oci pull", async () => (await import("./oci-pull.ts")).pull],
  ["cfsctl oci copy", async () => (await import("./oci-pull.ts")).copy],
  ["cfsctl oci images", async () => (await import("./oci-images.ts")).images],
  ["cfsctl oci inspect", async () => (await import("./oci-images.ts")).inspect],
  ["cfsctl oci tag", async () => (await import("./oci-images.ts")).tag],
  ["cfsctl oci untag", async () => (await import("./oci-images.ts")).untag],
  ["cfsctl oci fsck", async () => (await import("./oci-images.ts")).ociFsck],
  ["cfsctl oci linked-erofs-images", async () => (await import("./oci-images.ts")).linkedErofsImages],
  ["cfsctl oci mount", async () => (await import("./mount.ts")).ociMount],
  ["cfsctl oci prepare-boot", async () => (await import("./prepare-boot.ts")).prepareBoot],
  ["mkcomposefs", async () => (await import("./programs.ts")).mkcomposefs],
  ["composefs-info ls", async () => (await import("./programs.ts")).infoLs],
  ["composefs-info dump", async () => (await import("./programs.ts")).infoDump],
  ["composefs-info objects", async () => (await import("./programs.ts")).infoObjects],
  ["composefs-info missing-objects", async () => (await import("./programs.ts")).infoMissing],
  ["composefs-info measure-file", async () => (await import("./programs.ts")).infoMeasure],
]);

const WITHOUT_REPOSITORY = new Set(["cfsctl compute-id", "cfsctl compute-karg", "cfsctl create-dumpfile"]);

export const cfsctl: DropIn = {
  name: "cfsctl",
  summary: "work on a composefs repository",
  async run(context) {
    let top: ParsedCommand;
    try {
      top = parseCommand(CFSCTL, context.argv);
    } catch (error) {
      if (!(error instanceof ClapExit)) throw error;
      await (error.code === 0 ? context.writeOut(error.text) : context.writeErr(error.text));
      return error.code;
    }
    try {
      return await runCommand(top, context);
    } catch (error) {
      const text = error instanceof ToolExit ? error.text : new Failure(messagesOf(error)).text;
      await context.writeErr(text);
      return 1;
    }
  },
};

async function runCommand(top: ParsedCommand, context: Parameters<DropIn["run"]>[0]): Promise<number> {
  let own = top;
  while (own.command !== undefined) own = own.command;
  const { path } = own.spec;
  const load = COMMANDS.get(path);
  if (load === undefined) throw fail(`${path} is not supported`);
  const program = !path.startsWith("cfsctl ");
  if (top.values.has("no-repo") && !program && !WITHOUT_REPOSITORY.has(path)) {
    throw fail("--no-repo is only supported for compute-id and create-dumpfile");
  }
  const command = await load();
  return (await command(new Run(context, top, own))) ?? 0;
}
