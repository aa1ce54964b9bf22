import { printDigest, utf8, withContext } from "@bootc-store/core";
import { printBootcReference, printOstreeReference } from "@bootc-store/oci";

import {
  cacheUpdate,
  clearCachedUpdate,
  findImage,
  importImage,
  imageRefOf,
  type ImportedImage,
  layerRef,
  listImages,
  reexport,
  removeImages,
  removeUnusedLayers,
  type StoredImage,
} from "../container/index.ts";
import { formatSize } from "../format/size.ts";
import { pullLocal } from "../pull/pull-local.ts";
import type { ContainerCommand } from "./container.ts";
import {
  containerArguments,
  needed,
  openImage,
  openSink,
  plainReference,
  signedReference,
  UsageFailure,
} from "./container-places.ts";
import { pruneImages } from "./container-sysroot.ts";
import type { Cli } from "./context.ts";
import { OstreeFailure } from "./failure.ts";
import type { Repo } from "../repo/repo.ts";

const REPO = { repo: { kind: "value" } } as const;

function openRepo(cli: Cli, path: string, threads = false): Repo {
  try {
    return cli.openRepo(path, { threads });
  } catch (error) {
    if (!(error instanceof OstreeFailure) || !error.message.includes("opendir")) throw error;
    throw new OstreeFailure(`Opening directory at '${path}': No such file or directory (os error 2)`);
  }
}

const pull: ContainerCommand = async (cli, argv) => {
  const { options, positional } = containerArguments(
    { check: { kind: "value" }, "no-imgref": { kind: "flag" } },
    argv,
    ["REPO", "IMGREF"],
  );
  const [path, text] = positional as [string, string];
  const signed = signedReference(text);
  const shown = printOstreeReference(signed);
  using repo = openRepo(cli, path, true);
  await using image = await withContext({ op: "Preparing import" }, () => openImage(cli, signed));
  const reference = printBootcReference(signed.image);
  const before = findImage(repo, reference);
  if (options.check !== undefined) {
    const update = before === undefined ? undefined : await cacheUpdate(repo, before, image);
    if (update !== undefined) {
      const { dir, name } = cli.openParent(options.check);
      using _dir = dir;
      dir.atomicWrite(name, Buffer.from(update.manifest));
    }
    return 0;
  }
  const epoch = cli.context.env["SOURCE_DATE_EPOCH"];
  const imported = await withContext({ op: "Importing" }, () =>
    importImage(repo, image, {
      signal: cli.context.signal,
      ...(options["no-imgref"] ? {} : { reference }),
      ...(epoch === undefined ? {} : { layerTimestamp: Number(epoch) }),
    }),
  );
  if (!imported.created) {
    await cli.line(`No changes in ${shown} => ${imported.commit}`);
    return 0;
  }
  await tellOfImport(cli, imported, options["no-imgref"] ? undefined : findImage(repo, reference));
  await cli.line(`Wrote: ${shown} => ${imported.commit}`);
  if (imported.dropped.size > 0) {
    const list = [...imported.dropped].sort(([a], [b]) => (utf8(a) < utf8(b) ? -1 : 1));
    await cli.note(
      `Image contains non-ostree compatible file paths:${list.map(([name, count]) => ` ${name}: ${count}`).join("")}`,
    );
  }
  return 0;
};

async function tellOfImport(cli: Cli, imported: ImportedImage, now: StoredImage | undefined): Promise<void> {
  if (imported.replaced !== undefined && now !== undefined)
    await cli.write(manifestDiff(imported.replaced.layers, now.layers));
  const { layersPresent, layersImported, bytesImported } = imported;
  if (layersImported > 0) {
    await cli.line(
      `layers already present: ${layersPresent}; layers needed: ${layersImported} (${formatSize(bytesImported)})`,
    );
  }
}

interface SizedLayer {
  readonly digest: string;
  readonly size: number;
}

/** What changes between the layers of two images, in three lines. */
export function manifestDiff(before: readonly SizedLayer[], after: readonly SizedLayer[]): string {
  const without = (all: readonly SizedLayer[], others: readonly SizedLayer[]): readonly SizedLayer[] => {
    const digests = new Set(others.map(({ digest }) => digest));
    return all.filter(({ digest }) => !digests.has(digest));
  };
  const line = (what: string, layers: readonly SizedLayer[]): string =>
    `${what}${String(layers.length).padEnd(4)}  Size: ${formatSize(layers.reduce((sum, { size }) => sum + size, 0))}\n`;
  return [
    line("Total new layers: ", after),
    line("Removed layers:   ", without(before, after)),
    line("Added layers:     ", without(after, before)),
  ].join("");
}

const list: ContainerCommand = async (cli, argv) => {
  const { options } = containerArguments(REPO, argv, []);
  using repo = openRepo(cli, needed(options.repo, "repo"));
  for (const { reference } of listImages(repo)) await cli.line(reference ?? "");
  return 0;
};

const metadata: ContainerCommand = async (cli, argv) => {
  const { options, positional } = containerArguments({ ...REPO, config: { kind: "flag" } }, argv, ["IMGREF"]);
  using repo = openRepo(cli, needed(options.repo, "repo"));
  const image = findImage(repo, plainReference(positional[0] as string));
  if (image === undefined) throw new OstreeFailure("No such image");
  await cli.write(options.config ? (image.config ?? "null") : image.manifest);
  return 0;
};

const history: ContainerCommand = async (cli, argv) => {
  const { options, positional } = containerArguments(REPO, argv, ["IMGREF"]);
  using repo = openRepo(cli, needed(options.repo, "repo"));
  const reference = plainReference(positional[0] as string);
  const image = findImage(repo, reference);
  if (image === undefined) throw new OstreeFailure(`No such image: ${reference}`);
  const steps = (JSON.parse(image.config ?? "{}") as { history?: { created_by?: string }[] }).history ?? [];
  const rows = [
    ["ID", "SIZE", "CRCEATED BY"],
    ...image.layers.map(({ digest, size }, at) => [
      digest.replace(/^[^:]*:/, "").slice(0, 20),
      formatSize(size),
      steps[at]?.created_by ?? "",
    ]),
  ];
  const widths = [0, 1, 2].map((column) =>
    Math.max(...rows.map((row) => Array.from(row[column] ?? "").length)),
  );
  for (const row of rows) {
    const cells = row.map(
      (cell, at) => ` ${cell}${" ".repeat((widths[at] ?? 0) - Array.from(cell).length)} `,
    );
    await cli.line(cells.join(""));
  }
  return 0;
};

const clear: ContainerCommand = async (cli, argv) => {
  const { options, positional } = containerArguments(REPO, argv, ["IMGREF"]);
  using repo = openRepo(cli, needed(options.repo, "repo"));
  const reference = plainReference(positional[0] as string);
  const image = findImage(repo, reference);
  if (image === undefined) {
    throw new OstreeFailure(
      `Clearing cached update ${reference}: Refspec '${imageRefOf(reference)}' not found`,
    );
  }
  await clearCachedUpdate(repo, image);
  return 0;
};

const copy: ContainerCommand = async (cli, argv) => {
  const { options, positional } = containerArguments(
    { "src-repo": { kind: "value" }, "dest-repo": { kind: "value" } },
    argv,
    ["IMGREF"],
  );
  const reference = printBootcReference(signedReference(positional[0] as string).image);
  using from = openRepo(cli, needed(options["src-repo"], "src-repo"));
  using into = openRepo(cli, needed(options["dest-repo"], "dest-repo"), true);
  const image = findImage(from, reference);
  if (image === undefined) throw new OstreeFailure(`Refspec '${imageRefOf(reference)}' not found`);
  const refs = [...new Set(image.layers.map(({ digest }) => layerRef(digest))), image.ref];
  await pullLocal(from, into, { refs, verifyBindings: false, signal: cli.context.signal });
  return 0;
};

const remove: ContainerCommand = async (cli, argv) => {
  const { options, positional } = containerArguments({ ...REPO, "skip-gc": { kind: "flag" } }, argv, "many");
  using repo = openRepo(cli, needed(options.repo, "repo"));
  const { removed, missing } = removeImages(repo, positional.map(plainReference));
  if (missing.length > 0) throw new OstreeFailure(`Missing images: ${missing.join(", ")}`);
  const layers = options["skip-gc"] ? undefined : removeUnusedLayers(repo);
  await cli.line(`Removed images: ${removed}${layers === undefined ? "" : ` layers: ${layers}`}`);
  return 0;
};

const pruneLayers: ContainerCommand = async (cli, argv) => {
  const { options } = containerArguments(REPO, argv, []);
  using repo = openRepo(cli, needed(options.repo, "repo"));
  await cli.line(`Removed layers: ${removeUnusedLayers(repo)}`);
  return 0;
};

const reexportCommand: ContainerCommand = async (cli, argv) => {
  const { options, positional } = containerArguments(
    { ...REPO, authfile: { kind: "value" }, "compression-fast": { kind: "flag" } },
    argv,
    ["SRC_IMGREF", "DEST_IMGREF"],
  );
  if (options.authfile !== undefined) throw new UsageFailure("--authfile is not supported");
  using repo = openRepo(cli, needed(options.repo, "repo"));
  const reference = plainReference(positional[0] as string);
  const image = findImage(repo, reference);
  if (image === undefined) throw new OstreeFailure(`No such image: ${reference}`);
  await using sink = await openSink(cli, positional[1] as string);
  const digest = await reexport(repo, image, sink, {
    fast: options["compression-fast"],
    signal: cli.context.signal,
  });
  await cli.line(`Exported: ${printDigest(digest)}`);
  return 0;
};

export const COMMANDS_OF_IMAGES: ReadonlyMap<string, ContainerCommand> = new Map([
  ["clear-cached-update", clear],
  ["copy", copy],
  ["history", history],
  ["list", list],
  ["metadata", metadata],
  ["prune-images", pruneImages],
  ["prune-layers", pruneLayers],
  ["pull", pull],
  ["reexport", reexportCommand],
  ["remove", remove],
]);
