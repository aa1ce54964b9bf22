import type { ByteString } from "@bootc-store/core";
import type { Dir } from "@bootc-store/linux";

import type { Checksum } from "../format/checksum.ts";

/** Why a commit is not complete: a pull did not end, or fsck found damage. */
export type PartialState = "pull" | "fsck";

const path = (commit: Checksum): ByteString => `state/${commit}.commitpartial` as ByteString;

export function partialState(repo: Dir, commit: Checksum): PartialState | undefined {
  const bytes = repo.readFileOptional(path(commit), { limit: 4096 });
  if (bytes === undefined) return undefined;
  return bytes.toString("latin1").startsWith("f") ? "fsck" : "pull";
}

export function markPartial(repo: Dir, commit: Checksum, state: PartialState): void {
  repo.ensureDir("state" as ByteString, { mode: 0o775 });
  using dir = repo.openDir("state" as ByteString);
  dir.atomicWrite(`${commit}.commitpartial` as ByteString, Buffer.from(state === "fsck" ? "f" : ""));
}

export function clearPartial(repo: Dir, commit: Checksum): void {
  using dir = repo.openDirOptional("state" as ByteString);
  dir?.removeOptional(`${commit}.commitpartial` as ByteString);
}
