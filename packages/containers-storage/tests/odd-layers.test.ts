/* oxlint-disable typescript/await-thenable -- the linter does not know of async disposal in test files */
// Layers that no good program writes: what skopeo makes of them, we make of them, and what it refuses, we refuse.

import { readdirSync } from "node:fs";
import { join } from "node:path";

import { isStoreError } from "@bootc-store/core";
import { openLab } from "@bootc-store/lab";
import { afterAll, describe, expect, test } from "vitest";

import { imageOfTars, writeLayout } from "./helpers/layout.ts";
import { describeTree, openStore, pathsIn, type StorePaths } from "./helpers/store.ts";
import { tar, type TarInit } from "./helpers/tar.ts";

const lab = openLab();
const missing = lab.missing({ root: true, peers: ["skopeo", "containers-storage"] });
const { skopeo, "containers-storage": cli } = lab.peers;
afterAll(() => lab.close());

const dir = (name: string, rest: Partial<TarInit> = {}): TarInit => ({
  name,
  type: "5",
  mode: 0o755,
  ...rest,
});
const file = (name: string, rest: Partial<TarInit> = {}): TarInit => ({ name, content: name, ...rest });
const whiteout = (name: string, rest: Partial<TarInit> = {}): TarInit => ({ name, content: "", ...rest });

const CASES: readonly (readonly [string, readonly TarInit[]])[] = [
  ["nothing", []],
  ["names that lead out", [file("../../../../out"), file("/absolute"), file("a/../../b")]],
  ["parents that are not there", [file("x/y/z/file", { uid: 5 }), dir("p/q/", { mode: 0o700 })]],
  ["a link as parent", [dir("real/"), { name: "link", type: "2", link: "real" }, file("link/below")]],
  [
    "a link that leads out as parent",
    [{ name: "link", type: "2", link: "../../../tmp" }, dir("tmp/"), file("link/below")],
  ],
  [
    "an absolute link as parent",
    [{ name: "link", type: "2", link: "/tmp" }, dir("tmp/"), file("link/below")],
  ],
  ["a dangling link as parent", [{ name: "link", type: "2", link: "none" }, file("link/below")]],
  ["a file as parent", [file("f"), file("f/below")]],
  ["two entries of one path", [file("a"), file("a", { content: "again" })]],
  ["two entries of one path, spelled otherwise", [file("a"), file("./a", { content: "again" })]],
  ["a hard link", [file("a", { mode: 0o600 }), { name: "b", type: "1", link: "a", mode: 0o640, uid: 7 }]],
  ["a hard link that leads out", [file("etc"), { name: "b", type: "1", link: "../../../etc" }]],
  ["a hard link to nothing", [{ name: "b", type: "1", link: "none" }]],
  ["a hard link to a directory", [dir("d/"), { name: "b", type: "1", link: "d" }]],
  [
    "a hard link to a link",
    [
      { name: "l", type: "2", link: "t" },
      { name: "b", type: "1", link: "l", mode: 0o600 },
    ],
  ],
  [
    "whiteouts in directories that are not there",
    [whiteout("n/.wh.x", { uid: 3, gid: 4 }), whiteout("m/.wh..wh..opq")],
  ],
  ["a whiteout in a whiteout", [whiteout(".wh.d"), whiteout("d/.wh.x")]],
  ["a whiteout of what the layer has", [file("a"), whiteout(".wh.a")]],
  ["what the layer has whited out", [whiteout(".wh.a"), file("a")]],
  ["an opaque root", [whiteout(".wh..wh..opq"), file("a")]],
  ["opaque, then the directory", [whiteout("d/.wh..wh..opq"), dir("d/", { mode: 0o711, uid: 9 })]],
  ["leftovers of AUFS", [whiteout(".wh..wh.plnk"), dir(".wh..wh.aufs/"), file("a")]],
  ["a whiteout of no name", [whiteout(".wh.")]],
  ["an entry for the root", [dir("./", { mode: 0o700, uid: 5 }), file("./a")]],
  [
    "devices and a fifo",
    [
      { name: "c", type: "3", device: [1, 3], mode: 0o666 },
      { name: "b", type: "4", device: [7, 1] },
      { name: "f", type: "6" },
    ],
  ],
  ["a contiguous file", [{ name: "c", type: "7", content: "x" }]],
  ["an entry of no known type", [{ name: "v", type: "V", content: "x" }]],
  [
    "set-id bits and capabilities",
    [
      file("s", {
        mode: 0o6755,
        uid: 3,
        pax: { "SCHILY.xattr.security.capability": "\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0" },
      }),
    ],
  ],
  [
    "attributes",
    [
      file("a", {
        pax: {
          "SCHILY.xattr.user.one": "1",
          "SCHILY.xattr.security.selinux": "x",
          "LIBARCHIVE.xattr.user.two": "Mg==",
        },
      }),
      dir("d/", { pax: { "SCHILY.xattr.user.d": "2" } }),
    ],
  ],
  [
    "times",
    [
      file("a", { pax: { mtime: "1000000000.123456789", atime: "2000000000.5" } }),
      file("b", { pax: { mtime: "-5.25" } }),
      dir("d/", { mtime: 5 }),
      file("d/x"),
    ],
  ],
  ["names that are no text", [file("caf\xe9"), file("a\x01b"), file("caf\xc3\xa9")]],
  [
    "a file that becomes a directory under a link",
    [dir("r/"), { name: "l", type: "2", link: "r" }, file("l/x"), dir("r/x/"), file("r/x/y")],
  ],
  [
    "a directory that becomes a file under a link",
    [
      dir("r/"),
      { name: "l", type: "2", link: "r" },
      dir("r/x/"),
      file("r/x/y"),
      file("l/x", { content: "now a file" }),
      file("r/z"),
    ],
  ],
  [
    "sizes around the batch",
    [1, 511, 512, 513, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20].map((size, at) =>
      file(`s${at}`, { content: Buffer.alloc(size, at) }),
    ),
  ],
  ["many files", Array.from({ length: 1500 }, (_, at) => file(`d${at % 7}/f${at}`, { mtime: at }))],
];

/** A later entry takes the place of a file, so that its content is not there any more. */
const LOSES_CONTENT = new Set([
  "a file that becomes a directory under a link",
  "a directory that becomes a file under a link",
]);

describe.skipIf(missing !== undefined)(`layers with${missing === undefined ? "" : ` (${missing})`}`, () => {
  test.each(CASES)("%s", async (title, entries) => {
    await using theirs = lab.scratch();
    await using ours = lab.scratch();
    const image = imageOfTars([tar(entries)]);
    const layout = join(theirs.path, "layout");
    await writeLayout(layout, image);
    const peer = pathsIn(theirs.path);
    const name = "localhost/odd:v1";
    const copied = await skopeo.run([
      "--insecure-policy",
      "copy",
      "-q",
      `oci:${layout}:v1`,
      peer.reference(name),
    ]);
    const own = pathsIn(ours.path);
    await using store = openStore(own);
    let failure: unknown;
    try {
      await store.writeImage(image, { names: [name] });
    } catch (error) {
      failure = error;
    }
    if (copied.code !== 0) {
      expect(isStoreError(failure)).toBe(true);
      // Nothing of it is left.
      expect(await store.layers()).toEqual([]);
      expect(await store.images()).toEqual([]);
      for (const place of ["overlay/tempdirs", "overlay-layers/tmp"])
        expect(readdirSync(join(own.root, place))).toEqual([]);
      return;
    }
    if (failure !== undefined) throw failure;
    const [layer] = await store.layers();
    const diff = `overlay/${layer?.id}/diff`;
    // Parents that the layer does not have get the time at which they are made.
    const stable = (line: string): string =>
      line.replace(/ 1[78]\d{8}\.\d+ /, (time) => (/ 1700000000\.0 /.test(time) ? time : " now "));
    expect(describeTree(join(own.root, diff)).map(stable)).toEqual(
      describeTree(join(peer.root, diff)).map(stable),
    );
    expect([...(await store.layers())].map(({ uidset, gidset }) => [uidset, gidset])).toEqual(
      [
        ...(await (async () => {
          await using peerStore = openStore(peer);
          return await peerStore.layers();
        })()),
      ].map(({ uidset, gidset }) => [uidset, gidset]),
    );
    // Where links are in the way the program does not find contents in its own store either.
    const check = async (paths: StorePaths): Promise<unknown[]> => {
      const { code, text, errorText } = await cli.run([...paths.cli, "check", "-q"]);
      return [code, [text, errorText].map((said) => said.replaceAll(paths.root.slice(0, -5), "$SCRATCH"))];
    };
    expect(await check(own)).toEqual(await check(peer));
    const findings = await Array.fromAsync(store.verify());
    const errors = findings.filter(({ severity }) => severity === "error");
    expect(errors.map(({ message }) => message)).toEqual(
      LOSES_CONTENT.has(title) ? [expect.any(String)] : [],
    );
  });
});
