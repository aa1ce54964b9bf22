import { printDigest } from "@bootc-store/core";
import { parseManifest, printOstreeReference } from "@bootc-store/oci";

import { unencapsulate } from "../container/index.ts";
import type { ContainerCommand } from "./container.ts";
import { manifestDiff } from "./container-images.ts";
import { containerArguments, needed, openImage, signedReference } from "./container-places.ts";
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

export const COMMANDS_OF_COMMITS: ReadonlyMap<string, ContainerCommand> = new Map([
  ["compare", compare],
  ["info", info],
  ["unencapsulate", unencapsulateCommand],
]);
