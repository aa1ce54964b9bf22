// Directories with all that an image can hold, made from a number.
import { byteString, type ByteString, utf8 } from "@bootc-store/core";
import type { Dir } from "@bootc-store/linux";

/** Numbers that follow from a seed (xorshift32). */
export function random(seed: number): (below: number) => number {
  let state = (seed | 0) === 0 ? 1 : seed | 0;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const SIZES = [0, 0, 1, 63, 64, 65, 65, 100, 2048, 4095, 4096, 4097, 8192, 30_000, 262_144, 262_145, 530_000];
const NAMES = [
  "a",
  "b",
  "ab",
  "ff",
  "00",
  "-",
  ".h",
  "é",
  "n\nl",
  "a=b",
  "with space",
  "\u00e9",
  "back\\slash",
];
const XATTRS = [
  "user.a",
  "user.b",
  "user.overlay.x",
  "trusted.x",
  "trusted.overlay.y",
  "trusted.overlay.overlay.z",
  "security.selinux",
];
const OWNERS = [0, 0, 0, 1000, 65_535, 65_536, 4_294_967_000];
const SECONDS = [0, 1, 1_700_000_000, 1_700_000_000, -5, 2_147_483_648];

/** Fills an empty directory. The same seed makes the same tree. */
export function fillDirectory(top: Dir, seed: number, knobs: { readonly whiteouts?: boolean } = {}): void {
  const next = random(seed);
  const pick = <T>(from: readonly T[]): T => from[next(from.length)] as T;
  const files: ByteString[] = [];
  const name = (): ByteString => {
    if (next(2) === 0) return utf8(pick(NAMES));
    if (next(12) === 0) return utf8("long".repeat(63));
    const bytes = Uint8Array.from({ length: 1 + next(8) }, () => 1 + next(255)).filter(
      (byte) => byte !== 0x2f,
    );
    const text = byteString(bytes);
    return text === "" || text === "." || text === ".." ? utf8("dot") : text;
  };
  const dress = (dir: Dir, at: ByteString, kind: string): void => {
    dir.setOwner(at, pick(OWNERS), pick(OWNERS));
    if (kind !== "link") dir.setMode(at, pick([0o644, 0o755, 0o7777, 0, 0o4711]));
    for (let count = next(3) === 0 ? next(4) : 0; count > 0; count--) {
      const xattr = pick(XATTRS);
      // The kernel has attributes of users on files and directories only.
      if (xattr.startsWith("user.") && kind !== "file" && kind !== "directory") continue;
      dir.setXattr(at, utf8(xattr), Buffer.from("v".repeat(next(60))));
    }
    const time = { seconds: pick(SECONDS), nanoseconds: pick([0, 0, 5, 999_999_999]) };
    dir.setTimes(at, { mtime: time });
  };
  const fill = (dir: Dir, prefix: string, depth: number): void => {
    for (let count = next(9); count > 0; count--) {
      const at = name();
      if (dir.statOptional(at) !== undefined) continue;
      switch (next(12)) {
        case 0:
        case 1:
        case 2: {
          if (depth === 0) break;
          dir.makeDir(at);
          using below = dir.openDir(at);
          fill(below, `${prefix}${at}/`, depth - 1);
          dress(dir, at, "directory");
          break;
        }
        case 3:
          dir.symlink(utf8("t".repeat(1 + next(3) * next(1300))), at);
          dress(dir, at, "link");
          break;
        case 4:
          dir.mknod(at, pick(["fifo", "socket"]));
          dress(dir, at, "special");
          break;
        case 5:
          dir.mknod(at, pick(["character", "block"]), {
            device: { major: 1 + next(300), minor: next(70_000) },
          });
          dress(dir, at, "special");
          break;
        case 6: {
          if (next(3) > 0 || knobs.whiteouts === false) break;
          dir.mknod(at, "character", { device: { major: 0, minor: 0 } });
          dress(dir, at, "special");
          break;
        }
        case 7: {
          const known = files.length > 0 ? pick(files) : undefined;
          if (known !== undefined) top.link(known, at, { to: dir });
          break;
        }
        default: {
          const content = Buffer.alloc(pick(SIZES), `${next(5)}content`);
          {
            using file = dir.createNew(at);
            file.write(content);
          }
          dress(dir, at, "file");
          files.push((prefix + at) as ByteString);
        }
      }
    }
  };
  fill(top, "", 3);
}
