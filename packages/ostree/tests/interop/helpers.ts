import { execFileSync } from "node:child_process";
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

/** Everything but the times of what is in a directory, attributes included. */
export function dumpDirectory(at: string): string {
  const script = `
import os, sys
for top, dirs, files in os.walk(b"."):
    dirs.sort()
    for name in sorted(dirs + files) + ([b"."] if top == b"." else []):
        path = os.path.join(top, name)
        st = os.lstat(path)
        xattrs = [(x, os.getxattr(path, x, follow_symlinks=False)) for x in sorted(os.listxattr(path, follow_symlinks=False))]
        link = os.readlink(path) if os.path.islink(path) else None
        data = None
        if os.path.isfile(path) and not link:
            import hashlib
            data = hashlib.md5(open(path, "rb").read()).hexdigest()
        print(path, oct(st.st_mode), st.st_uid, st.st_gid, st.st_size if data else 0, link, data, xattrs)
`;
  return execFileSync("python3", ["-c", script], { cwd: at, encoding: "utf8", maxBuffer: 1 << 28 });
}
