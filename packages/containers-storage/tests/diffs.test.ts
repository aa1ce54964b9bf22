/* oxlint-disable typescript/await-thenable -- the linter does not know of async disposal in test files */
// `changes`, `diffsize` and `diff` of any two layers, and of layers that were written to through a mount: as the program has it.

import {
  chmodSync,
  chownSync,
  linkSync,
  mkdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { utf8 } from "@bootc-store/core";
import { openLab } from "@bootc-store/lab";
import { Dir } from "@bootc-store/linux";
import { readTar } from "@bootc-store/oci";
import { afterAll, describe, expect, test } from "vitest";

import { layoutImage } from "./helpers/layout.ts";
import { ours } from "./helpers/stand-in.ts";
import { openStore, pathsIn, type StorePaths } from "./helpers/store.ts";
import { tar } from "./helpers/tar.ts";

const LAYOUT = fileURLToPath(new URL("fixtures/oci", import.meta.url));
const NAME = "localhost/fixture:v1";

const lab = openLab();
const missing = lab.missing({ root: true, peers: ["containers-storage"] });
const peer = lab.peers["containers-storage"];
afterAll(() => lab.close());

/** What a reader finds in a tar; whiteouts have the time at which they were written. */
async function read(bytes: Uint8Array): Promise<string[]> {
  const found: string[] = [];
  const chunks = (async function* () {
    yield bytes;
  })();
  for await (const item of readTar(chunks)) {
    if (item.kind !== "entry") continue;
    const { entry } = item;
    const content: Uint8Array[] = [];
    for await (const chunk of item.content?.read() ?? []) content.push(chunk);
    const whiteout = entry.name.includes(".wh.");
    found.push(
      JSON.stringify({
        type: entry.type,
        name: entry.name,
        // The kernel links its whiteouts to each other, and the program says so.
        ...(whiteout
          ? {}
          : {
              link: entry.linkName,
              mode: entry.mode,
              uid: entry.uid,
              gid: entry.gid,
              mtime: entry.mtime,
              device: [entry.devMajor, entry.devMinor],
              xattrs: [...entry.xattrs].sort(),
            }),
        content: Buffer.concat(content).toString("hex"),
      }),
    );
  }
  return found.sort();
}

async function compareAll(paths: StorePaths, layers: readonly string[]): Promise<number> {
  let compared = 0;
  for (const layer of layers) {
    for (const other of [undefined, ...layers]) {
      const pair = other === undefined ? [layer] : [layer, other];
      for (const args of [
        ["changes", ...pair],
        ["diffsize", ...pair],
      ]) {
        const [real, stand] = [await peer.run([...paths.cli, ...args]), await ours(paths, args)];
        // The program prints what it has in maps.
        const lines = (text: string): string[] => text.split("\n").sort();
        expect([args, stand.code, lines(stand.out)]).toEqual([args, real.code, lines(real.text)]);
        compared++;
      }
      const args = ["diff", "-u", ...pair];
      const [real, stand] = [await peer.run([...paths.cli, ...args]), await ours(paths, args)];
      expect([args, stand.code, stand.err]).toEqual([args, real.code, ""]);
      expect([args, await read(stand.bytes)]).toEqual([args, await read(real.stdout)]);
      compared++;
    }
  }
  return compared;
}

describe.skipIf(missing !== undefined)(`two layers${missing === undefined ? "" : ` (${missing})`}`, () => {
  test("of an image with whiteouts, links and devices, each with each", async () => {
    await using scratch = lab.scratch();
    const paths = pathsIn(scratch.path);
    await using store = openStore(paths);
    await store.writeImage(layoutImage(LAYOUT), { names: [NAME] });
    const layers = (await store.layers()).map(({ id }) => id);
    expect(await compareAll(paths, layers)).toBe(layers.length * (layers.length + 1) * 3);
  });

  test("of containers that were written to", async () => {
    await using scratch = lab.scratch();
    const paths = pathsIn(scratch.path);
    const base = [
      { name: "d/", type: "5" },
      { name: "d/kept", content: "kept" },
      { name: "d/changed", content: "before" },
      { name: "d/gone", content: "gone" },
      { name: "whole/", type: "5" },
      { name: "whole/a", content: "a" },
      { name: "emptied/", type: "5" },
      { name: "emptied/b", content: "b" },
      { name: "file-to-dir", content: "x" },
    ];
    const file = join(scratch.path, "base.tar");
    writeFileSync(file, tar(base));
    await peer.succeed([...paths.cli, "import-layer", "-n", "base", "-f", file]);
    const created = await peer.succeed([...paths.cli, "create-layer", "-n", "written", "base"]);
    const [id = ""] = created.text.split("\n");
    await peer.succeed([...paths.cli, "create-layer", "-n", "other", "base"]);
    const mounted = (await ours(paths, ["mount", id])).out.trim();
    const time = new Date(1_600_000_000_000);
    writeFileSync(join(mounted, "d/changed"), "after that");
    rmSync(join(mounted, "d/gone"));
    rmSync(join(mounted, "whole"), { recursive: true });
    rmSync(join(mounted, "emptied"), { recursive: true });
    mkdirSync(join(mounted, "emptied"));
    rmSync(join(mounted, "file-to-dir"));
    mkdirSync(join(mounted, "file-to-dir/new"), { recursive: true });
    writeFileSync(join(mounted, "file-to-dir/new/file"), "new");
    linkSync(join(mounted, "file-to-dir/new/file"), join(mounted, "a-link"));
    symlinkSync("d/kept", join(mounted, "symlink"));
    const top = Dir.openHost(utf8(mounted));
    top.mknod(utf8("fifo"), "fifo");
    top.mknod(utf8("socket"), "socket");
    top.mknod(utf8("device"), "character", { device: { major: 1, minor: 3 } });
    top.setXattr(utf8("d/kept"), utf8("user.mark"), Buffer.from("one"));
    chownSync(join(mounted, "d/kept"), 1000, 7);
    chmodSync(join(mounted, "d/kept"), 0o4755);
    utimesSync(join(mounted, "d/kept"), time, time);
    top[Symbol.dispose]();
    await ours(paths, ["unmount", id]);
    expect(await compareAll(paths, ["base", "written", "other"])).toBe(36);
  });
});
