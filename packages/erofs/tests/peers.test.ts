// The real programs as judges of random trees: mkcomposefs, composefs-info, cfsctl, fsck.erofs.
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { utf8 } from "@bootc-store/core";
import { openLab } from "@bootc-store/lab";
import * as fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";

import {
  type ImageDirectory,
  type ImageFormat,
  imageOfTree,
  parseDumpC,
  printDump,
  readImage,
  writeImage,
} from "../src/index.ts";
import { trees } from "./arbitrary.ts";
import { fsVerity } from "./helpers.ts";

const lab = openLab({ cache: process.env["BOOTC_STORE_CACHE"] });
afterAll(() => lab.close());

const unable = lab.missing({
  root: true,
  peers: ["mkcomposefs", "composefs-info", "fsck.erofs", "cfsctl", "sh"],
});
const COUNT = Number(process.env["EROFS_PEER_TREES"] ?? 150);
const SEED = Number(process.env["EROFS_PEER_SEED"] ?? Date.now() % 0x7fff_ffff);

const C_FORMATS: readonly (readonly [string, string, ImageFormat])[] = [
  ["default", "", { writer: "c", minVersion: 0, maxVersion: 1 }],
  ["v0", "--min-version=0 --max-version=0", { writer: "c", minVersion: 0, maxVersion: 0 }],
  ["v1", "--min-version=1 --max-version=1", { writer: "c", minVersion: 1, maxVersion: 1 }],
];

function dumpText(root: ImageDirectory, dialect: "c" | "composefs-rs"): string {
  return [...printDump(root, { dialect })].join("");
}

/** What a dump may say that no tree does: odd link counts, sizes of devices, links before their targets. */
function oddities(dump: string, odd: readonly number[]): string {
  let at = 0;
  const next = (): number => odd[at++ % odd.length] ?? 0;
  const links: string[] = [];
  const lines = dump
    .trimEnd()
    .split("\n")
    .flatMap((line) => {
      const fields = line.split(" ");
      const [, , mode = ""] = fields;
      if (/^(?:[126]|14)\d{4}$/.test(mode) && next() % 3 === 0) fields[1] = String(next() * 1e8);
      if (/^10\d{4}$/.test(mode) && next() % 4 === 0) fields[3] = String(next() % 70_000);
      // A link whose name is in the root can stand right after it, before what it names.
      if (mode.startsWith("@") && (fields[0]?.lastIndexOf("/") ?? 1) === 0) {
        links.push(fields.join(" "));
        return [];
      }
      return [fields.join(" ")];
    });
  const [root = "", ...rest] = lines;
  return `${[root, ...links, ...rest].join("\n")}\n`;
}

function sample(knobs: Parameters<typeof trees>[0]): ImageDirectory[] {
  return fc.sample(trees(knobs), { numRuns: COUNT, seed: SEED }).map((tree) => imageOfTree(tree));
}

describe.skipIf(unable !== undefined)(`random trees, seed ${SEED} (${unable ?? "peers are here"})`, () => {
  test("are the images of mkcomposefs, byte for byte, and read and checked by the C programs", async () => {
    const place = mkdtempSync(join(lab.directory, "erofs-"));
    const odd = fc.sample(fc.array(fc.nat(100_000), { minLength: 30, maxLength: 30 }), {
      numRuns: COUNT,
      seed: SEED,
    });
    const roots = sample({ algorithm: "sha256", maxInline: 5000, maxTarget: 4095, whiteouts: true });
    const dumps = roots.map((root, at) => oddities(dumpText(root, "c"), odd[at] ?? [0]));
    for (const [at, dump] of dumps.entries()) writeFileSync(join(place, `${at}.dump`), dump);
    const script = C_FORMATS.map(
      ([name, options]) =>
        `mkcomposefs ${options} --from-file $n.dump $n.${name}.img || echo $n ${name} failed`,
    ).join("\n");
    const run = await lab.peers.sh.run(
      [
        "-c",
        `n=0; while [ -e $n.dump ]; do\n${script}\nfsck.erofs $n.default.img >/dev/null || echo $n fsck\ncomposefs-info dump $n.default.img >$n.info || echo $n info\nn=$((n+1)); done`,
      ],
      { cwd: place, timeout: 600_000 },
    );
    expect(`${run.text}${run.errorText}`).toBe("");
    for (const [at, dump] of dumps.entries()) {
      const root = parseDumpC(utf8(dump));
      for (const [name, , format] of C_FORMATS) {
        const theirs = readFileSync(join(place, `${at}.${name}.img`));
        expect(theirs.equals(writeImage(root, format)), `tree ${at}, ${name}, seed ${SEED}`).toBe(true);
      }
      const image = writeImage(root, { writer: "c", minVersion: 0, maxVersion: 1 });
      const shown = readFileSync(join(place, `${at}.info`), "latin1");
      expect(dumpText(readImage(image, { dialect: "c" }).root, "c"), `tree ${at}, seed ${SEED}`).toBe(shown);
    }
    expect(dumps.length).toBe(COUNT);
  }, 900_000);

  test("are the images of composefs-rs in all formats, which fsck.erofs accepts", async () => {
    const place = mkdtempSync(join(lab.directory, "erofs-"));
    const roots = sample({ algorithm: "sha256", maxInline: 512, maxTarget: 1024, whiteouts: true });
    for (const [at, root] of roots.entries()) {
      writeFileSync(join(place, `${at}.dump`), dumpText(root, "composefs-rs"));
      for (const version of [0, 1, 2] as const) {
        writeFileSync(
          join(place, `${at}.${version}.img`),
          writeImage(root, { writer: "composefs-rs", version }),
        );
      }
    }
    const run = await lab.peers.sh.run(
      [
        "-c",
        `n=0; while [ -e $n.dump ]; do\nfor v in 0 1; do echo $n $v $(cfsctl mkcomposefs --min-version=$v --max-version=$v --from-file $n.dump --print-digest-only 2>&1); done\nfor v in 0 1 2; do fsck.erofs $n.$v.img >/dev/null || echo $n $v fsck; done\nn=$((n+1)); done`,
      ],
      { cwd: place, timeout: 600_000 },
    );
    const lines = run.text.trim().split("\n");
    const wanted = roots.flatMap((root, at) =>
      ([0, 1] as const).map(
        (version) =>
          `${at} ${version} ${fsVerity(writeImage(root, { writer: "composefs-rs", version }), "sha256")}`,
      ),
    );
    expect(lines).toEqual(wanted);
  }, 900_000);
});
