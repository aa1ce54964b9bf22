import { type Dict, gvariant, swap64, variant, type Variant } from "../gvariant/index.ts";
import { inHashOrder } from "../gvariant/hash-order.ts";
import { type Checksum, checksumBytes, checksumOf } from "./checksum.ts";

/** A ref in a summary. */
export interface SummaryRef {
  readonly ref: string;
  /** Bytes of the commit object. */
  readonly size: number;
  readonly checksum: Checksum;
  readonly metadata: Dict;
}

export interface Summary {
  readonly refs: readonly SummaryRef[];
  readonly metadata: Dict;
}

export const SUMMARY_TYPE = "(a(s(taya{sv}))a{sv})";
export const REF_LIST_TYPE = "a(s(taya{sv}))";
const SUMMARY = gvariant(SUMMARY_TYPE);

export function encodeSummary(summary: Summary): Uint8Array {
  return SUMMARY.encode([refList(summary.refs), summary.metadata]);
}

/** Refs as they stand in a summary, in byte order. */
export function refList(
  refs: readonly SummaryRef[],
): readonly (readonly [string, readonly [bigint, Uint8Array, Dict]])[] {
  return [...refs]
    .sort((a, b) => Buffer.compare(Buffer.from(a.ref), Buffer.from(b.ref)))
    .map(
      ({ ref, size, checksum, metadata }) =>
        [ref, [BigInt(size), checksumBytes(checksum), metadata]] as const,
    );
}

export function decodeSummary(bytes: Uint8Array): Summary {
  const [refs, metadata] = SUMMARY.decode(bytes, { format: "summary" });
  return { refs: refs.map(summaryRef), metadata };
}

export function summaryRef([ref, [size, checksum, metadata]]: readonly [
  string,
  readonly [bigint, Uint8Array, Dict],
]): SummaryRef {
  return { ref, size: Number(size), checksum: checksumOf(checksum, `summary › ${ref}`), metadata };
}

/** What a summary says of a commit. */
export function commitEntry(version: string | undefined, timestamp: bigint): Dict {
  const entries: [string, Variant][] =
    version === undefined ? [] : [["ostree.commit.version", variant("s", version)]];
  entries.push(["ostree.commit.timestamp", variant("t", swap64(timestamp))]);
  return inHashOrder(entries);
}
