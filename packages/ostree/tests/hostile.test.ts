/* oxlint-disable typescript/await-thenable -- the linter does not know of async disposal in test files */
// Objects from strangers: every mutation is a value in normal form or a refusal, and a repository whose objects have the
// right checksums and evil content leads nowhere. `BOOTC_STORE_LONG=1`: 200,000 mutations.

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { deflateRawSync } from "node:zlib";

import { type ByteString, isStoreError, utf8 } from "@bootc-store/core";
import { openLab } from "@bootc-store/lab";
import { Xattrs } from "@bootc-store/tree";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";

import { COMMIT_TYPE, decodeCommit, encodeCommit } from "../src/format/commit.ts";
import { decodeDirtree, encodeDirtree } from "../src/format/dirtree.ts";
import {
  contentPrefix,
  decodeDirmeta,
  decodeZlibHeader,
  encodeDirmeta,
  encodeZlibHeader,
  type FileInfo,
} from "../src/format/file-info.ts";
import { gvariant, variant } from "../src/gvariant/index.ts";
import { random } from "./interop/random-source.ts";
import { runOurs } from "./interop/stand-in.ts";

const LONG = process.env["BOOTC_STORE_LONG"] === "1";
const MUTATIONS = LONG ? 200_000 : 20_000;

const lab = openLab();
afterAll(() => lab.close());

const sum = (seed: number): string => createHash("sha256").update(String(seed)).digest("hex");
const xattrs = Xattrs.from([
  [utf8("user.a"), utf8("value")],
  [utf8("security.selinux"), utf8("system_u:object_r:bin_t:s0\0")],
]);
const FILE: FileInfo = { uid: 1, gid: 2, mode: 0o100755, xattrs };
const LINK: FileInfo = { uid: 0, gid: 0, mode: 0o120777, xattrs: Xattrs.empty, target: utf8("../target") };
const DIR: FileInfo = { uid: 0, gid: 0, mode: 0o40755, xattrs };

/** Real objects, how they are decoded, and what a decoded value is written as. */
const SUBJECTS: readonly {
  readonly what: string;
  readonly bytes: Uint8Array;
  readonly decode: (bytes: Uint8Array) => Uint8Array;
}[] = [
  {
    what: "a dirtree",
    bytes: encodeDirtree({
      files: new Map(["a", "b", "é", "z".repeat(200)].map((name, at) => [utf8(name), sum(at)])),
      dirs: new Map(["dir", "other"].map((name, at) => [utf8(name), { tree: sum(at), meta: sum(at + 9) }])),
    }),
    decode: (bytes) => encodeDirtree(decodeDirtree(bytes, "x.dirtree")),
  },
  {
    what: "a commit",
    bytes: encodeCommit({
      metadata: [
        ["version", variant("s", "1")],
        ["ostree.ref-binding", variant("as", ["a", "b"])],
        ["n", variant("(ta{sv})", [7n, [["k", variant("b", true)]]])],
      ],
      parent: sum(3),
      subject: "subject",
      body: "body\nof two lines",
      timestamp: 1_700_000_000n,
      tree: sum(1),
      meta: sum(2),
    }),
    decode: (bytes) => {
      decodeCommit(bytes, "x.commit");
      const type = gvariant(COMMIT_TYPE);
      return type.encode(type.decode(bytes));
    },
  },
  {
    what: "a dirmeta",
    bytes: encodeDirmeta(DIR),
    decode: (bytes) => encodeDirmeta(decodeDirmeta(bytes, "x.dirmeta")),
  },
  {
    what: "a header of a compressed file",
    bytes: encodeZlibHeader(FILE, 12_345).subarray(8),
    decode: (bytes) => {
      const { info, size } = decodeZlibHeader(bytes, "x.filez");
      const again = encodeZlibHeader(info, size).subarray(8);
      // Attributes may come in any order here, since what is hashed is always the sorted list.
      return again.length === bytes.length && unsorted(bytes) ? bytes : again;
    },
  },
  {
    what: "a header of a compressed link",
    bytes: encodeZlibHeader(LINK, 0).subarray(8),
    decode: (bytes) => {
      const { info, size } = decodeZlibHeader(bytes, "x.filez");
      return encodeZlibHeader(info, size).subarray(8);
    },
  },
];

/** Whether the attributes of a compressed file's header are in another order than that of their names. */
function unsorted(bytes: Uint8Array): boolean {
  const [, , , , , , xattrs] = gvariant("(tuuuusa(ayay))").decode(bytes, { byteOrder: "big" });
  return xattrs.some(([name], at) => at > 0 && Buffer.compare(xattrs[at - 1]?.[0] as Uint8Array, name) > 0);
}

function mutate(bytes: Uint8Array, next: (below: number) => number): Uint8Array {
  let changed = Buffer.from(bytes);
  for (let count = 1 + next(3); count > 0; count--) {
    const at = next(Math.max(1, changed.length));
    switch (next(6)) {
      case 0:
        if (changed.length > 0) changed[at] = (changed[at] as number) ^ (1 << next(8));
        break;
      case 1:
        if (changed.length > 0) changed[at] = [0, 1, 0x7f, 0x80, 0xfe, 0xff][next(6)] as number;
        break;
      case 2:
        changed = changed.subarray(0, at);
        break;
      case 3:
        changed = Buffer.concat([
          changed.subarray(0, at),
          Buffer.alloc(1 + next(9), next(256)),
          changed.subarray(at),
        ]);
        break;
      case 4:
        changed = Buffer.concat([changed.subarray(0, at), changed.subarray(at + 1 + next(8))]);
        break;
      default:
        // The ends, where the offsets are.
        if (changed.length > 0) changed[changed.length - 1 - next(Math.min(9, changed.length))] = next(256);
    }
  }
  return changed;
}

describe("mutations", () => {
  test.each(SUBJECTS)(
    "$what",
    ({ bytes, decode }) => {
      expect(Buffer.from(decode(bytes))).toEqual(Buffer.from(bytes));
      const next = random(bytes.length);
      const counts = { refused: 0, read: 0 };
      let longest = 0;
      const before = process.memoryUsage();
      let most = 0;
      for (let count = 0; count < MUTATIONS / SUBJECTS.length; count++) {
        const changed = mutate(bytes, next);
        const start = performance.now();
        let again: Uint8Array | undefined;
        try {
          again = decode(changed);
          counts.read++;
        } catch (error) {
          if (!isStoreError(error) || (error.kind !== "corrupt" && error.kind !== "unsupported"))
            throw new Error(`${Buffer.from(changed).toString("hex")}: ${String(error)}`, { cause: error });
          counts.refused++;
        }
        longest = Math.max(longest, performance.now() - start);
        // Whatever is taken has one spelling, or checksums would not hold.
        if (again !== undefined && !Buffer.from(again).equals(changed))
          throw new Error(`two spellings: ${Buffer.from(changed).toString("hex")}`);
        if (count % 512 === 0) {
          const { heapUsed, arrayBuffers } = process.memoryUsage();
          most = Math.max(most, heapUsed + arrayBuffers - before.heapUsed - before.arrayBuffers);
        }
      }
      expect(counts.refused).toBeGreaterThan(100);
      expect(longest).toBeLessThan(2000);
      expect(most).toBeLessThan(64 << 20);
    },
    600_000,
  );
});

const DIRTREE = gvariant("(a(say)a(sayay))");
const raw = (hex: string): Uint8Array => Buffer.from(hex, "hex");
const sha256 = (...parts: readonly Uint8Array[]): string => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
};

/** An archive whose objects are written as they are given. */
class EvilRepo {
  readonly at: string;
  readonly meta: string;
  readonly file: string;

  constructor(at: string) {
    this.at = at;
    mkdirSync(join(at, "objects"), { recursive: true });
    for (const dir of ["refs/heads", "refs/remotes", "refs/mirrors", "tmp/cache", "state", "extensions"])
      mkdirSync(join(at, dir), { recursive: true });
    writeFileSync(join(at, "config"), "[core]\nrepo_version=1\nmode=archive-z2\n");
    this.meta = this.put("dirmeta", encodeDirmeta({ ...DIR, xattrs: Xattrs.empty }));
    this.file = this.putFile({ ...FILE, xattrs: Xattrs.empty }, Buffer.from("content"));
  }

  put(type: string, bytes: Uint8Array, name = sha256(bytes)): string {
    const path = join(this.at, "objects", name.slice(0, 2), `${name.slice(2)}.${type}`);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, bytes);
    return name;
  }

  putFile(info: FileInfo, content: Uint8Array, said = content.length): string {
    const name = sha256(contentPrefix(info), content);
    return this.put("filez", Buffer.concat([encodeZlibHeader(info, said), deflateRawSync(content)]), name);
  }

  /** A dirtree with these names, which nobody checks here. */
  tree(
    files: readonly (readonly [string, string])[],
    dirs: readonly (readonly [string, string])[] = [],
  ): string {
    const bytes = DIRTREE.encode([
      files.map(([name, file]) => [name, raw(file)]),
      dirs.map(([name, tree]) => [name, raw(tree), raw(this.meta)]),
    ]);
    return this.put("dirtree", bytes);
  }

  commit(tree: string, meta = this.meta): string {
    const bytes = encodeCommit({ metadata: [], subject: "", body: "", timestamp: 1n, tree, meta });
    const name = this.put("commit", bytes);
    writeFileSync(join(this.at, "refs/heads/evil"), `${name}\n`);
    return name;
  }
}

const EVIL: { readonly [what: string]: (repo: EvilRepo) => void } = {
  "a file that leads out": (repo) => repo.commit(repo.tree([["../escaped", repo.file]])),
  "a file in the parent": (repo) => repo.commit(repo.tree([["..", repo.file]])),
  "a directory that leads out": (repo) => repo.commit(repo.tree([], [["../escaped", repo.tree([])]])),
  "a directory in the parent": (repo) =>
    repo.commit(repo.tree([], [["..", repo.tree([["escaped", repo.file]])]])),
  "an absolute name": (repo) => repo.commit(repo.tree([["/escaped", repo.file]])),
  "a name for itself": (repo) => repo.commit(repo.tree([], [[".", repo.tree([["x", repo.file]])]])),
  "an empty name": (repo) => repo.commit(repo.tree([["", repo.file]])),
  "a name with a slash": (repo) => repo.commit(repo.tree([["a/b", repo.file]])),
  "a name twice": (repo) =>
    repo.commit(
      repo.tree([
        ["a", repo.file],
        ["a", repo.file],
      ]),
    ),
  "a file that is a directory too": (repo) =>
    repo.commit(repo.tree([["a", repo.file]], [["a", repo.tree([])]])),
  "names out of order": (repo) =>
    repo.commit(
      repo.tree([
        ["b", repo.file],
        ["a", repo.file],
      ]),
    ),
  "a checksum of 31 bytes": (repo) => repo.commit(repo.tree([["a", repo.file.slice(2)]])),
  "a tree that is not there": (repo) => repo.commit(sum(1)),
  "a tree with another's checksum": (repo) => {
    const bytes = DIRTREE.encode([[["x", raw(repo.file)]], []]);
    repo.commit(repo.put("dirtree", bytes, sum(2)));
  },
  "a dirmeta that is a file's": (repo) =>
    repo.commit(repo.tree([]), repo.put("dirmeta", encodeDirmeta(FILE))),
  "a tree that is no variant": (repo) => repo.commit(repo.put("dirtree", Buffer.alloc(4097, 0xff))),
  "a tree with padding that is not zero": (repo) =>
    repo.commit(repo.put("dirtree", Buffer.concat([DIRTREE.encode([[], []]), Buffer.from([0, 0])]))),
  "a content that is longer than it says": (repo) =>
    repo.commit(
      repo.tree([["a", repo.putFile({ ...FILE, xattrs: Xattrs.empty }, Buffer.alloc(100_000), 10)]]),
    ),
  "a content that is shorter than it says": (repo) =>
    repo.commit(
      repo.tree([["a", repo.putFile({ ...FILE, xattrs: Xattrs.empty }, Buffer.alloc(10), 2 ** 40)]]),
    ),
  "a content with a header of 4 GiB": (repo) =>
    repo.commit(repo.tree([["a", repo.put("filez", raw("ffffffff00000000"), sum(5))]])),
  "a content that is a device": (repo) =>
    repo.commit(
      repo.tree([["a", repo.put("filez", encodeZlibHeader({ ...FILE, mode: 0o20644 }, 0), sum(6))]]),
    ),
  "a content that is not compressed": (repo) =>
    repo.commit(
      repo.tree([
        ["a", repo.put("filez", Buffer.concat([encodeZlibHeader(FILE, 7), Buffer.from("content")]), sum(7))],
      ]),
    ),
  "a ref that leads out": (repo) => {
    repo.commit(repo.tree([]));
    writeFileSync(join(repo.at, "refs/heads/evil"), "../../../../etc/passwd\n");
  },
  "a link where a link goes through": (repo) => {
    // Sound for ostree: a link out, and beside it a directory of the same name with a file in it cannot both be.
    const link = repo.putFile({ ...LINK, target: utf8("..") as ByteString }, new Uint8Array(0));
    repo.commit(repo.tree([["a", link]], [["a", repo.tree([["escaped", repo.file]])]]));
  },
};

describe("repositories from strangers", () => {
  let top: string;
  beforeEach(() => {
    top = mkdtempSync(join(tmpdir(), "bootc-store-ostree-"));
  });
  afterEach(() => rmSync(top, { recursive: true, force: true }));

  test.each(Object.keys(EVIL))("%s", async (what) => {
    const cwd = join(top, "inside");
    const repo = new EvilRepo(join(cwd, "r"));
    (EVIL[what] as (typeof EVIL)[string])(repo);
    await runOurs(cwd, ["--repo=into", "init", "--mode=bare-user"]);
    const commands = [
      ["--repo=r", "fsck"],
      ["--repo=r", "checkout", "-U", "evil", "out"],
      ["--repo=into", "pull-local", "r", "evil"],
      ["--repo=into", "pull-local", "--untrusted", "r", "evil"],
    ];
    for (const argv of commands) {
      const { code, err } = await runOurs(cwd, argv);
      // What is believed unseen is found later: a pull of trusted objects takes contents for what their names say.
      const believes = argv[1] === "checkout" && /checksum|header|ref that/.test(what);
      if (!believes)
        expect([argv, code, err]).toEqual([argv, 1, expect.stringMatching(/^error: |\nerror: /)]);
      expect(err).not.toMatch(/TypeError|RangeError|at .*\.ts:/);
    }
    expect(readdirSync(top)).toEqual(["inside"]);
    expect(existsSync("/escaped")).toBe(false);
    expect(readdirSync(cwd).filter((name) => !["r", "into", "out"].includes(name))).toEqual([]);
    // What was refused has no name in the repository it was to come into.
    expect(readdirSync(join(cwd, "into/refs/heads"))).toEqual([]);
    expect(readdirSync(join(cwd, "into/tmp")).filter((name) => name !== "cache")).toEqual([]);
  });

  test("directories 5,000 deep", async () => {
    const cwd = join(top, "inside");
    const repo = new EvilRepo(join(cwd, "r"));
    let tree = repo.tree([]);
    for (let depth = 0; depth < 5000; depth++) tree = repo.tree([], [["d", tree]]);
    repo.commit(tree);
    await runOurs(cwd, ["--repo=into", "init", "--mode=bare-user"]);
    for (const argv of [
      ["--repo=r", "checkout", "-U", "evil", "out"],
      ["--repo=r", "ls", "-R", "evil"],
      ["--repo=r", "prune", "--refs-only"],
    ]) {
      const { code, err } = await runOurs(cwd, argv);
      if (code !== 0) expect(err).toMatch(/^error: .*(too many|more than|too long|ENAMETOOLONG)/);
    }
  });
});
