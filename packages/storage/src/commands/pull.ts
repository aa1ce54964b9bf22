import type { CommandContext, Output } from "@bootc-store/backend/command";
import type { ContentTally, Image } from "@bootc-store/backend";
import type { Dir } from "@bootc-store/linux";
import { printable } from "@bootc-store/core";
import type { Command } from "@commander-js/extra-typings";

import type { PullResult } from "../stages/pull.ts";
import type { PullPlan } from "../stages/pull-plan.ts";
import { counted, parseProgressFd, pullView } from "./pull-progress.ts";
import { STAGES, type StageName } from "../stages/index.ts";
import { storageErrors } from "../errors.ts";
import { bytesText } from "../bytes-text.ts";

/** `pull`: an image into the stores of a root. */
export function registerPull(parent: Command, context: CommandContext): void {
  parent
    .command("pull")
    .description(
      "take an image into containers-storage, composefs and ostree, sharing its blocks where the file system can",
    )
    .argument("<image>", "oci:PATH:TAG, oci-archive:PATH, dir:PATH, docker-archive:PATH, docker://NAME")
    .option("--name <name>", "name of the image in the stores; by default what the reference says")
    .option("--into <stores>", `which stores, one or several with commas: ${STAGES.join(", ")}`, parseStages)
    .option("--dry-run", "say what would be read and written, and do nothing")
    .option("--progress-fd <fd>", "write progress as JSON lines to this pipe, as bootc does", parseProgressFd)
    .option("--backend <kind>", "layout of a root that has none: ostree or composefs", parseBackend)
    .option("--bootable", "also make the composefs image for booting")
    .option("--platform <os/arch>", "which image of an index; that of this machine unless given")
    .option("--authfile <path>", "the only file to look for credentials in")
    .option("--policy <path>", "the signature policy, instead of the host's")
    .option("--insecure-policy", "do without a signature policy")
    .option("--no-tls-verify", "take any certificate of the registry, and none")
    .option("--runroot <dir>", "the run root of containers-storage", "/run/bootc/storage")
    .option("--json", "print the result as JSON")
    .action(async (reference, options) => {
      const { root } = parent.opts() as { root?: string };
      if (root === undefined)
        throw storageErrors.error("root-unnamed", "say with --root into which root to pull");
      const [
        { pull },
        { requireRoom },
        { PhysicalStores },
        { imageOfSource },
        { parseImageReference, parsePlatform },
      ] = await Promise.all([
        import("../stages/pull.ts"),
        import("../stages/pull-plan.ts"),
        import("../stages/stores.ts"),
        import("../stages/pull-into-storage.ts"),
        import("@bootc-store/oci"),
      ]);
      const output = context.output(options);
      const view = options.dryRun === true ? undefined : pullView(output, options.progressFd);
      const parsed = parseImageReference(reference);
      const name = options.name ?? nameOf(reference);
      const { authfile: authFile, tlsVerify, policy, insecurePolicy } = options;
      const opened = await context.openImage(reference, { authFile, tlsVerify, policy, insecurePolicy });
      const source =
        view === undefined ? opened.source : counted(opened.source, (blob, bytes) => view.read(blob, bytes));
      await using image = await imageOfSource(source, {
        signal: context.signal,
        ...(opened.allow === undefined ? {} : { allow: opened.allow }),
        ...(options.platform === undefined ? {} : { platform: parsePlatform(options.platform) }),
      });
      const rootDir = context.openDir(root);
      const into = options.into ?? STAGES;
      const plan = await planOf(rootDir, image, into, context);
      if (options.dryRun === true) {
        output.value({ name, ...plan });
        if (!output.json) printPlan(output, name, plan);
        requireRoom(plan);
        return;
      }
      requireRoom(plan);
      view?.start(plan);
      await using stores = new PhysicalStores(rootDir, context.ensureDir(options.runroot), {
        pool: context.pool(),
        log: context.log,
        ...(options.backend === undefined ? {} : { backend: options.backend }),
      });
      let result: PullResult;
      try {
        result = await pull(stores, {
          reference: parsed,
          image,
          name,
          into,
          ...(options.bootable === undefined ? {} : { bootable: options.bootable }),
          signal: context.signal,
          ...(view === undefined ? {} : { onProgress: (event) => view.progress(event) }),
        });
      } finally {
        view?.end();
      }
      output.value({ name, ...documentOf(result) });
      if (!output.json) printResult(output, name, result);
    });
}

/** The result as JSON has it, which knows no maps. */
function documentOf(result: PullResult): object {
  const { ostree } = result;
  return ostree === undefined
    ? result
    : { ...result, ostree: { ...ostree, dropped: Object.fromEntries(ostree.dropped) } };
}

async function planOf(
  root: Dir,
  image: Image,
  into: readonly StageName[],
  context: CommandContext,
): Promise<PullPlan> {
  const [{ ExistingStores }, { planPull }] = await Promise.all([
    import("../whole/existing-stores.ts"),
    import("../stages/pull-plan.ts"),
  ]);
  await using stores = await ExistingStores.open(root, { pool: context.pool() });
  return await planPull(root, stores, image, { into, signal: context.signal });
}

function printPlan(output: Output, name: string, plan: PullPlan): void {
  output.line(`image      ${printable(name)}`);
  output.line(`manifest   ${plan.manifest}`);
  output.line(`to read    ${plan.downloadBytes} bytes (${bytesText(plan.downloadBytes)})`);
  const most =
    plan.writeBytes === null
      ? `at least ${bytesText(plan.leastBytes)}; layers are compressed, so the most is not known`
      : `at most ${plan.writeBytes} bytes (${bytesText(plan.writeBytes)}) where stores can share them`;
  output.line(`to write   ${most}`);
  output.line(`free       ${bytesText(plan.freeBytes)}`);
  output.line();
  output.table(plan.layers, [
    { title: "LAYER", value: (row) => row.blob },
    { title: "BYTES", value: (row) => String(row.size), align: "right" },
    {
      title: "",
      value: (row) =>
        row.in.length === 0 ? "to be read" : `in ${row.in.join(", ")}${row.fetched ? ", to be read" : ""}`,
    },
  ]);
}

function printResult(output: Output, name: string, result: PullResult): void {
  const { containersStorage, composefs, ostree } = result;
  output.line(`image      ${printable(name)}`);
  output.line(`manifest   ${result.manifest}`);
  output.line();
  const rows = [
    ...(containersStorage === undefined
      ? []
      : [{ store: "containers-storage", id: containersStorage.id, content: containersStorage.content }]),
    ...(composefs === undefined
      ? []
      : [{ store: "composefs", id: composefs.image ?? "", content: composefs.content }]),
    ...(ostree === undefined ? [] : [{ store: "ostree", id: ostree.commit, content: ostree.content }]),
  ];
  output.table(rows, [
    { title: "STORE", value: (row) => row.store },
    { title: "ID", value: (row) => (row.id.length > 24 ? `${row.id.slice(0, 20)}…` : row.id) },
    { title: "CONTENT", value: (row) => tallyText(row.content) },
  ]);
}

function tallyText(tally: ContentTally): string {
  const parts = (["cloned", "linked", "copied", "reused"] as const)
    .filter((how) => tally[how].files > 0)
    .map((how) => `${tally[how].files} ${how} (${bytesText(tally[how].bytes)})`);
  return parts.length === 0 ? "nothing to do" : parts.join(", ");
}

/** The reference without its transport, as a name that podman would accept. */
function nameOf(reference: string): string {
  const docker = /^docker:\/\/(.+)$/.exec(reference)?.[1];
  if (docker !== undefined) return docker;
  const [, tag] = /:([A-Za-z0-9_][A-Za-z0-9_.-]*)$/.exec(reference.replace(/^[a-z-]+:/, "")) ?? [];
  return `localhost/image:${tag ?? "latest"}`;
}

function parseStages(value: string, before: readonly StageName[] = []): StageName[] {
  const found = value.split(",").map((word) => {
    const stage = STAGES.find((each) => each === word.trim());
    if (stage !== undefined) return stage;
    throw storageErrors.error("argument-invalid", `--into takes ${STAGES.join(", ")}, not "${word}"`);
  });
  return [...new Set([...before, ...found])];
}

function parseBackend(value: string): "ostree" | "composefs" {
  if (value === "ostree" || value === "composefs") return value;
  throw storageErrors.error("argument-invalid", `--backend takes ostree or composefs, not "${value}"`);
}
