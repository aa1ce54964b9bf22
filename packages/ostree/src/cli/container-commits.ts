import { printDigest, withContext } from "@bootc-store/core";
import { type JsonObject, parseManifest, printOstreeReference } from "@bootc-store/oci";

import { type ContentMetadata, encapsulate, unencapsulate } from "../container/index.ts";
import { revParse } from "../read/rev-parse.ts";
import type { ContainerCommand } from "./container.ts";
import { manifestDiff } from "./container-images.ts";
import {
  containerArguments,
  needed,
  openImage,
  openSink,
  signedReference,
  UsageFailure,
} from "./container-places.ts";
import type { Cli } from "./context.ts";

const unencapsulateCommand: ContainerCommand = async (cli, argv) => {
  const { options, positional } = containerArguments(
    { repo: { kind: "value" }, "write-ref": { kind: "value" }, quiet: { kind: "flag" } },
    argv,
    ["IMGREF"],
  );
  const signed = signedReference(positional[0] as string);
  using repo = cli.openRepo(needed(options.repo, "repo"), { threads: true });
  await using image = await openImage(cli, signed);
  const ref = options["write-ref"];
  const commit = await unencapsulate(repo, image, {
    signal: cli.context.signal,
    ...(ref === undefined ? {} : { ref }),
  });
  await cli.line(`Imported: ${ref === undefined ? commit : `${ref} => ${commit}`}`);
  return 0;
};

const info: ContainerCommand = async (cli, argv) => {
  const { positional } = containerArguments({}, argv, ["IMGREF"]);
  const signed = signedReference(positional[0] as string);
  await using image = await openImage(cli, signed);
  await cli.line(`${printOstreeReference(signed)} digest: ${printDigest(image.manifest.digest)}`);
  return 0;
};

const compare: ContainerCommand = async (cli, argv) => {
  const { positional } = containerArguments({}, argv, ["IMGREF_OLD", "IMGREF_NEW"]);
  const [before, after] = positional as [string, string];
  await cli.write(manifestDiff(await layersOf(cli, before), await layersOf(cli, after)));
  return 0;
};

async function layersOf(cli: Cli, text: string) {
  await using image = await openImage(cli, signedReference(text));
  const manifest = parseManifest(image.manifest.bytes, { mediaType: image.manifest.mediaType });
  if (manifest.kind === "index") return [];
  return manifest.layers.map(({ digest, size }) => ({ digest: printDigest(digest), size }));
}

const encapsulateCommand: ContainerCommand = async (cli, argv) => {
  const { options, positional } = containerArguments(
    {
      repo: { kind: "value" },
      label: { kind: "list", short: "l" },
      authfile: { kind: "value" },
      config: { kind: "value" },
      copymeta: { kind: "list" },
      "copymeta-opt": { kind: "list" },
      cmd: { kind: "list" },
      "compression-fast": { kind: "flag" },
      contentmeta: { kind: "value" },
    },
    argv,
    ["OSTREE_REF", "IMGREF"],
  );
  const [rev, to] = positional as [string, string];
  if (options.authfile !== undefined) throw new UsageFailure("--authfile is not supported");
  using repo = cli.openRepo(needed(options.repo, "repo"));
  const { config, contentmeta } = options;
  const given =
    config === undefined ? undefined : (JSON.parse(cli.readText(config)) as { config?: JsonObject });
  const digest = await withContext({ op: "Building oci" }, async () => {
    const commit = revParse(repo, rev);
    await using sink = await openSink(cli, to);
    return await encapsulate(repo, commit, sink, {
      labels: Object.fromEntries(options.label.map(pair)),
      copyMetadata: options.copymeta,
      copyMetadataOptional: options["copymeta-opt"],
      ...(options.cmd.length === 0 ? {} : { cmd: options.cmd }),
      ...(given?.config === undefined ? {} : { runConfig: given.config }),
      ...(contentmeta === undefined ? {} : { contents: parseContents(cli.readText(contentmeta)) }),
      fast: options["compression-fast"],
      signal: cli.context.signal,
    });
  });
  await cli.line(printDigest(digest));
  return 0;
};

function pair(text: string): [string, string] {
  const equals = text.indexOf("=");
  if (equals < 0) throw new UsageFailure(`Missing '=' in label ${text}`);
  return [text.slice(0, equals), text.slice(equals + 1)];
}

/** The JSON of `--contentmeta`. */
function parseContents(text: string): ContentMetadata {
  const meta = JSON.parse(text) as {
    readonly created?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly layers?: Readonly<Record<string, string>>;
    readonly mapping?: Readonly<Record<string, string>>;
  };
  return {
    ...(meta.created === undefined ? {} : { created: meta.created }),
    ...(meta.labels === undefined ? {} : { labels: meta.labels }),
    components: new Map(Object.entries(meta.layers ?? {})),
    mapping: new Map(Object.entries(meta.mapping ?? {})),
  };
}

export const COMMANDS_OF_COMMITS: ReadonlyMap<string, ContainerCommand> = new Map([
  ["compare", compare],
  ["encapsulate", encapsulateCommand],
  ["info", info],
  ["unencapsulate", unencapsulateCommand],
]);
