import { chmod, copyFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { makeDirectory } from "../atomic.ts";
import type { CachePaths } from "../cache.ts";
import { contained } from "../contained.ts";
import { succeed } from "../exec.ts";
import { ensurePrograms, requireProgram } from "../host.ts";
import { ownedName } from "../owner.ts";
import { CFSCTL_VERSION } from "./names.ts";
import { type CfsctlRecord, readRecord, recordPath } from "./record.ts";

export const cfsctlPlace = (cache: CachePaths): string => join(cache.peers, `cfsctl-${CFSCTL_VERSION}`);

export const cfsctlRecord = (cache: CachePaths): CfsctlRecord | undefined =>
  readRecord(cfsctlPlace(cache)) as CfsctlRecord | undefined;

export const cfsctlBinary = (cache: CachePaths): string => join(cfsctlPlace(cache), "bin", "cfsctl");

/** Builds cfsctl from its crate (5 to 7 minutes on two cores) unless it is there. The caller holds the lock of the peers. */
export async function installCfsctl(cache: CachePaths, log: (line: string) => void): Promise<CfsctlRecord> {
  const there = cfsctlRecord(cache);
  if (there) return there;
  requireProgram("cargo", "cargo");
  await ensurePrograms(
    [
      ["cc", "gcc"],
      ["pkg-config", "pkg-config"],
    ],
    log,
  );
  log(`building cfsctl ${CFSCTL_VERSION} (some minutes)`);
  await makeDirectory(cfsctlPlace(cache), cache.peers, async (temporary) => {
    await contained(
      ["cargo", "install", "composefs-ctl", "--version", CFSCTL_VERSION, "--locked", "--root", temporary],
      { timeout: 3_600_000, env: { RUST_BACKTRACE: undefined } },
    );
    const says = (await succeed([join(temporary, "bin", "cfsctl"), "--version"])).text.trim();
    const record: CfsctlRecord = { version: CFSCTL_VERSION, madeAt: new Date().toISOString(), says };
    await writeFile(recordPath(temporary), `${JSON.stringify(record, null, 2)}\n`);
  });
  const made = cfsctlRecord(cache);
  if (!made) throw new Error(`cfsctl was built without its record: ${cfsctlPlace(cache)}`);
  return made;
}

/** Puts the program into a tree as well, whole or not at all. */
export async function copyCfsctl(cache: CachePaths, root: string): Promise<void> {
  const directory = join(root, "usr", "local", "bin");
  const temporary = join(directory, `.cfsctl-${ownedName()}`);
  await copyFile(cfsctlBinary(cache), temporary);
  await chmod(temporary, 0o755);
  await rename(temporary, join(directory, "cfsctl"));
}
