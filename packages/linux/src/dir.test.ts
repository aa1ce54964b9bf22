import * as fs from "node:fs";
import { utf8 } from "@bootc-store/core";
import { describe, expect, it } from "vitest";
import { b, codeOf, expectNoLeak, isRoot, onLinux, scratch } from "../tests/helpers.ts";
import { withoutXattrAt } from "./calls/xattr.ts";
import { Dir, File, fileKey, linuxErrors } from "./index.ts";

/** Not UTF-8 in any way: a lone continuation byte, 0xff, a newline. */
const ODD = b("n\x80\xff\n\x01");

describe.skipIf(!onLinux)("Dir", () => {
  it("makes, reads, replaces and removes files under names that are not text", () => {
    using s = scratch();
    const { dir } = s;
    dir.makeDir(ODD);
    using inner = dir.openDir(ODD);
    using file = inner.createNew(ODD);
    file.write(Buffer.from("hello"));
    expect(inner.readFile(ODD).toString()).toBe("hello");
    expect(dir.readFile(b(`${ODD}/${ODD}`)).toString()).toBe("hello");
    expect(fs.readFileSync(Buffer.from(`${s.path}/${ODD}/${ODD}`, "latin1"), "utf8")).toBe("hello");
    expect(inner.list()).toEqual([{ name: ODD, type: "regular" }]);
    expect(codeOf(() => inner.createNew(ODD))).toBe("linux/exists");
    inner.rename(ODD, b("plain"));
    expect(inner.statOptional(ODD)).toBeUndefined();
    inner.remove(b("plain"));
    expect(codeOf(() => inner.remove(b("plain")))).toBe("linux/not-found");
    expect(inner.removeOptional(b("plain"))).toBe(false);
    dir.remove(ODD);
    expect(dir.list()).toEqual([]);
  });

  it("describes a failure by code, errno, call and path", () => {
    using s = scratch();
    s.dir.makeDir(b("a"));
    using inner = s.dir.openDir(b("a"));
    try {
      inner.openFile(b("missing\n"));
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({
        code: "linux/not-found",
        kind: "not-found",
        context: { path: "a/missing\\x0a", errno: 2, errnoName: "ENOENT", call: "openat" },
      });
    }
  });

  it("agrees with the system's own stat", () => {
    using s = scratch();
    fs.writeFileSync(`${s.path}/f`, "12345", { mode: 0o640 });
    s.dir.setTimes(b("f"), {
      atime: { seconds: 1, nanoseconds: 2 },
      mtime: { seconds: -5, nanoseconds: 999_999_999 },
    });
    const ours = s.dir.stat(b("f"));
    const theirs = fs.lstatSync(`${s.path}/f`, { bigint: true });
    expect(ours).toMatchObject({
      type: "regular",
      mode: Number(theirs.mode),
      nlink: 1,
      size: 5,
      blocks: Number(theirs.blocks),
      blockSize: Number(theirs.blksize),
      ino: theirs.ino,
      uid: Number(theirs.uid),
      gid: Number(theirs.gid),
      atime: { seconds: 1, nanoseconds: 2 },
      mtime: { seconds: -5, nanoseconds: 999_999_999 },
    });
    expect((BigInt(ours.dev.major) << 8n) | BigInt(ours.dev.minor)).toBe(theirs.dev);
    s.dir.setTimes(b("f"), { mtime: { seconds: 7, nanoseconds: 0 } });
    expect(s.dir.stat(b("f"))).toMatchObject({
      atime: { seconds: 1 },
      mtime: { seconds: 7, nanoseconds: 0 },
    });
    expect(fileKey(s.dir.stat(b("f")))).toBe(fileKey(ours));
    expect(s.dir.statSelf().ino).toBe(fs.statSync(s.path, { bigint: true }).ino);
  });

  it("lists in byte order, not in the order of characters", () => {
    using s = scratch();
    const names = ["a", "B", "é", "\u{10000}", "\uffff", "a\x01", "a b", "ab", "a.b", "Z", "~"].map(utf8);
    for (const name of names) s.dir.createNew(name)[Symbol.dispose]();
    const sorted = names.map((name) => Buffer.from(name, "latin1")).sort((a, c) => Buffer.compare(a, c));
    expect(s.dir.list().map((entry) => Buffer.from(entry.name, "latin1"))).toEqual(sorted);
  });

  it("renames with and without replacing, and exchanges", () => {
    using s = scratch();
    const { dir } = s;
    dir.atomicWrite(b("a"), Buffer.from("A"));
    dir.atomicWrite(b("b"), Buffer.from("B"));
    dir.makeDir(b("d"));
    expect(codeOf(() => dir.rename(b("a"), b("b"), { mode: "noreplace" }))).toBe("linux/exists");
    dir.rename(b("a"), b("b"), { mode: "exchange" });
    expect([dir.readFile(b("a")).toString(), dir.readFile(b("b")).toString()]).toEqual(["B", "A"]);
    using d = dir.openDir(b("d"));
    dir.rename(b("a"), b("x"), { to: d });
    dir.rename(b("d/x"), b("d/y"));
    expect(d.readFile(b("y")).toString()).toBe("B");
    expect(codeOf(() => dir.rename(b("none"), b("x")))).toBe("linux/not-found");
    expect(codeOf(() => dir.remove(b("d")))).toBe("linux/directory-not-empty");
  });

  it.skipIf(!isRoot)("makes nodes, and leaves a whiteout where asked", () => {
    using s = scratch();
    const { dir } = s;
    dir.mknod(b("white"), "character");
    expect(dir.stat(b("white"))).toMatchObject({ type: "character", rdev: { major: 0, minor: 0 } });
    dir.mknod(b("dev"), "block", { device: { major: 0xabc, minor: 0x12345 }, mode: 0o600 });
    expect(dir.stat(b("dev"))).toMatchObject({ type: "block", rdev: { major: 0xabc, minor: 0x12345 } });
    dir.mknod(b("pipe"), "fifo");
    dir.mknod(b("sock"), "socket");
    dir.atomicWrite(b("f"), Buffer.from("f"));
    dir.rename(b("f"), b("g"), { mode: "whiteout" });
    expect(dir.stat(b("f"))).toMatchObject({ type: "character", rdev: { major: 0, minor: 0 } });
    expect(dir.list().map(({ name, type }) => `${name}:${type}`)).toEqual([
      "dev:block",
      "f:character",
      "g:regular",
      "pipe:fifo",
      "sock:socket",
      "white:character",
    ]);
    // A fifo in a file's place must not make a reader wait.
    expect(codeOf(() => dir.openFile(b("pipe")))).toBe("linux/not-a-file");
  });

  it("links, and reads links of any text", () => {
    using s = scratch();
    const { dir } = s;
    dir.symlink(b("/no/where\xff"), b("l"));
    expect(dir.readLink(b("l"))).toBe("/no/where\xff");
    dir.link(b("l"), b("l2"));
    expect(dir.stat(b("l2"))).toMatchObject({ type: "symlink", nlink: 2 });
    dir.atomicWrite(b("f"), Buffer.from(""));
    expect(codeOf(() => dir.readLink(b("f")))).toBe("linux/not-a-symlink");
    expect(dir.readLinkOptional(b("none"))).toBeUndefined();
    expect(codeOf(() => dir.symlink(b(""), b("x")))).toBe("linux/name-empty");
  });

  it.each(["by directory", "by /proc"])(
    "keeps extended attributes as bytes, of files, directories and links, %s",
    (way) => {
      using _way = way === "by /proc" ? withoutXattrAt() : undefined;
      using s = scratch();
      expect(codeOf(() => s.dir.setXattr(b("none"), b("user.x"), Buffer.alloc(1)))).toBe("linux/not-found");
      s.dir.atomicWrite(b("big"), Buffer.from(""));
      expect(codeOf(() => s.dir.setXattr(b("big"), b("user.x"), Buffer.alloc(70_000)))).not.toBe("no error");
      expect(s.dir.getXattrOptional(b("big"), b("user.x"))).toBeUndefined();
      const { dir } = s;
      dir.atomicWrite(b("f"), Buffer.from("f"));
      const value = Buffer.from([0, 255, 10, 0, 128]);
      dir.setXattr(b("f"), b("user.b\xff"), value);
      dir.setXattr(b("f"), b("user.a"), Buffer.alloc(0));
      expect(dir.listXattrs(b("f")).filter((name) => name.startsWith("user."))).toEqual([
        "user.a",
        "user.b\xff",
      ]);
      expect(dir.getXattr(b("f"), b("user.b\xff"))).toEqual(value);
      expect(dir.getXattr(b("f"), b("user.a"))).toEqual(Buffer.alloc(0));
      expect(dir.getXattrOptional(b("f"), b("user.none"))).toBeUndefined();
      expect(codeOf(() => dir.getXattr(b("f"), b("user.none")))).toBe("linux/attribute-absent");
      expect(codeOf(() => dir.setXattr(b("f"), b("user.a"), value, { mode: "create" }))).toBe("linux/exists");
      expect(codeOf(() => dir.getXattrOptional(b("none"), b("user.a")))).toBe("linux/not-found");
      expect(codeOf(() => dir.setXattr(b("f"), b("user.\0"), value))).toBe("linux/argument-invalid");
      dir.removeXattr(b("f"), b("user.a"));
      using file = dir.openFile(b("f"), { access: "read-write" });
      expect(file.listXattrs().includes(b("user.a"))).toBe(false);
      file.setXattr(b("user.c"), value);
      expect(file.getXattr(b("user.c"))).toEqual(value);
      file.removeXattr(b("user.c"));
      expect(file.getXattrOptional(b("user.c"))).toBeUndefined();
      dir.self().setXattr(b("user.self"), value);
      expect(dir.self().getXattr(b("user.self"))).toEqual(value);
      if (isRoot) {
        dir.symlink(b("f"), b("l"));
        dir.setXattr(b("l"), b("trusted.x"), value);
        expect(dir.getXattr(b("l"), b("trusted.x"))).toEqual(value);
        expect(dir.getXattrOptional(b("f"), b("trusted.x"))).toBeUndefined();
      }
    },
  );

  it("sets mode and owner without following", () => {
    using s = scratch();
    const { dir } = s;
    dir.atomicWrite(b("f"), Buffer.from("f"));
    dir.symlink(b("f"), b("l"));
    dir.setMode(b("f"), 0o4751);
    expect(dir.stat(b("f")).mode & 0o7777).toBe(0o4751);
    expect(codeOf(() => dir.setMode(b("l"), 0o600))).toBe("linux/call-unsupported");
    expect(dir.stat(b("f")).mode & 0o7777).toBe(0o4751);
    if (isRoot) {
      dir.setOwner(b("l"), 12, undefined);
      expect(dir.stat(b("l"))).toMatchObject({ uid: 12, gid: 0 });
      expect(dir.stat(b("f"))).toMatchObject({ uid: 0 });
      dir.setOwner(b("f"), undefined, 34);
      expect(dir.stat(b("f"))).toMatchObject({ uid: 0, gid: 34 });
    }
  });

  it("ensures directories and says which it was", () => {
    using s = scratch();
    const { dir } = s;
    expect(codeOf(() => dir.ensureDir(b("a/b/c")))).toBe("linux/not-found");
    expect(dir.ensureDir(b("a/b/c"), { parents: true })).toBe("created");
    expect(dir.ensureDir(b("a/b/c"), { parents: true })).toBe("existed");
    dir.atomicWrite(b("f"), Buffer.from(""));
    dir.symlink(b("a"), b("l"));
    expect(codeOf(() => dir.ensureDir(b("f")))).toBe("linux/not-a-directory");
    expect(codeOf(() => dir.ensureDir(b("l")))).toBe("linux/path-symlink");
    expect(codeOf(() => dir.ensureDir(b("f/x"), { parents: true }))).toBe("linux/not-a-directory");
  });

  it("reads files of every size around its buffers, and those of /proc", () => {
    using s = scratch();
    for (const size of [0, 1, 65_535, 65_536, 65_537, 200_000]) {
      const content = Buffer.alloc(size, "abcdefg");
      s.dir.atomicWrite(b("f"), content, { sync: "none" });
      expect(s.dir.readFile(b("f")).equals(content)).toBe(true);
      expect(codeOf(() => s.dir.readFile(b("f"), { limit: size - 1 }))).toBe("linux/limit-exceeded");
      expect(s.dir.readFile(b("f"), { limit: size }).length).toBe(size);
    }
    using proc = Dir.openHost(b("/proc/self"));
    expect(proc.readFile(b("maps")).toString()).toContain("[stack]");
    expect(proc.readFile(b("mountinfo")).toString()).toBe(fs.readFileSync("/proc/self/mountinfo", "utf8"));
  });

  it("refuses to be used after it was disposed of, and disposes twice", () => {
    using s = scratch();
    const dir = s.dir.duplicate();
    dir[Symbol.dispose]();
    dir[Symbol.dispose]();
    expect(codeOf(() => dir.list())).toBe("core/use-after-dispose");
    const borrowed = Dir.borrow(s.dir.fd);
    borrowed[Symbol.dispose]();
    expect(s.dir.list()).toEqual([]);
  });

  it("leaves no descriptors behind, whatever fails", () => {
    using s = scratch();
    s.dir.ensureDir(b("a/b"), { parents: true });
    s.dir.symlink(b("b"), b("a/l"));
    expectNoLeak(() => {
      expect(s.dir.list().length).toBe(1);
      s.dir.stat(b("a/b"));
      codeOf(() => s.dir.openFile(b("a/l/x")));
      codeOf(() => s.dir.openFile(b("a/l")));
      codeOf(() => s.dir.openFile(b("a/b")));
      codeOf(() => s.dir.readFile(b("a/l/../../../x"), { resolution: "beneath" }));
      for (const _ of s.dir.walk()) break;
      using temp = s.dir.tempFile();
      codeOf(() => temp.publish(b("a")));
    });
  });

  it("tells the file system", () => {
    using s = scratch();
    const theirs = fs.statfsSync(s.path);
    expect(s.dir.info()).toMatchObject({ magic: theirs.type, blocks: theirs.blocks, files: theirs.files });
    using proc = Dir.openHost(b("/proc"));
    expect(proc.info().typeName).toBe("proc");
  });
});

describe.skipIf(!onLinux)("File", () => {
  it("writes and reads at positions, truncates, reopens", () => {
    using s = scratch();
    using file = s.dir.createNew(b("f"), { mode: 0o600 });
    file.write(Buffer.from("0123456789"));
    file.write(Buffer.from("ab"), 4);
    const out = Buffer.alloc(20);
    expect(file.readFull(out, 2)).toBe(8);
    expect(out.subarray(0, 8).toString()).toBe("23ab6789");
    file.truncate(3);
    file.sync();
    file.syncData();
    file.setTimes({ mtime: { seconds: 1, nanoseconds: 5 } });
    expect(file.stat().mtime).toEqual({ seconds: 1, nanoseconds: 5 });
    const { atime } = file.stat();
    file.setTimes({ mtime: "now" });
    expect(file.stat().mtime.seconds).toBeGreaterThan(1_700_000_000);
    expect(file.stat().atime).toEqual(atime);
    file.setMode(0o4711);
    expect(file.stat().mode).toBe(0o104711);
    file.setOwner(undefined, undefined);
    using again = file.reopen("read");
    expect(again.readAll().toString()).toBe("012");
    expect(codeOf(() => again.write(Buffer.from("x")))).toBe("linux/call-failed");
    using borrowed = File.borrow(file.fd, "f");
    expect(borrowed.stat().size).toBe(3);
  });
});

it("has a table of errors in which every code has a meaning", () => {
  for (const row of Object.values(linuxErrors.rows)) expect(row.meaning).toMatch(/\.$/);
});
