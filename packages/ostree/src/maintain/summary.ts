import type { ByteString } from "@bootc-store/core";

import { printMode } from "../format/mode.ts";
import { commitEntry, encodeSummary, REF_LIST_TYPE, refList, type SummaryRef } from "../format/summary.ts";
import { inHashOrder } from "../gvariant/hash-order.ts";
import { type Dict, lookupValue, swap64, variant, type Variant } from "../gvariant/index.ts";
import type { Repo } from "../repo/repo.ts";
import type { FoundRef } from "../repo/refs.ts";

export interface SummaryOptions {
  /** Added to the summary's own. */
  readonly metadata?: Dict;
  /** Seconds since 1970. */
  readonly now: bigint;
}

/** Writes the list of refs for those who look at a repository from afar. A signature of the old one goes. */
export async function writeSummary(repo: Repo, options: SummaryOptions): Promise<void> {
  using _lock = await repo.lock.take("shared");
  const { collectionId, tombstoneCommits } = repo.config;
  const own = repo.refs.list({ kind: "heads" });
  const entries: (readonly [string, Variant])[] = [
    ...(options.metadata ?? []),
    ["ostree.summary.last-modified", variant("t", swap64(options.now))],
    ["ostree.summary.mode", variant("s", printMode(repo.mode))],
    ["ostree.summary.tombstone-commits", variant("b", tombstoneCommits)],
    ["ostree.summary.indexed-deltas", variant("b", true)],
  ];
  if (collectionId !== undefined) {
    entries.push(["ostree.summary.collection-id", variant("s", collectionId)]);
  }
  const mirrored = repo.refs.mirroredCollections().filter((id) => id !== collectionId);
  const map = mirrored
    .sort()
    .map(
      (id) => [id, refList(summaryRefs(repo, repo.refs.list({ kind: "mirror", collectionId: id })))] as const,
    )
    .filter(([, list]) => list.length > 0);
  if (map.length > 0) {
    entries.push(["ostree.summary.collection-map", { type: `a{s${REF_LIST_TYPE}}`, value: map }]);
  }
  const bytes = encodeSummary({ refs: summaryRefs(repo, own), metadata: inHashOrder(entries) });
  repo.dir.atomicWrite("summary" as ByteString, bytes, {
    mode: 0o644,
    sync: repo.config.fsync ? "data-and-directories" : "none",
  });
  repo.dir.removeOptional("summary.sig" as ByteString);
}

function summaryRefs(repo: Repo, refs: readonly FoundRef[]): SummaryRef[] {
  return refs.map(({ ref, checksum }) => {
    const { metadata, timestamp } = repo.readCommit(checksum);
    const size = repo.reader.readMetadata(checksum, "commit").length;
    return { ref, size, checksum, metadata: commitEntry(lookupValue(metadata, "version", "s"), timestamp) };
  });
}
