/* oxlint-disable typescript/await-thenable -- the linter does not know of async disposal in test files */
import * as fs from "node:fs";
import { utf8 } from "@bootc-store/core";
import type { FileSystemKind } from "@bootc-store/lab";
import { afterAll, describe, expect, it } from "vitest";
import {
  cloneFile,
  cloneOrCopy,
  copyContent,
  Dir,
  placeContent,
  readExtents,
  reflinksSupported,
  sharedBytes,
} from "../src/index.ts";
import { b, codeOf, expectNoLeak, onLinux, scratch } from "./helpers.ts";
import { lab } from "./lab.ts";

afterAll(() => lab.close());

const MiB = 1 << 20;

describe.each<FileSystemKind>(["xfs", "btrfs"])("on %s", (kind) => {
  const why = lab.missing({ root: true, filesystems: [kind], peers: ["filefrag"] });
  it.skipIf(why !== undefined)(`shares extents, as FIEMAP and filefrag say ${why ?? ""}`, async () => {
    await using system = await lab.filesystem(kind);
    using dir = Dir.openHost(utf8(system.path));
    expect(reflinksSupported(dir)).toBe(true);
    expect(dir.list().filter((entry) => entry.type === "regular")).toEqual([]);
    const content = Buffer.alloc(3 * MiB + 17, "content");
    dir.atomicWrite(b("source"), content);
    using source = dir.openFile(b("source"));
    expect(sharedBytes(source)).toBe(0);

    expect(
      dir.cloneFrom(source, b("clone"), { mode: 0o640, xattrs: [[b("user.x"), Buffer.from("x")]] }),
    ).toBe("cloned");
    using clone = dir.openFile(b("clone"));
    expect(clone.readAll().equals(content)).toBe(true);
    expect(clone.stat()).toMatchObject({ mode: 0o100640, nlink: 1 });
    expect(clone.getXattr(b("user.x")).toString()).toBe("x");
    expect(clone.stat().ino).not.toBe(source.stat().ino);
    expect(sharedBytes(clone)).toBeGreaterThanOrEqual(3 * MiB);
    expect(readExtents(clone).map((extent) => extent.physical)).toEqual(
      readExtents(source).map((extent) => extent.physical),
    );
    const shown = await lab.peers.filefrag.succeed(["-v", "clone"], { cwd: system.path });
    expect(shown.text).toMatch(/shared/);

    dir.atomicWrite(b("plain"), content);
    using plain = dir.openFile(b("plain"));
    expect(sharedBytes(plain)).toBe(0);
    // A link is not made where cloning works, even if it may be.
    expect(dir.cloneFrom(source, b("clone2"), { link: true })).toBe("cloned");
    expect(codeOf(() => dir.cloneFrom(source, b("clone")))).toBe("linux/exists");
    expect(dir.cloneFrom(source, b("clone"), { existing: "replace", clone: false, link: true })).toBe(
      "linked",
    );
    expect(dir.stat(b("clone"))).toMatchObject({ ino: source.stat().ino, nlink: 2 });
    using other = scratch();
    expect(other.dir.cloneFrom(source, b("elsewhere"))).toBe("copied");
    expect(other.dir.readFile(b("elsewhere")).equals(content)).toBe(true);
  });
});

describe.each<FileSystemKind>(["ext4", "tmpfs"])("on %s", (kind) => {
  const why = lab.missing({ root: true, filesystems: [kind] });
  it.skipIf(why !== undefined)(`copies or links, and says so ${why ?? ""}`, async () => {
    await using system = await lab.filesystem(kind);
    using dir = Dir.openHost(utf8(system.path));
    expect(reflinksSupported(dir)).toBe(false);
    expect(dir.list().filter((entry) => entry.type === "regular")).toEqual([]);
    const content = Buffer.alloc(2 * MiB, "content");
    dir.atomicWrite(b("source"), content);
    using source = dir.openFile(b("source"));
    expect(dir.cloneFrom(source, b("copy"), { times: { mtime: { seconds: 5, nanoseconds: 6 } } })).toBe(
      "copied",
    );
    expect(dir.stat(b("copy"))).toMatchObject({
      size: content.length,
      mtime: { seconds: 5, nanoseconds: 6 },
    });
    expect(dir.readFile(b("copy")).equals(content)).toBe(true);
    expect(dir.cloneFrom(source, b("link"), { link: true })).toBe("linked");
    expect(dir.stat(b("link")).ino).toBe(source.stat().ino);
    expect(dir.cloneFrom(source, b("link2"), { link: true })).toBe("linked");
    expect(codeOf(() => dir.cloneFrom(source, b("no"), { copy: false }))).toBe("linux/cross-device");
    expect(codeOf(() => dir.cloneFrom(source, b("copy"), { link: true }))).toBe("linux/exists");
    // Its own name, again: nothing changes and nothing is left.
    expect(dir.cloneFrom(source, b("source"), { link: true, existing: "replace" })).toBe("linked");
    using other = scratch();
    expect(codeOf(() => other.dir.cloneFrom(source, b("no"), { link: true, copy: false }))).toBe(
      "linux/cross-device",
    );
    const regular = dir.list().filter((entry) => entry.type === "regular");
    expect(regular.map((entry) => entry.name)).toEqual(["copy", "link", "link2", "source"]);
  });
});

describe.skipIf(!onLinux)("copying", () => {
  it("keeps holes, and copies what has no size", () => {
    using s = scratch();
    {
      using file = s.dir.createNew(b("sparse"));
      file.write(Buffer.from("begin"));
      file.write(Buffer.alloc(100_000, "m"), 5 * MiB);
      file.truncate(20 * MiB);
    }
    using sparse = s.dir.openFile(b("sparse"));
    using copy = s.dir.createNew(b("copy"));
    expect(copyContent(sparse, copy)).toBe(20 * MiB);
    expect(copy.stat().size).toBe(20 * MiB);
    expect(copy.stat().blocks).toBeLessThan(1000);
    expect(fs.readFileSync(`${s.path}/copy`).equals(fs.readFileSync(`${s.path}/sparse`))).toBe(true);
    using proc = Dir.openHost(b("/proc"));
    using version = proc.openFile(b("version"));
    using text = s.dir.createNew(b("version"));
    copyContent(version, text);
    expect(fs.readFileSync(`${s.path}/version`, "utf8")).toBe(fs.readFileSync("/proc/version", "utf8"));
  });

  it.each([0, 1, 4096, MiB, 5 * MiB + 1])("of %i bytes between file systems", (size) => {
    using s = scratch();
    using other = scratch("/dev/shm");
    const content = Buffer.alloc(size, "0123456789");
    s.dir.atomicWrite(b("f"), content, { sync: "none" });
    using from = s.dir.openFile(b("f"));
    using to = other.dir.createNew(b("f"));
    expect(cloneFile(from, to)).toBe(false);
    expect(cloneOrCopy(from, to)).toBe("copied");
    expect(other.dir.readFile(b("f")).equals(content)).toBe(true);
  });

  it("stops at its signal and leaves nothing", () => {
    using s = scratch("/dev/shm");
    using source = scratch();
    source.dir.atomicWrite(b("f"), Buffer.alloc(MiB), { sync: "none" });
    using from = source.dir.openFile(b("f"));
    expect(codeOf(() => placeContent(from, s.dir, b("f"), { signal: AbortSignal.abort() }))).toBe(
      "core/cancelled",
    );
    expect(s.dir.list()).toEqual([]);
    expectNoLeak(() => codeOf(() => placeContent(from, s.dir, b("f"), { signal: AbortSignal.abort() })));
  });

  it("refuses to tell extents where there are none", () => {
    using s = scratch("/dev/shm");
    using file = s.dir.createNew(b("f"));
    expect(codeOf(() => readExtents(file))).toBe("linux/call-unsupported");
  });
});
