/* oxlint-disable typescript/await-thenable -- the linter does not know of async disposal in test files */
// Each attribute that makes two composefs ids differ is named, and taken over it gives the other id.
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  cpSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { erofsIdsOf } from "@bootc-store/composefs";
import { utf8 } from "@bootc-store/core";
import { openLab } from "@bootc-store/lab";
import { createPool, Dir } from "@bootc-store/linux";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import {
  compareDigests,
  type DigestComparison,
  encodedTrees,
  ExistingStores,
  idOfTree,
  type PullResult,
  takeOver,
} from "../src/index.ts";
import { fillRoot, withRoot } from "./root.ts";

const lab = openLab();
const pool = createPool({ size: 2 });
let path = "";
const opened: Dir[] = [];
const openDir = (at: string): Dir => {
  const dir = Dir.openHost(utf8(at));
  opened.push(dir);
  return dir;
};
beforeAll(() => {
  path = mkdtempSync(join(tmpdir(), "bootc-store-digest-diff-"));
});
afterAll(async () => {
  lab.close();
  for (const dir of opened) dir[Symbol.dispose]();
  await pool[Symbol.asyncDispose]();
  rmSync(path, { recursive: true, force: true });
});

async function compare(
  stores: ExistingStores,
  before: string,
  after: string,
  bootable = false,
): Promise<DigestComparison> {
  const [old, now] = await encodedTrees(stores, before, after, { openDir, pool, bootable });
  const found = await compareDigests(old, now);
  // All of them give the other id, and none of them is one too many.
  expect(found.explained).toBe(true);
  expect(idOfTree(takeOver(old, now, found.differences), now.format)).toBe(now.id);
  for (const each of found.differences) {
    const others = found.differences.filter((other) => other !== each);
    // Without a directory there is nothing in it, and a format decides of each file: these stand for more than themselves.
    if (each.attribute === "entry" || each.attribute === "format") continue;
    const enough = idOfTree(takeOver(old, now, others), now.format) === now.id;
    expect(enough ? each : undefined).toBeUndefined();
  }
  return found;
}

const named = ({ differences }: DigestComparison): string[] =>
  differences.map(({ path: at, attribute, name }) => [at, attribute, name].filter(Boolean).join(" "));

describe("two directories", () => {
  const [a, b] = ["a", "b"].map((name) => () => join(path, name)) as [() => string, () => string];
  beforeAll(() => {
    mkdirSync(join(a(), "usr/lib"), { recursive: true });
    mkdirSync(join(a(), "etc"));
    for (const name of ["one", "two", "three"]) {
      writeFileSync(join(a(), "usr/lib", name), Buffer.alloc(3000, name));
    }
    writeFileSync(join(a(), "etc/small"), "small");
    symlinkSync("small", join(a(), "etc/link"));
    linkSync(join(a(), "usr/lib/one"), join(a(), "usr/lib/again"));
    execFileSync("mknod", [join(a(), "usr/lib/pipe"), "p"]);
    execFileSync("find", [a(), "-exec", "touch", "-h", "-d", "@1700000000", "{}", "+"]);
  });

  const at = (name: string): string => join(b(), name);
  const keepTimes = (name: string, work: () => void): void => {
    work();
    const parents = [name, join(name, ".."), "usr", "etc", "usr/lib", "."];
    for (const each of parents) execFileSync("touch", ["-h", "-c", "-d", "@1700000000", at(each)]);
  };
  const CASES: readonly [string, () => void, readonly string[]][] = [
    ["nothing", () => undefined, []],
    [
      "the time of a directory",
      () => utimesSync(at("usr/lib"), 1_700_000_001, 1_700_000_001),
      ["/usr/lib mtime"],
    ],
    ["a mode", () => chmodSync(at("usr/lib/two"), 0o4755), ["/usr/lib/two permissions"]],
    [
      "a content of the same size",
      () => keepTimes("usr/lib/two", () => writeFileSync(at("usr/lib/two"), Buffer.alloc(3000, "TWO"))),
      ["/usr/lib/two content"],
    ],
    [
      "a content in the image itself",
      () => keepTimes("etc/small", () => writeFileSync(at("etc/small"), "other")),
      ["/etc/small content"],
    ],
    [
      "where a link leads",
      () =>
        keepTimes("etc/link", () => {
          unlinkSync(at("etc/link"));
          symlinkSync("other", at("etc/link"));
        }),
      ["/etc/link target"],
    ],
    [
      "a name, and the same name in other letters",
      () => keepTimes("usr/lib/Two", () => renameSync(at("usr/lib/two"), at("usr/lib/Two"))),
      ["/usr/lib/Two entry", "/usr/lib/two entry"],
    ],
    [
      "a link that is no hard link any more",
      () =>
        keepTimes("usr/lib/again", () => {
          unlinkSync(at("usr/lib/again"));
          cpSync(at("usr/lib/one"), at("usr/lib/again"));
        }),
      ["/usr/lib/one links"],
    ],
    [
      "two files that have become one, and a third name",
      () =>
        keepTimes("usr/lib/two", () => {
          unlinkSync(at("usr/lib/two"));
          linkSync(at("usr/lib/one"), at("usr/lib/two"));
          linkSync(at("usr/lib/one"), at("usr/lib/zwei"));
        }),
      ["/usr/lib/two links", "/usr/lib/zwei entry"],
    ],
    [
      "a file instead of a pipe, a directory instead of a file",
      () =>
        keepTimes("usr/lib/pipe", () => {
          unlinkSync(at("usr/lib/pipe"));
          writeFileSync(at("usr/lib/pipe"), Buffer.alloc(100, "x"), { mode: 0o644 });
          chmodSync(at("usr/lib/pipe"), 0o644);
          unlinkSync(at("usr/lib/three"));
          mkdirSync(at("usr/lib/three"));
          writeFileSync(at("usr/lib/three/in"), "x");
          for (const each of ["usr/lib/three/in", "usr/lib/three"])
            execFileSync("touch", ["-d", "@1700000000", at(each)]);
        }),
      ["/usr/lib/pipe kind", "/usr/lib/three kind", "/usr/lib/three permissions", "/usr/lib/three/in entry"],
    ],
  ];
  test.each(CASES)("%s", async (_, change, expected) => {
    rmSync(b(), { recursive: true, force: true });
    execFileSync("cp", ["-a", a(), b()]);
    change();
    const found = await compare(ExistingStores.none(), a(), `dir:${b()}`);
    expect(named(found)).toEqual(expected);
    expect(found.before.id === found.after.id).toBe(expected.length === 0);
  });

  test.skipIf(process.getuid?.() !== 0)("an owner, attributes and a capability (needs root)", async () => {
    rmSync(b(), { recursive: true, force: true });
    execFileSync("cp", ["-a", a(), b()]);
    chownSync(at("etc/small"), 7, 8);
    using top = Dir.openHost(utf8(b()));
    top.setXattr(utf8("etc/small"), utf8("user.mark"), Buffer.from("x"));
    const capability = Buffer.from("0100000200040000000000000000000000000000", "hex");
    top.setXattr(utf8("usr/lib/two"), utf8("security.capability"), capability);
    // The root of a container has no attributes of users.
    const found = await compare(ExistingStores.none(), a(), b());
    expect(named(found)).toEqual(["/etc/small owner", "/usr/lib/two xattr security.capability"]);
    expect(found.differences[0]).toMatchObject({ before: "0:0", after: "7:8" });
    // What is no root is taken as it is.
    const below = await compare(ExistingStores.none(), join(a(), "etc"), at("etc"));
    expect(named(below)).toEqual(["/small owner", "/small xattr user.mark"]);
  });
});

describe.skipIf(lab.missing({ root: true }) !== undefined)("images in stores (needs root)", () => {
  let pulled: PullResult[] = [];
  const root = (): string => join(path, "stores");
  beforeAll(async () => {
    pulled = await fillRoot(root(), pool, [1, 2]);
  });

  test("an image has the same id wherever it is, and in a directory", async () => {
    await withRoot(root(), pool, async (stores) => {
      const found = await compare(stores, "composefs:localhost/os:1", "containers-storage:localhost/os:1");
      expect(found.before).toMatchObject({ stored: true, exact: true, id: pulled[0]?.composefs?.image });
      expect(found.after).toMatchObject({ stored: false, id: found.before.id });
    });
  });

  test.each([false, true])("two versions (for booting: %s)", async (bootable) => {
    await withRoot(root(), pool, async (stores) => {
      const found = await compare(stores, "localhost/os:1", "containers-storage:localhost/os:2", bootable);
      expect(named(found)).toContain("/etc/os.conf content");
      expect(named(found)).toContain("/usr/bin/tool-0 content");
      expect(named(found)).not.toContain("/usr/bin/tool-new content");
      const image = await stores.composefs?.openImage("localhost/os:2");
      const ids = await erofsIdsOf(stores.composefs!.repository, image!.config.digest);
      if (!bootable) expect([...ids.values()]).toContain(found.after.id);
    });
  });

  test("two commits are compared as ostree makes their images", async () => {
    await withRoot(root(), pool, async (stores) => {
      const refs = pulled.map(({ ostree }) => `ostree:${ostree?.ref}`);
      const found = await compare(stores, refs[0] ?? "", refs[1] ?? "");
      expect(found.before.format).toMatchObject({ writer: "c", algorithm: "sha256" });
      expect(named(found)).toContain("/usr/etc/os.conf content");
      expect(found.differences.some(({ attribute }) => attribute === "mtime")).toBe(false);
    });
  });

  test("a commit beside an image says what ostree does not keep", async () => {
    await withRoot(root(), pool, async (stores) => {
      const found = await compare(stores, `ostree:${pulled[0]?.ostree?.ref}`, "composefs:localhost/os:1");
      expect(named(found)).toContain("/usr/lib mtime");
      expect(named(found)).toContain("/etc/os.conf entry");
      expect(named(found)).not.toContain("/usr/bin/tool-0 content");
    });
  });

  test("images of two programs with other digests differ by that too", async () => {
    await withRoot(root(), pool, async (stores) => {
      const commit = `ostree:${pulled[0]?.ostree?.ref}`;
      const options = { openDir, pool };
      const [old] = await encodedTrees(stores, "composefs:localhost/os:1", "localhost/os:2", options);
      const [now] = await encodedTrees(stores, commit, commit, options);
      const found = await compareDigests(old, now);
      expect(found.explained).toBe(true);
      expect(found.differences[0]).toMatchObject({
        attribute: "format",
        before: "V1 of composefs-rs, sha512",
        after: "version 0 to 1 of mkcomposefs, sha256",
      });
      // The bytes were looked at, since the digests say nothing of one another.
      expect(found.differences.filter(({ attribute }) => attribute === "content")).toEqual([]);
    });
  });

  test("an image is compared with one of another name in the same repository", async () => {
    await withRoot(root(), pool, async (stores) => {
      const id = pulled[0]?.composefs?.image ?? "";
      const found = await compare(stores, id, `composefs:${pulled[1]?.composefs?.image}`);
      expect(found.before.stored && found.after.stored).toBe(true);
      expect(found.differences.length).toBeGreaterThan(30);
    });
  });
});
