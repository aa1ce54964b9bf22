import { ostreeErrors } from "../errors.ts";
import { type Dict, gvariant, swap64 } from "../gvariant/index.ts";
import { type Checksum, checksumBytes, checksumOf } from "./checksum.ts";

/** A commit object. */
export interface Commit {
  readonly metadata: Dict;
  readonly parent?: Checksum;
  readonly subject: string;
  readonly body: string;
  /** Seconds since 1970, as 64 unsigned bits. */
  readonly timestamp: bigint;
  /** Of the root directory. */
  readonly tree: Checksum;
  readonly meta: Checksum;
}

export const COMMIT_TYPE = "(a{sv}aya(say)sstayay)";
const COMMIT = gvariant(COMMIT_TYPE);
const NOTHING = new Uint8Array(0);

export function encodeCommit(commit: Commit): Uint8Array {
  return COMMIT.encode([
    commit.metadata,
    commit.parent === undefined ? NOTHING : checksumBytes(commit.parent),
    [],
    commit.subject,
    commit.body,
    swap64(commit.timestamp),
    checksumBytes(commit.tree),
    checksumBytes(commit.meta),
  ]);
}

/** Throws `ostree/object-invalid`, `ostree/variant-not-normal`. */
export function decodeCommit(bytes: Uint8Array, format: string): Commit {
  const [metadata, parent, , subject, body, timestamp, tree, meta] = COMMIT.decode(bytes, { format });
  if (metadata.some(([key]) => key === "")) {
    throw ostreeErrors.error("object-invalid", `${format}: Empty metadata key`, { context: { format } });
  }
  return {
    metadata,
    ...(parent.length === 0 ? {} : { parent: checksumOf(parent, `${format} › parent`) }),
    subject,
    body,
    timestamp: swap64(timestamp),
    tree: checksumOf(tree, `${format} › root`),
    meta: checksumOf(meta, `${format} › root`),
  };
}
