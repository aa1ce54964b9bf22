import * as fs from "node:fs";
import { describe, expect, it } from "vitest";
import { b, codeOf, isRoot, onLinux, scratch } from "../tests/helpers.ts";
import { isTempName } from "./index.ts";

describe.skipIf(!onLinux)("temporary files", () => {
  it.each([{ named: false }, { named: true }])("get their name in one step (%j)", ({ named }) => {
    using s = scratch();
    {
      using temp = s.dir.tempFile({ named, mode: 0o644 });
      temp.file.write(Buffer.from("one"));
      expect(s.dir.list().length).toBe(named ? 1 : 0);
      expect(temp.temporaryName !== undefined && isTempName(temp.temporaryName)).toBe(named);
      temp.publish(b("f"));
    }
    expect(s.dir.readFile(b("f")).toString()).toBe("one");
    {
      using temp = s.dir.tempFile({ named });
      temp.file.write(Buffer.from("two"));
      expect(codeOf(() => temp.publish(b("f")))).toBe("linux/exists");
      expect(s.dir.readFile(b("f")).toString()).toBe("one");
      const readable = temp.closeForWriting();
      expect(codeOf(() => readable.write(Buffer.from("x")))).toBe("linux/call-failed");
      temp.publish(b("f"), { existing: "replace", sync: "none" });
    }
    expect(s.dir.readFile(b("f")).toString()).toBe("two");
    expect(s.dir.list().map((entry) => entry.name)).toEqual(["f"]);
  });

  it.each([{ named: false }, { named: true }])(
    "leave nothing if they are not published (%j)",
    ({ named }) => {
      using s = scratch();
      {
        using temp = s.dir.tempFile({ named });
        temp.file.write(Buffer.from("x"));
      }
      expect(s.dir.list()).toEqual([]);
    },
  );

  it("can be published in another directory", () => {
    using s = scratch();
    s.dir.makeDir(b("d"));
    using d = s.dir.openDir(b("d"));
    for (const named of [false, true]) {
      using temp = s.dir.tempFile({ named });
      temp.publish(b(`f-${named}`), {}, d.fd, d.label);
    }
    expect([...s.dir.walk()].map((entry) => entry.path)).toEqual(["d", "d/f-false", "d/f-true"]);
  });
});

describe.skipIf(!onLinux)("atomicWrite", () => {
  it("replaces the whole file, and keeps nothing of the old one", () => {
    using s = scratch();
    fs.writeFileSync(`${s.path}/f`, "old", { mode: 0o600 });
    fs.linkSync(`${s.path}/f`, `${s.path}/other`);
    s.dir.setXattr(b("f"), b("user.x"), Buffer.from("x"));
    s.dir.atomicWrite(b("f"), Buffer.from("new"), {
      mode: 0o4755,
      xattrs: [[b("user.y"), Buffer.from("y")]],
    });
    expect(s.dir.readFile(b("f")).toString()).toBe("new");
    expect(s.dir.stat(b("f")).mode & 0o7777).toBe(0o4755);
    expect(s.dir.listXattrs(b("f")).filter((name) => name.startsWith("user."))).toEqual(["user.y"]);
    expect(s.dir.readFile(b("other")).toString()).toBe("old");
    expect(s.dir.list().map((entry) => entry.name)).toEqual(["f", "other"]);
  });

  it("keeps the old file where the writer fails, and leaves nothing", () => {
    using s = scratch();
    s.dir.atomicWrite(b("f"), Buffer.from("old"));
    expect(() =>
      s.dir.atomicWrite(b("f"), (file) => {
        file.write(Buffer.from("half"));
        throw new Error("writer");
      }),
    ).toThrow("writer");
    expect(s.dir.readFile(b("f")).toString()).toBe("old");
    expect(s.dir.list().length).toBe(1);
    s.dir.makeDir(b("d"));
    expect(codeOf(() => s.dir.atomicWrite(b("d"), Buffer.from("x")))).toBe("linux/is-a-directory");
    expect(codeOf(() => s.dir.atomicWrite(b("f"), Buffer.from("x"), { existing: "fail" }))).toBe(
      "linux/exists",
    );
    expect(codeOf(() => s.dir.atomicWrite(b("d/f"), Buffer.from("x")))).toBe("linux/name-slash");
    expect(s.dir.list().map((entry) => entry.name)).toEqual(["d", "f"]);
  });

  it("sets owner before mode, so that set-id bits stay", (context) => {
    if (!isRoot) context.skip("needs root, to give a file away");
    using s = scratch();
    s.dir.atomicWrite(b("f"), Buffer.from("x"), { owner: { uid: 5, gid: 6 }, mode: 0o6755 });
    expect(s.dir.stat(b("f"))).toMatchObject({ uid: 5, gid: 6, mode: 0o106755 });
  });
});
