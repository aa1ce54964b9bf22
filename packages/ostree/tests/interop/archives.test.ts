// Archives beside ostree itself, which reads them with libarchive: the same commit comes out of the same bytes.
import { writeFileSync } from "node:fs";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { openLab } from "@bootc-store/lab";
import { afterAll, describe, expect, it } from "vitest";

import { inside } from "./helpers.ts";
import { runOurs } from "./stand-in.ts";

const lab = openLab();
afterAll(() => lab.close());
const why = lab.missing({ root: true, peers: ["ostree"] });

interface Member {
  readonly name: string;
  readonly mode: number;
  readonly uid?: number;
  readonly data?: string;
  readonly inode?: number;
  readonly links?: number;
}

const FORMS = ["newc", "crc", "odc", "little", "big"] as const;
type Form = (typeof FORMS)[number];

function pad(data: Buffer, to: number): Buffer {
  return Buffer.concat([data, Buffer.alloc((to - (data.length % to)) % to)]);
}

function member(form: Form, { name, mode, uid = 0, data = "", inode = 1, links = 1 }: Member): Buffer {
  const bytes = Buffer.from(data);
  const text = Buffer.from(`${name}\0`);
  if (form === "newc" || form === "crc") {
    const sum = form === "crc" ? bytes.reduce((all, byte) => all + byte, 0) : 0;
    const fields = [inode, mode, uid, 0, links, 1e9, bytes.length, 8, 1, 0, 0, text.length, sum];
    const header =
      (form === "crc" ? "070702" : "070701") +
      fields.map((each) => each.toString(16).padStart(8, "0")).join("");
    return Buffer.concat([pad(Buffer.concat([Buffer.from(header), text]), 4), pad(bytes, 4)]);
  }
  if (form === "odc") {
    const octal = (value: number, width = 6): string => value.toString(8).padStart(width, "0");
    const short = [8, inode, mode, uid, 0, links, 0].map((each) => octal(each)).join("");
    const header = `070707${short}${octal(1e9, 11)}${octal(text.length)}${octal(bytes.length, 11)}`;
    return Buffer.concat([Buffer.from(header), text, bytes]);
  }
  const header = Buffer.alloc(26);
  const halves = (value: number): number[] => [Math.floor(value / 0x1_0000), value & 0xffff];
  const words = [
    0o70707,
    8,
    inode,
    mode,
    uid,
    0,
    links,
    0,
    ...halves(1e9),
    text.length,
    ...halves(bytes.length),
  ];
  for (const [at, word] of words.entries()) {
    if (form === "little") header.writeUInt16LE(word, at * 2);
    else header.writeUInt16BE(word, at * 2);
  }
  return Buffer.concat([pad(Buffer.concat([header, text]), 2), pad(bytes, 2)]);
}

function cpio(form: Form, members: readonly Member[]): Buffer {
  return Buffer.concat([...members, { name: "TRAILER!!!", mode: 0 }].map((each) => member(form, each)));
}

const TREE: readonly Member[] = [
  { name: ".", mode: 0o40755, inode: 1, links: 3 },
  { name: "./dir", mode: 0o41750, inode: 2, links: 2, uid: 5 },
  { name: "./dir/file", mode: 0o100640, inode: 3, data: "some\n" },
  { name: "dir/setuid", mode: 0o104755, inode: 4, data: "x" },
  { name: "/absolute", mode: 0o100644, inode: 5, data: "y".repeat(5001) },
  { name: "empty", mode: 0o100600, inode: 6 },
  { name: "link", mode: 0o120777, inode: 7, data: "dir/../file" },
];

/** Names of one file: whether the content comes with the last, with every one, or never. */
const FAMILIES: { readonly [what: string]: readonly Member[] } = {
  "content with the last": [
    { name: "a", mode: 0o100644, inode: 9, links: 3 },
    { name: "dir/b", mode: 0o100644, inode: 9, links: 3 },
    { name: "c", mode: 0o100644, inode: 9, links: 3, data: "shared" },
  ],
  "content with every one": [
    { name: "a", mode: 0o100644, inode: 9, links: 2, data: "shared" },
    { name: "dir/b", mode: 0o100644, inode: 9, links: 2, data: "shared" },
  ],
  "an empty file": [
    { name: "a", mode: 0o100644, inode: 9, links: 2 },
    { name: "dir/b", mode: 0o100644, inode: 9, links: 2 },
  ],
};

describe.skipIf(why !== undefined)(`archives ${why === undefined ? "" : `(skipped: ${why})`}`, () => {
  async function both(cwd: string, archive: Buffer, stdin: boolean): Promise<void> {
    writeFileSync(inside(cwd, "archive"), archive);
    for (const repo of ["a", "b"]) await runOurs(cwd, ["init", `--repo=${repo}`, "--mode=archive"]);
    const args = [
      "commit",
      "-b",
      "m",
      "--timestamp=@1",
      "--tar-autocreate-parents",
      `--tree=tar=${stdin ? "-" : "archive"}`,
    ];
    const ours = await runOurs(cwd, ["--repo=a", ...args], stdin ? { stdin: archive } : {});
    const theirs = await lab.peers.ostree.run(["--repo=b", ...args.slice(0, -1), "--tree=tar=archive"], {
      cwd,
    });
    expect(ours).toEqual({ code: 0, out: Buffer.from(theirs.stdout).toString(), err: "" });
    expect(theirs.code).toBe(0);
    await lab.peers.ostree.succeed(["--repo=a", "fsck", "-q"], { cwd });
  }

  it.each(FORMS)("cpio %s", async (form) => {
    await using scratch = lab.scratch();
    await both(scratch.path, cpio(form, TREE), form === "odc");
  });

  it.each(Object.keys(FAMILIES))("links of a cpio: %s", async (what) => {
    for (const form of ["newc", "odc"] as const) {
      await using scratch = lab.scratch();
      await both(
        scratch.path,
        cpio(form, [...TREE.slice(0, 2), ...(FAMILIES[what] as readonly Member[])]),
        false,
      );
    }
  });

  it.each([
    ["gzip", gzipSync],
    ["zstd", zstdCompressSync],
  ] as const)("a cpio in %s", async (_name, compress) => {
    await using scratch = lab.scratch();
    await both(scratch.path, compress(cpio("newc", TREE)), true);
  });

  const whole = cpio("newc", TREE);
  it.each<[string, Buffer]>([
    ["cut in a header", whole.subarray(0, 100)],
    ["cut in a name", whole.subarray(0, 111)],
    ["cut in a content", cpio("newc", TREE.slice(2, 3)).subarray(0, 126)],
    ["without an end", whole.subarray(0, whole.length - 124)],
    ["a name of 4 GiB", Buffer.from(`070701${"0".repeat(88)}ffffffff00000000`)],
    [
      "a link of 4 GiB",
      Buffer.concat([Buffer.from(`070701000000010000a1ff${"0".repeat(32)}ffffffff`), Buffer.alloc(64, "0")]),
    ],
    ["a number that is none", Buffer.from(`070701${"z".repeat(104)}`)],
    ["a socket", cpio("newc", [{ name: "s", mode: 0o140755 }])],
    ["a way out", cpio("newc", [{ name: "../x", mode: 0o100644 }])],
    ["a way out in the middle", cpio("odc", [{ name: "a/../../x", mode: 0o100644 }])],
  ])("refuses %s and keeps nothing", async (_what, archive) => {
    await using scratch = lab.scratch();
    const cwd = scratch.path;
    await runOurs(cwd, ["init", "--repo=a", "--mode=bare"]);
    const ended = await runOurs(
      cwd,
      ["--repo=a", "commit", "-b", "m", "--tar-autocreate-parents", "--tree=tar=-"],
      { stdin: archive },
    );
    expect(ended).toMatchObject({ code: 1, out: "" });
    expect(ended.err).toMatch(/^error: /);
    expect(await lab.peers.ostree.succeed(["--repo=a", "refs"], { cwd })).toMatchObject({ code: 0 });
    await lab.peers.ostree.succeed(["--repo=a", "fsck", "-q"], { cwd });
    const { stdout } = await lab.peers.find.succeed(["a/objects", "a/tmp", "-type", "f"], { cwd });
    expect(Buffer.from(stdout).toString()).toBe("");
  });
});
