import { createHash } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";

import { utf8 } from "@bootc-store/core";
import { Dir, type Pool } from "@bootc-store/linux";

import { ContainersStorage } from "../../src/index.ts";

export interface StorePaths {
  readonly root: string;
  readonly run: string;
  /** `containers-storage:[...]` with the name behind it. */
  reference(name: string): string;
  /** Options of the `containers-storage` program and of podman. */
  readonly cli: readonly string[];
  readonly podman: readonly string[];
}

export function pathsIn(scratch: string): StorePaths {
  const root = join(scratch, "root");
  const run = join(scratch, "run");
  return {
    root,
    run,
    reference: (name) => `containers-storage:[overlay@${root}+${run}]${name}`,
    cli: ["--graph", root, "--run", run, "--storage-driver", "overlay"],
    podman: ["--root", root, "--runroot", run, "--storage-driver", "overlay"],
  };
}

/** Opens the store, made where it is missing. */
export function openStore(paths: StorePaths, pool?: Pool): ContainersStorage {
  for (const path of [paths.root, paths.run]) mkdirSync(path, { recursive: true, mode: 0o700 });
  return ContainersStorage.ensure({
    graphRoot: Dir.openHost(utf8(paths.root)),
    runRoot: Dir.openHost(utf8(paths.run)),
    ...(pool === undefined ? {} : { pool }),
  }).store;
}

/** Everything below a directory, one line a name: kind, mode, owner, time, content. */
export function describeTree(path: string, options: { readonly times?: boolean } = {}): string[] {
  using dir = Dir.openHost(utf8(path));
  const lines: string[] = [];
  const links = new Map<bigint, string>();
  for (const entry of dir.walk()) {
    const stat = entry.dir.stat(entry.name);
    const xattrs = entry.dir
      .listXattrs(entry.name)
      .map((name) => `${name}=${Buffer.from(entry.dir.getXattr(entry.name, name)).toString("hex")}`);
    const first = stat.nlink > 1 && stat.type !== "directory" ? (links.get(stat.ino) ?? entry.path) : "";
    if (first !== "") links.set(stat.ino, first);
    const content =
      stat.type === "regular"
        ? createHash("sha256").update(entry.dir.readFile(entry.name)).digest("hex")
        : stat.type === "symlink"
          ? entry.dir.readLink(entry.name)
          : `${stat.rdev.major}:${stat.rdev.minor}`;
    // Whiteouts have the time of extraction, which is nothing to compare.
    const isWhiteout = stat.type === "character" && stat.rdev.major === 0 && stat.rdev.minor === 0;
    const time =
      options.times === false || isWhiteout ? "" : `${stat.mtime.seconds}.${stat.mtime.nanoseconds}`;
    lines.push(
      [
        entry.path,
        stat.type,
        (stat.mode & 0o7777).toString(8),
        `${stat.uid}:${stat.gid}`,
        time,
        first,
        content,
        ...xattrs,
      ].join(" "),
    );
  }
  return lines;
}
