import { readFileSync, statSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { b, codeOf, onLinux } from "../tests/helpers.ts";
import { Dir, parseMountInfo } from "./index.ts";

describe("mountinfo", () => {
  it("is parsed with its optional fields and escapes", () => {
    const text = b(
      [
        String.raw`36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 propagate_from:2 - ext3 /dev/root rw,errors=continue`,
        String.raw`40 36 0:45 / /a\040b\134c\011\012\377 ro,nosuid - fuse.x y\040z rw`,
        String.raw`41 36 0:46 / /x ro shared:12 unbindable - tmpfs none rw,size=1k`,
        "",
      ].join("\n"),
    );
    expect(parseMountInfo(text)).toEqual([
      {
        id: 36,
        parent: 35,
        dev: { major: 98, minor: 0 },
        root: "/mnt1",
        mountPoint: "/mnt2",
        options: ["rw", "noatime"],
        propagation: ["master:1", "propagate_from:2"],
        type: "ext3",
        source: "/dev/root",
        superOptions: ["rw", "errors=continue"],
      },
      expect.objectContaining({
        mountPoint: "/a b\\c\t\n\xff",
        type: "fuse.x",
        source: "y z",
        propagation: [],
      }),
      expect.objectContaining({ id: 41, propagation: ["shared:12", "unbindable"] }),
    ]);
    expect(parseMountInfo(b(""))).toEqual([]);
  });

  it.each([
    "36",
    "36 35 98:0 / / rw",
    "36 35 98:0 / / rw - ext3 /dev/root",
    "36 35 98 / / rw - ext3 /dev/root rw",
    "x 35 98:0 / / rw - ext3 /dev/root rw",
    "36 35 98:0 - ext3 /dev/root rw",
  ])("is refused where it is not in the kernel's form: %s", (line) => {
    expect(codeOf(() => parseMountInfo(b(line)))).toBe("linux/mountinfo-invalid");
  });

  it.skipIf(!onLinux)("of this process agrees with statx", () => {
    const mounts = parseMountInfo(b(readFileSync("/proc/self/mountinfo", "latin1")));
    using proc = Dir.openHost(b("/proc"));
    const found = mounts.find((mount) => mount.id === proc.statSelf().mountId);
    expect(found).toMatchObject({ mountPoint: "/proc", type: "proc" });
    expect(statSync("/proc").dev).toBe(((found?.dev.major ?? 0) << 8) | (found?.dev.minor ?? 0));
  });
});
