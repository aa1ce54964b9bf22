// The stand-ins beside the programs they stand in for: the same command lines, the same output, files and exit codes.
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

import type { DropIn } from "@bootc-store/backend/command";
import { utf8 } from "@bootc-store/core";
import { openLab } from "@bootc-store/lab";
import { createPool, Dir } from "@bootc-store/linux";
import { afterAll, describe, expect, test } from "vitest";

import { composefsDump, composefsInfo, mkcomposefs } from "../src/drop-ins/index.ts";
import { fillDirectory } from "./random-directory.ts";
import { runTool } from "./tool-context.ts";

const lab = openLab({ cache: process.env["BOOTC_STORE_CACHE"] });
const pool = createPool({ size: 2 });
afterAll(async () => {
  await pool[Symbol.asyncDispose]();
  lab.close();
});

const unable = lab.missing({ root: true, peers: ["mkcomposefs", "composefs-info", "sh"] });
const TREES = Number(
  process.env["COMPOSEFS_TREES"] ?? (process.env["BOOTC_STORE_LONG"] === undefined ? 40 : 2000),
);
const SEED = Number(process.env["COMPOSEFS_SEED"] ?? Date.now() % 0x7fff_ffff);
const TOOLS: Readonly<Record<string, DropIn>> = {
  mkcomposefs,
  "composefs-info": composefsInfo,
  "composefs-dump": composefsDump,
};

const DUMP = `/ 4096 40755 3 0 0 0 0.0 - - -
/empty 0 100644 1 0 0 0 0.0 - - -
/inline 5 100644 1 0 0 0 0.0 - hello -
/has\\x20space 70000 100644 2 0 0 0 5.000000001 aa/bb - ${"12".repeat(32)} user.a=b
/link 5 120777 1 0 0 0 0.0 a\\x20b\\x3dc - -
/sub 4096 40755 2 0 0 0 0.0 - - -
/sub/again 5 @120777 1 0 0 0 0.0 /link - -
/sub/again2 70000 @100644 2 0 0 0 0.0 /has\\x20space - -
/sub/same 70000 100644 1 0 0 0 0.0 aa/bb - ${"12".repeat(32)}
/sub/white 0 20644 1 0 0 0 0.0 - - -
/sub/\\xff\\n 80000 100644 1 0 0 0 0.0 cc/dd - -
/\\x2d\\\\x20 0 10644 1 0 0 0 0.0 - - -
`;

function quote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

/** Everything below a directory: names, modes and contents. */
function everything(place: string): unknown[] {
  using dir = Dir.openHost(utf8(place));
  return [...dir.walk()].map(({ path, type }) => {
    const stat = dir.stat(path);
    const content = type === "regular" ? dir.readFile(path).toString("base64") : "";
    return [path, type, stat.mode & 0o7777, content];
  });
}

function prepare(place: string): void {
  writeFileSync(join(place, "good.dump"), DUMP);
  writeFileSync(join(place, "bad.dump"), "/ 4096 40755 3 0 0 0 0.0 - - -\n/a/b 0 100644 1 0 0 0 0.0 - - -\n");
  writeFileSync(join(place, "nothing.dump"), "");
  writeFileSync(join(place, "unterminated.dump"), DUMP.trimEnd());
  writeFileSync(join(place, "junk.img"), "junk".repeat(4000));
  writeFileSync(join(place, "short.img"), "junk");
  writeFileSync(join(place, "file70k"), Buffer.alloc(70_000, "x"));
  symlinkSync("src", join(place, "to-src"));
  symlinkSync("x.img", join(place, "to-image"));
  mkdirSync(join(place, "src/sub"), { recursive: true });
  mkdirSync(join(place, "base/aa"), { recursive: true });
  writeFileSync(join(place, "base/aa/bb"), "");
  using src = Dir.openHost(utf8(join(place, "src")));
  fillDirectory(src, 4);
  using sub = src.openDir(utf8("sub"));
  fillDirectory(sub, 9);
  sub.mknod(utf8("a device"), "block", { device: { major: 8, minor: 1 } });
}

describe.skipIf(unable !== undefined)(
  `beside the programs${unable === undefined ? "" : `: ${unable}`}`,
  () => {
    const LINES: readonly string[][] = [
      ["mkcomposefs"],
      ["mkcomposefs", "--help"],
      ["mkcomposefs", "--nonsense"],
      ["mkcomposefs", "-C", "src", "x.img"],
      ["mkcomposefs", "--print", "src"],
      ["mkcomposefs", "--use", "src", "x.img"],
      ["mkcomposefs", "--use-epoch=1", "src", "x.img"],
      ["mkcomposefs", "--digest-store"],
      ["mkcomposefs", "src"],
      ["mkcomposefs", "", "x.img"],
      ["mkcomposefs", "src", "x.img", "more"],
      ["mkcomposefs", "--print-digest-only", "src", "x.img"],
      ["mkcomposefs", "--print-digest-only", "src"],
      ["mkcomposefs", "src", "x.img", "--print-digest"],
      ["mkcomposefs", "--print-digest", "src", "-"],
      ["mkcomposefs", "src/", "x.img"],
      ["mkcomposefs", "--", "src", "x.img"],
      ["mkcomposefs", "missing", "x.img"],
      ["mkcomposefs", "missing/", "x.img"],
      ["mkcomposefs", "file70k", "x.img"],
      ["mkcomposefs", "file70k/", "x.img"],
      ["mkcomposefs", "file70k/x", "x.img"],
      ["mkcomposefs", "to-src", "x.img"],
      ["mkcomposefs", "to-src/", "x.img"],
      ["mkcomposefs", "src/../src/.", "x.img"],
      ["mkcomposefs", "src", "to-image"],
      ["mkcomposefs", "src", "/dev/null"],
      ["mkcomposefs", "src", "missing/x.img"],
      ["mkcomposefs", "src", "src"],
      ["mkcomposefs", "--skip-xattrs", "--user-xattrs", "src", "x.img"],
      ["mkcomposefs", "--skip-xattrs", "src", "x.img"],
      ["mkcomposefs", "--user-xattrs", "src", "x.img"],
      ["mkcomposefs", "--skip-devices", "--use-epoch", "src", "x.img"],
      ["mkcomposefs", "--digest-store=store", "src", "x.img"],
      ["mkcomposefs", "--digest-store", "deep/er/store", "--print-digest", "src", "x.img"],
      ["mkcomposefs", "--digest-store=file70k", "src", "x.img"],
      ["mkcomposefs", "--digest-store=src/sub/store", "src", "x.img"],
      ["mkcomposefs", "--min-version=1", "src", "x.img"],
      ["mkcomposefs", "--max-version=0", "src", "x.img"],
      ["mkcomposefs", "--max-version=1", "src", "x.img"],
      ["mkcomposefs", "--min-version=2", "src", "x.img"],
      ["mkcomposefs", "--max-version=7", "src", "x.img"],
      ["mkcomposefs", "--min-version=-1", "src", "x.img"],
      ["mkcomposefs", "--max-version=-1", "src", "x.img"],
      ["mkcomposefs", "--min-version=", "src", "x.img"],
      ["mkcomposefs", "--max-version=1x", "src", "x.img"],
      ["mkcomposefs", "--threads=1", "src", "x.img"],
      ["mkcomposefs", "--threads=3", "src", "x.img"],
      ["mkcomposefs", "--threads=0", "src", "x.img"],
      ["mkcomposefs", "--threads=x", "src", "x.img"],
      ["mkcomposefs", "--from-file", "good.dump", "x.img"],
      ["mkcomposefs", "--from-file", "--digest-store=store", "good.dump", "x.img"],
      ["mkcomposefs", "--from-file", "--print-digest-only", "good.dump"],
      ["mkcomposefs", "--from-file", "-", "x.img"],
      ["mkcomposefs", "--from-file", "bad.dump", "x.img"],
      ["mkcomposefs", "--from-file", "nothing.dump", "x.img"],
      ["mkcomposefs", "--from-file", "unterminated.dump", "x.img"],
      ["mkcomposefs", "--from-file", "missing.dump", "x.img"],
      ["mkcomposefs", "--from-file", "src", "x.img"],
      ["composefs-info"],
      ["composefs-info", "ls"],
      ["composefs-info", "nonsense", "good.img"],
      ["composefs-info", "--nonsense", "ls", "good.img"],
      ["composefs-info", "-x", "ls", "good.img"],
      ["composefs-info", "ls", "--basedir"],
      ["composefs-info", "ls", "good.img"],
      ["composefs-info", "dump", "good.img"],
      ["composefs-info", "dump", "good.img", "src.img"],
      ["composefs-info", "objects", "good.img"],
      ["composefs-info", "objects", "src.img", "good.img"],
      ["composefs-info", "missing-objects", "good.img"],
      ["composefs-info", "missing-objects", "good.img", "--basedir=base"],
      ["composefs-info", "--basedir=missing", "missing-objects", "good.img"],
      ["composefs-info", "--basedir=file70k", "ls", "good.img"],
      ["composefs-info", "--filter=sub", "dump", "good.img"],
      ["composefs-info", "--filter=sub", "--filter=link", "ls", "good.img"],
      ["composefs-info", "--filter=none", "objects", "good.img"],
      ["composefs-info", "--filter=a/b", "ls", "good.img"],
      ["composefs-info", "ls", "missing.img"],
      ["composefs-info", "ls", "good.img", "junk.img"],
      ["composefs-info", "dump", "short.img"],
      ["composefs-info", "dump", "nothing.dump"],
      ["composefs-info", "dump", "src"],
      ["composefs-info", "measure-file"],
      ["composefs-info", "measure-file", "file70k", "nothing.dump", "good.dump"],
      ["composefs-info", "measure-file", "file70k", "missing"],
      ["composefs-info", "measure-file", "src"],
    ];

    test("the same lines give the same output, files and exit codes", async () => {
      const base = mkdtempSync(join(lab.directory, "tools-"));
      const template = join(base, "template");
      mkdirSync(template);
      prepare(template);
      const script = [
        "cd template; mkcomposefs --from-file good.dump good.img; mkcomposefs src src.img; cd ..",
        ...LINES.map(
          (line, at) =>
            `cp -a template ${at}; cd ${at}; ${line.map(quote).join(" ")} <good.dump >../${at}.out 2>../${at}.err; echo $? >../${at}.code; cd ..`,
        ),
        ...LINES.map((_, at) => `cp -a template ours-${at}`),
      ].join("\n");
      const ran = await lab.peers.sh.run(["-c", script], { cwd: base, timeout: 300_000 });
      expect(ran.errorText).toBe("");
      const differing: unknown[] = [];
      for (const [at, line] of LINES.entries()) {
        const [name = "", ...argv] = line;
        const dropIn = TOOLS[name];
        if (dropIn === undefined) throw new Error(name);
        const cwd = join(base, `ours-${at}`);
        const { code, out, err } = await runTool(dropIn, argv, { cwd, pool, stdin: DUMP });
        const read = (what: string): Buffer => readFileSync(join(base, `${at}.${what}`));
        const theirs = {
          code: Number(read("code").toString()),
          out: read("out").toString("latin1"),
          err: read("err").toString(),
          files: everything(join(base, String(at))),
        };
        const ours = { code, out: out.toString("latin1"), err, files: everything(cwd) };
        try {
          expect({ line, ...ours }).toEqual({ line, ...theirs });
        } catch (error) {
          differing.push(error);
        }
      }
      rmSync(base, { recursive: true, force: true });
      if (differing.length > 0)
        throw new AggregateError(
          differing,
          `${differing.length} lines differ:\n${differing.map((error) => (error as Error).message.slice(0, 1500)).join("\n\n")}`,
        );
    }, 300_000);

    test(`${TREES} random directories give the same images and stores, seed ${SEED}`, async () => {
      const base = mkdtempSync(join(lab.directory, "trees-"));
      for (let first = 0; first < TREES; first += 50) {
        const seeds = Array.from({ length: Math.min(50, TREES - first) }, (_, at) => SEED + first + at);
        for (const seed of seeds) {
          mkdirSync(join(base, `${seed}`));
          using dir = Dir.openHost(utf8(join(base, `${seed}`)));
          fillDirectory(dir, seed);
        }
        const script = seeds
          .map(
            (seed) =>
              `mkcomposefs --digest-store=theirs ${seed} ${seed}.img || echo ${seed}; mkcomposefs --min-version=1 --max-version=1 ${seed} ${seed}.v1 || echo ${seed}; for c in ls dump objects; do composefs-info $c ${seed}.img >${seed}.$c; done`,
          )
          .join("\n");
        const ran = await lab.peers.sh.run(["-c", script], { cwd: base, timeout: 300_000 });
        expect(`${ran.text}${ran.errorText}`).toBe("");
        for (const seed of seeds) {
          const where = { cwd: base, pool };
          const ours = await runTool(mkcomposefs, ["--digest-store=ours", `${seed}`, "-"], where);
          expect(ours.err).toBe("");
          expect(ours.out.equals(readFileSync(join(base, `${seed}.img`))), `seed ${seed}`).toBe(true);
          const v1 = await runTool(mkcomposefs, ["--min-version=1", `${seed}`, "-"], where);
          expect(v1.out.equals(readFileSync(join(base, `${seed}.v1`))), `seed ${seed}, version 1`).toBe(true);
          for (const command of ["ls", "dump", "objects"]) {
            const { out } = await runTool(composefsInfo, [command, `${seed}.img`], where);
            expect(
              out.equals(readFileSync(join(base, `${seed}.${command}`))),
              `seed ${seed}, ${command}`,
            ).toBe(true);
          }
          const again = await runTool(composefsDump, [`${seed}.img`, "again.img"], where);
          expect(again.err).toBe("");
          expect(readFileSync(join(base, "again.img")).equals(ours.out), `seed ${seed}, again`).toBe(true);
        }
        if (existsSync(join(base, "theirs")))
          expect(everything(join(base, "ours"))).toEqual(everything(join(base, "theirs")));
        for (const name of readdirSync(base)) rmSync(join(base, name), { recursive: true, force: true });
      }
      rmSync(base, { recursive: true, force: true });
    }, 1_800_000);
  },
);
