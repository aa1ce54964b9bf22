// Directories with all that a commit can hold, made from a number.
import { closeSync, ftruncateSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";

import { type ByteString, utf8 } from "@bootc-store/core";
import { Dir } from "@bootc-store/linux";

/** Numbers that follow from a seed (xorshift32). */
export function random(seed: number): (below: number) => number {
  let state = (Math.imul(seed, 0x9e3779b1) | 0) === 0 ? 1 : Math.imul(seed, 0x9e3779b1) | 0;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const SIZES = [0, 0, 1, 2, 100, 4095, 4096, 4097, 65_536, 300_000, 1_048_576, 1_048_577, 3_000_000];
const NAMES = [
  "a",
  "b",
  "B",
  "aa",
  "a.b",
  "-",
  ".h",
  "é",
  "e\u0301",
  "n\nl",
  "a=b",
  "with space",
  "back\\slash",
];
const MODES = [0o644, 0o755, 0o600, 0o400, 0, 0o4755, 0o2755, 0o1777, 0o7777, 0o666];
const OWNERS = [0, 0, 0, 1, 1000, 65_534, 4_294_967_000];
const XATTRS = ["user.a", "user.b.c", "user.", "trusted.x", "security.selinux", "security.ima"];

/** Fills an empty directory. The same seed makes the same tree, but for times. */
export function fillSource(at: string, seed: number, options: { readonly large?: boolean } = {}): void {
  const next = random(seed);
  const pick = <T>(from: readonly T[]): T => from[next(from.length)] as T;
  using top = Dir.openHost(utf8(at));
  const files: ByteString[] = [];
  const name = (): ByteString =>
    next(3) === 0
      ? utf8(pick(NAMES))
      : next(40) === 0
        ? utf8("long".repeat(63))
        : utf8(
            String.fromCodePoint(
              ...Array.from({ length: 1 + next(5) }, () =>
                pick([0x61, 0x7a, 0x31, 0xe4, 0xffff, 0x1f600, 0x4e00, 0x7f, 1]),
              ),
            ),
          );
  const dress = (dir: Dir, path: ByteString, kind: "file" | "directory" | "link"): void => {
    if (next(2) === 0) dir.setOwner(path, pick(OWNERS), pick(OWNERS));
    if (kind !== "link") dir.setMode(path, pick(MODES));
    for (let count = next(4) === 0 ? 1 + next(3) : 0; count > 0; count--) {
      const xattr = pick(XATTRS);
      if ((xattr.startsWith("user.") && kind === "link") || xattr === "user.") continue;
      dir.setXattr(path, utf8(xattr), Buffer.from("v".repeat(1 + next(200))));
    }
  };
  const fill = (dir: Dir, prefix: string, depth: number): void => {
    for (let count = 1 + next(9); count > 0; count--) {
      const path = name();
      if (dir.statOptional(path) !== undefined) continue;
      const kind = next(10);
      if (kind < 3) {
        if (depth === 0) continue;
        dir.makeDir(path);
        using below = dir.openDir(path);
        if (next(4) > 0) fill(below, `${prefix}${path}/`, depth - 1);
        dress(dir, path, "directory");
      } else if (kind === 3) {
        dir.symlink(utf8(pick(["a", "../x", "/abs/é", "t".repeat(1 + next(900))])), path);
        dress(dir, path, "link");
      } else if (kind === 4) {
        const known = files.length > 0 ? pick(files) : undefined;
        if (known !== undefined) top.link(known, path, { to: dir });
      } else {
        {
          using file = dir.createNew(path);
          const size = pick(SIZES);
          file.write(Buffer.alloc(size, `${next(3)} is what it begins with, `));
        }
        dress(dir, path, "file");
        files.push((prefix + path) as ByteString);
      }
    }
  };
  fill(top, "", 4);
  if (options.large === true) {
    const file = openSync(join(at, "200 MB"), "w");
    ftruncateSync(file, 200_000_000);
    for (let piece = 0; piece < 50; piece++)
      writeSync(file, Buffer.from(`piece ${piece}`), 0, 7, piece * 3_999_999);
    closeSync(file);
  }
}
