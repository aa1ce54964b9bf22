import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { ContentSource } from "@bootc-store/backend";
import { utf8 } from "@bootc-store/core";
import { Dir } from "@bootc-store/linux";

import { initRepo, Repo, type RepoMode } from "../../src/index.ts";
import type { OpenOptions } from "../../src/index.ts";

export const MODES = [
  "bare",
  "bare-user",
  "bare-user-only",
  "archive",
] as const satisfies readonly RepoMode[];

/** Makes a repository in a new directory and opens it. */
export function makeRepo(at: string, mode: RepoMode, options: OpenOptions = {}): Repo {
  mkdirSync(at, { recursive: true });
  using dir = Dir.openHost(utf8(at));
  initRepo(dir, { mode });
  return Repo.open(dir.duplicate(), options);
}

/** Contents that are files of a directory, by name. */
export function filesOf(dir: Dir): ContentSource {
  return {
    openContent: ({ key }, size) => ({
      size,
      file: { dir, name: utf8(key) },
      async *read() {
        yield dir.readFile(utf8(key));
      },
    }),
  };
}

/** Contents that come as streams. */
export function streamsOf(bytes: ReadonlyMap<string, Uint8Array>): ContentSource {
  return {
    openContent: ({ key }, size) => ({
      size,
      async *read() {
        const all = bytes.get(key) as Uint8Array;
        for (let at = 0; at < all.length; at += 65_536) yield all.subarray(at, at + 65_536);
      },
    }),
  };
}

export const inside = (directory: string, name: string): string => join(directory, name);
