import type { ByteString } from "@bootc-store/core";

import { decodeSummary, SUMMARY_TYPE, type SummaryRef, summaryRef } from "../format/summary.ts";
import {
  type Dict,
  gvariant,
  lookupValue,
  lookupVariant,
  parseVariantText,
  printValue,
  swap64,
  type ValueOf,
  type Variant,
} from "../gvariant/index.ts";
import { writeSummary } from "../maintain/summary.ts";
import type { Repo } from "../repo/repo.ts";
import { command } from "./command.ts";
import { writeConfig } from "./config.ts";
import type { Cli } from "./context.ts";
import { OstreeFailure } from "./failure.ts";
import { printSwapped } from "./swap-variant.ts";

export const summary = command({
  name: "summary",
  usage: "",
  options: {
    update: { kind: "flag", short: "u" },
    view: { kind: "flag", short: "v" },
    raw: { kind: "flag" },
    "list-metadata-keys": { kind: "flag" },
    "print-metadata-key": { kind: "value" },
    "add-metadata": { kind: "list", short: "m" },
  },
  async run(cli, options) {
    using repo = cli.openRepo(options.repo);
    const key = options["print-metadata-key"];
    if (options.update) await update(cli, repo, options["add-metadata"]);
    // `-v` is this command's own and not the one for verbosity.
    else if (options.view || options.verbose || options.raw) {
      const bytes = read(repo);
      if (options.raw) await cli.line(printSwapped(SUMMARY_TYPE, gvariant(SUMMARY_TYPE).decode(bytes)));
      else await view(cli, bytes);
    } else if (options["list-metadata-keys"]) {
      for (const name of decodeSummary(read(repo))
        .metadata.map(([each]) => each)
        .sort())
        await cli.line(name);
    } else if (key !== undefined) {
      const found = lookupVariant(decodeSummary(read(repo)).metadata, key);
      if (found === undefined) throw new OstreeFailure(`No such metadata key '${key}'`);
      await cli.line(printSwapped(found.type, found.value));
    } else throw new OstreeFailure("No option specified; use -u to update summary");
  },
});

function read(repo: Repo): Uint8Array {
  const bytes = repo.dir.readFileOptional("summary" as ByteString, { limit: 128 << 20 });
  if (bytes === undefined) throw new OstreeFailure("openat(summary): No such file or directory");
  return bytes;
}

async function update(cli: Cli, repo: Repo, pairs: readonly string[]): Promise<void> {
  const metadata = pairs.map((pair): [string, Variant] => {
    const equals = pair.indexOf("=");
    if (equals < 0) throw new OstreeFailure(`Missing '=' in KEY=VALUE metadata '${pair}'`);
    return [pair.slice(0, equals), parseVariantText(pair.slice(equals + 1))];
  });
  if (repo.config.collectionId !== undefined) {
    throw new OstreeFailure("This stand-in does not write the ostree-metadata commit of a collection yet");
  }
  if (!repo.config.indexedDeltas) {
    repo.configFile.setBoolean("core", "indexed-deltas", true);
    writeConfig(repo);
  }
  const epoch = cli.context.env["SOURCE_DATE_EPOCH"];
  const now = epoch === undefined ? BigInt(Math.floor(Date.now() / 1000)) : BigInt(epoch);
  await writeSummary(repo, { metadata, now });
}

const LABELS: { readonly [key: string]: string } = {
  "ostree.summary.mode": "Repository Mode",
  "ostree.summary.last-modified": "Last-Modified",
  "ostree.summary.expires": "Expires",
  "ostree.summary.tombstone-commits": "Has Tombstone Commits",
  "ostree.static-deltas": "Static Deltas",
  "ostree.summary.collection-id": "Collection ID",
  "ostree.summary.collection-map": "Collection Map",
};

async function view(cli: Cli, bytes: Uint8Array): Promise<void> {
  const { refs, metadata } = decodeSummary(bytes);
  const collection = lookupValue(metadata, "ostree.summary.collection-id", "s");
  for (const ref of refs) await viewRef(cli, ref, collection);
  const map = lookupValue(metadata, "ostree.summary.collection-map", "a{sa(s(taya{sv}))}");
  for (const [id, list] of map ?? []) for (const ref of list) await viewRef(cli, summaryRef(ref), id);
  for (const [key, held] of metadata) {
    const label = LABELS[key];
    const value = shown(key, held);
    await cli.line(label === undefined ? `${key}: ${value}` : `${label} (${key}): ${value}`);
  }
  await cli.line("Summary is unsigned");
}

function shown(key: string, { type, value }: Variant): string {
  if (key === "ostree.summary.collection-map") return "(printed above)";
  if (key === "ostree.summary.last-modified" || key === "ostree.summary.expires")
    return time(value as bigint);
  if (!(key in LABELS)) return printValue(type, value, false);
  if (type === "b") return value === true ? "Yes" : "No";
  return type === "s" ? (value as string) : printValue(type, value, false);
}

async function viewRef(cli: Cli, ref: SummaryRef, collection: string | undefined): Promise<void> {
  await cli.line(collection === undefined ? `* ${ref.ref}` : `* (${collection}, ${ref.ref})`);
  await cli.line(`    Latest Commit (${ref.size}\u00a0bytes):`.replace("\u00a0", " "));
  await cli.line(`      ${ref.checksum}`);
  await details(cli, ref.metadata);
  await cli.line("");
}

async function details(cli: Cli, metadata: Dict): Promise<void> {
  for (const [key, { type, value }] of metadata) {
    if (key === "ostree.commit.version") await cli.line(`    Version (${key}): ${value as string}`);
    else if (key === "ostree.commit.timestamp")
      await cli.line(`    Timestamp (${key}): ${time(value as ValueOf<"t">)}`);
    else await cli.line(`    ${key}: ${printValue(type, value, false)}`);
  }
}

/** A time that is stored big endian, as ISO 8601 with the hours of its zone. */
function time(stored: bigint): string {
  return new Date(Number(swap64(stored)) * 1000).toISOString().replace(/\.\d+Z$/, "+00");
}
