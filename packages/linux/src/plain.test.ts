import { execFileSync } from "node:child_process";
import { closeSync, linkSync, mkdirSync, openSync, rmdirSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { describe, expect, it } from "vitest";
import { b, onLinux, openDescriptors, scratch } from "../tests/helpers.ts";
import { readEntries } from "./calls/directory.ts";
import { tryReadlinkAt } from "./calls/link.ts";
import { closeFd, tryOpenat } from "./calls/open.ts";
import { tryModeAt, typeAndSize } from "./calls/stat.ts";
import { O_DIRECTORY, O_NOFOLLOW, O_PATH, O_RDONLY } from "./constants.ts";
import { pretendPlain } from "./plain.ts";

/** What `look` finds by native calls and without them. */
function bothWays<T>(look: () => T): { native: T; plain: T } {
  let native: T;
  {
    using _native = pretendPlain(0);
    native = look();
  }
  using _plain = pretendPlain(10_000);
  return { native, plain: look() };
}

describe.skipIf(!onLinux)("looking without native code", () => {
  it("finds what native calls find, names that are no UTF-8 and all kinds of files included", async () => {
    using s = scratch();
    writeFileSync(`${s.path}/file`, "x".repeat(70_000));
    writeFileSync(Buffer.concat([Buffer.from(`${s.path}/`), Buffer.from([0x61, 0xff, 0xfe])]), "bytes");
    mkdirSync(`${s.path}/dir`);
    mkdirSync(`${s.path}/shut`, { mode: 0 });
    symlinkSync("file", `${s.path}/link`);
    symlinkSync("nowhere", `${s.path}/dangling`);
    linkSync(`${s.path}/file`, `${s.path}/other`);
    s.dir.mknod(b("fifo"), "fifo");
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(`${s.path}/socket`, resolve));
    try {
      const names = s.dir.list().map((entry) => entry.name);
      expect(names).toHaveLength(9);
      const { native, plain } = bothWays(() => ({
        listed: s.dir.list(),
        walked: [...s.dir.walk()].map(({ path, type }) => `${path} ${type}`),
        each: [...names, b("none"), b("file/below")].map((name) => ({
          mode: tryModeAt(s.dir.fd, name),
          link: tryReadlinkAt(s.dir.fd, name),
          opened: [O_PATH, O_PATH | O_NOFOLLOW, O_RDONLY | O_DIRECTORY].map((flags) => {
            const fd = tryOpenat(s.dir.fd, name, flags);
            if (fd < 0) return fd;
            const found = typeAndSize(fd);
            closeFd(fd);
            return found;
          }),
        })),
        whole: s.dir.readFile(b("file")).length,
        bytes: s.dir.readFile(b("a\u00ff\u00fe")).toString(),
        types: [...names, b("none"), b("none/below")].map((name) => s.dir.typeOptional(name)),
      }));
      expect(plain).toEqual(native);
    } finally {
      server.close();
    }
  });

  it("tells a descriptor that is none from a name that is not there", () => {
    using s = scratch();
    const fd = openSync(s.path, "r");
    closeSync(fd);
    const { native, plain } = bothWays(() => [
      tryOpenat(fd, "name", O_RDONLY),
      tryModeAt(fd, "name"),
      tryOpenat(s.dir.fd, "name", O_RDONLY),
    ]);
    expect(native).toEqual([-9, -9, -2]);
    expect(plain).toEqual(native);
  });

  it("finds nothing in a directory that has been removed", () => {
    using s = scratch();
    mkdirSync(`${s.path}/gone`);
    using gone = s.dir.openDir(b("gone"));
    rmdirSync(`${s.path}/gone`);
    const { native, plain } = bothWays(() => {
      const names: string[] = [];
      readEntries(gone.fd, "gone", (name) => names.push(name));
      return names;
    });
    expect(native).toEqual([]);
    expect(plain).toEqual([]);
  });

  it("leaves no descriptor open, and goes over to native calls after its share", () => {
    using s = scratch();
    for (const name of ["a", "b", "c"]) writeFileSync(`${s.path}/${name}`, name);
    const before = openDescriptors();
    for (let calls = 0; calls < 40; calls++) {
      using _plain = pretendPlain(calls);
      expect(s.dir.list().map((entry) => s.dir.readFile(entry.name).toString())).toEqual(["a", "b", "c"]);
    }
    expect(openDescriptors()).toBe(before);
  });

  it("loads the library only for what needs it", () => {
    using s = scratch();
    mkdirSync(`${s.path}/sub`);
    writeFileSync(`${s.path}/sub/file`, "content");
    const script = `
      import { readFileSync } from "node:fs";
      import { Dir } from ${JSON.stringify(new URL("index.ts", import.meta.url).href)};
      const loaded = () => readFileSync("/proc/self/maps", "latin1").includes("koffi");
      using dir = Dir.openHost(process.argv[1]);
      using sub = dir.openDir("sub");
      const seen = [sub.readFile("file").toString(), dir.readFile("sub/file").toString(), dir.list()[0].name, loaded()];
      dir.stat("sub");
      console.log(JSON.stringify([...seen, loaded()]));`;
    const out = execFileSync(
      process.execPath,
      ["--conditions=@bootc-store/source", "--input-type=module", "-e", script, s.path],
      { encoding: "utf8", cwd: new URL("..", import.meta.url).pathname },
    );
    expect(JSON.parse(out)).toEqual(["content", "content", "sub", false, true]);
  });
});
