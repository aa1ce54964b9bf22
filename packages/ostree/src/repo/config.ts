import type { KeyFile } from "@bootc-store/core/codec";

import { ostreeErrors } from "../errors.ts";
import { parseMode, type RepoMode } from "../format/mode.ts";
import { isCollectionId } from "./ref-name.ts";

/** A repository's `config`, with ostree's defaults. Keys that are not here stay in the file. */
export interface RepoConfig {
  readonly mode: RepoMode;
  readonly collectionId: string | undefined;
  /** Path of the parent repository, as written. */
  readonly parent: string | undefined;
  readonly fsync: boolean;
  readonly perObjectFsync: boolean;
  readonly disableXattrs: boolean;
  /** Whether checkouts of an archive in user mode may use its cache. */
  readonly uncompressedCache: boolean;
  readonly locking: boolean;
  /** -1 waits for ever. */
  readonly lockTimeoutSecs: number;
  readonly tmpExpirySecs: number;
  readonly minFreeSpace: MinFreeSpace;
  readonly tombstoneCommits: boolean;
  readonly autoUpdateSummary: boolean;
  readonly indexedDeltas: boolean;
  readonly noDeltasInSummary: boolean;
  /** Bytes from which on payload links are made; negative for never. */
  readonly payloadLinkThreshold: number;
  /** 1 to 9. */
  readonly zlibLevel: number;
  readonly fsverity: Tristate;
  readonly composefs: Tristate;
}

/** ostree has 6, which takes a sixth longer for archives that are 0.3 % smaller. */
const DEFAULT_ZLIB_LEVEL = 5;

export type Tristate = "yes" | "no" | "maybe";

export interface MinFreeSpace {
  /** 0 to 99. */
  readonly percent: number;
  /** Bytes; where it is not zero it counts instead of the percentage. */
  readonly bytes: number;
  /** As written, for messages. */
  readonly sizeText: string;
}

/** What `config` means. Throws `ostree/config-invalid`, `ostree/repo-version-unsupported`, `core/keyfile-…`. */
export function readConfig(file: KeyFile): RepoConfig {
  const version = file.getString("core", "repo_version");
  if (version !== "1") {
    throw ostreeErrors.error("repo-version-unsupported", `Invalid repository version '${version ?? ""}'`);
  }
  if (file.getBoolean("core", "archive") === true) {
    throw ostreeErrors.error(
      "mode-unsupported",
      "This version of OSTree no longer supports 'archive' repositories; use archive-z2 instead",
    );
  }
  const word = file.getString("core", "mode") ?? "bare";
  const mode = parseMode(word);
  if (mode === undefined) throw invalid("mode", `Invalid mode '${word}' in repository configuration`);
  const collectionId = file.getString("core", "collection-id");
  if (collectionId !== undefined && !isCollectionId(collectionId)) {
    throw invalid("collection-id", `Invalid collection ID ${collectionId}`);
  }
  const flag = (key: string, fallback: boolean): boolean => file.getBoolean("core", key) ?? fallback;
  const number = (key: string, fallback: number): number => file.getInteger("core", key) ?? fallback;
  const composefs = tristate(file, "composefs", "no");
  return {
    mode,
    collectionId,
    parent: file.getString("core", "parent"),
    fsync: flag("fsync", true),
    perObjectFsync: flag("per-object-fsync", false),
    disableXattrs: flag("disable-xattrs", false),
    uncompressedCache: flag("enable-uncompressed-cache", true),
    locking: flag("locking", true),
    lockTimeoutSecs: number("lock-timeout-secs", 300),
    tmpExpirySecs: number("tmp-expiry-secs", 86_400),
    minFreeSpace: minFreeSpace(file),
    tombstoneCommits: flag("tombstone-commits", false),
    autoUpdateSummary: flag("auto-update-summary", flag("commit-update-summary", false)),
    indexedDeltas: flag("indexed-deltas", false),
    noDeltasInSummary: flag("no-deltas-in-summary", false),
    payloadLinkThreshold: number("payload-link-threshold", -1),
    zlibLevel: file.getInteger("archive", "zlib-level") ?? DEFAULT_ZLIB_LEVEL,
    fsverity: tristate(file, "fsverity", composefs === "no" ? "no" : "maybe"),
    composefs,
  };
}

function minFreeSpace(file: KeyFile): MinFreeSpace {
  const sizeText = file.getString("core", "min-free-space-size") ?? "";
  const percentText = file.getString("core", "min-free-space-percent");
  let bytes = 0;
  if (sizeText !== "") {
    const match = /^([0-9]+)(MB|GB|TB)$/.exec(sizeText);
    if (match === null) {
      throw invalid(
        "min-free-space-size",
        `Invalid min-free-space-size '${sizeText}': It should be of the format '123MB', '123GB' or '123TB'`,
      );
    }
    bytes = Number(match[1]) * 2 ** { MB: 20, GB: 30, TB: 40 }[match[2] as "MB" | "GB" | "TB"];
  }
  const percent = percentText === undefined ? (sizeText === "" ? 3 : 0) : Number(percentText);
  if (!Number.isInteger(percent) || percent < 0 || percent > 99) {
    throw invalid("min-free-space-percent", `Invalid min-free-space-percent '${percentText ?? ""}'`);
  }
  return { percent: bytes === 0 ? percent : 0, bytes, sizeText };
}

function tristate(file: KeyFile, key: string, fallback: Tristate): Tristate {
  const word = file.getString("ex-integrity", key);
  if (word === undefined) return fallback;
  if (["yes", "true", "1"].includes(word)) return "yes";
  if (["no", "false", "0", "none"].includes(word)) return "no";
  if (word === "maybe") return "maybe";
  throw invalid(key, `Invalid tri-state value: ${word}`);
}

function invalid(key: string, problem: string): Error {
  return ostreeErrors.error("config-invalid", problem, { context: { key } });
}
