/* oxlint-disable typescript/await-thenable -- the linter does not know of async disposal in test files */
// `oci prepare-boot` and `oci pull --expected-digest` beside cfsctl, on copies of one repository.
import { cpSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { type Digest, parseDigest, utf8 } from "@bootc-store/core";
import { openLab } from "@bootc-store/lab";
import { computeVerity, createPool, Dir } from "@bootc-store/linux";
import type { TarEntryToWrite } from "@bootc-store/oci";
import { afterAll, describe, expect, test } from "vitest";

import { cfsctl } from "../src/drop-ins/index.ts";
import { encodeImage } from "../src/oci/erofs-image.ts";
import { treeOfConfig } from "../src/oci/image.ts";
import { Repository } from "../src/repository/repository.ts";
import { tarOf, writeLayout } from "./random-layout.ts";
import { runTool } from "./tool-context.ts";

const lab = openLab();
const pool = createPool();
afterAll(async () => {
  await pool[Symbol.asyncDispose]();
  await lab.close();
});
const theirs = lab.peers.cfsctl;

type Files = Readonly<Record<string, string>>;

/** Layers of an image for booting: the directories that it must have, then these files with what is above them. */
function* entries(files: Files, xattr: boolean): Generator<TarEntryToWrite> {
  const made = new Set<string>();
  for (const path of ["boot/x", "etc/x", "run/x", "sysroot/x", "usr/x", ...Object.keys(files)]) {
    const parts = path.split("/");
    for (let depth = 1; depth < parts.length; depth++) {
      const name = `${parts.slice(0, depth).join("/")}/`;
      if (made.has(name)) continue;
      made.add(name);
      yield { entry: { type: "directory", name: utf8(name), mode: 0o755 } };
    }
    const content = files[path];
    if (content === undefined) continue;
    const bytes = Buffer.from(content, "latin1");
    const xattrs = xattr ? [[utf8("user.mark"), utf8("one")] as const] : [];
    yield { entry: { type: "file", name: utf8(path), size: bytes.length, xattrs }, content: bytes };
  }
}

async function makeImage(path: string, files: Files, xattr = false): Promise<void> {
  writeLayout(path, [{ tar: await tarOf(entries(files, xattr)), compression: "none" }]);
}

/** A PE image whose sections are what a unified kernel image has. */
function uki(sections: Readonly<Record<string, string>>): string {
  const names = Object.keys(sections);
  const table = 64 + 24 + 240;
  const padded = (size: number): number => Math.ceil(size / 512) * 512;
  const start = padded(table + names.length * 40);
  const parts: Buffer[] = [Buffer.alloc(start)];
  const [head = Buffer.alloc(0)] = parts;
  head.write("MZ");
  head.writeUInt32LE(64, 0x3c);
  head.writeUInt32LE(0x4550, 64);
  head.writeUInt16LE(0x8664, 68);
  head.writeUInt16LE(names.length, 70);
  head.writeUInt16LE(240, 84);
  let offset = start;
  for (const [index, [name, text]] of Object.entries(sections).entries()) {
    const at = table + index * 40;
    const content = Buffer.alloc(padded(text.length));
    content.write(text, "latin1");
    head.write(name, at);
    head.writeUInt32LE(text.length, at + 8);
    head.writeUInt32LE(content.length, at + 16);
    head.writeUInt32LE(offset, at + 20);
    parts.push(content);
    offset += content.length;
  }
  return Buffer.concat(parts).toString("latin1");
}

/** Every path below a directory with its mode and, of a file, its bytes. */
function listing(path: string, below = ""): string[] {
  return readdirSync(join(path, below))
    .sort()
    .flatMap((name) => {
      const place = join(below, name);
      const stat = lstatSync(join(path, place));
      const mode = (stat.mode & 0o7777).toString(8);
      if (stat.isDirectory()) return [`${place}/ ${mode}`, ...listing(path, place)];
      return [`${place} ${mode} ${readFileSync(join(path, place)).toString("latin1")}`];
    });
}

function listingOfNames(path: string): string[] {
  return existsSync(path) ? readdirSync(path).sort() : [];
}

interface Ran {
  readonly code: number | null;
  readonly said: string;
  readonly boot: readonly string[];
  readonly state: readonly string[];
}

const INIT = {
  "sha512, V1": ["--insecure"],
  "sha256, V1": ["--insecure", "--algorithm", "fsverity-sha256-12"],
  "sha512, V2": ["--insecure", "--erofs-version", "2"],
} as const;

/** Lets cfsctl pull an image, then both prepare it for booting, each in a copy of its own. */
async function bothPrepare(
  scratch: string,
  kind: keyof typeof INIT,
  layout: string,
  args: readonly string[],
): Promise<{ readonly wanted: Ran; readonly got: Ran }> {
  const run = async (
    who: string,
    tool: (argv: string[]) => Promise<[number | null, string]>,
  ): Promise<Ran> => {
    const place = join(scratch, who);
    const boot = join(place, "boot");
    mkdirSync(boot);
    const [code, said] = await tool([
      "--repo",
      join(place, "repo"),
      "oci",
      "prepare-boot",
      "t",
      "--bootdir",
      boot,
      ...args,
    ]);
    const state = join(place, "state");
    return {
      code,
      said: said.replaceAll(place, "$PLACE"),
      boot: listing(boot),
      state: readdirSync(place).includes("state") ? listing(state) : [],
    };
  };
  const repository = join(scratch, "theirs/repo");
  mkdirSync(join(scratch, "theirs"));
  await theirs.succeed(["--repo", repository, "init", ...INIT[kind]]);
  await theirs.succeed(["--repo", repository, "oci", "pull", `oci:${layout}:v1`, "t"]);
  cpSync(join(scratch, "theirs"), join(scratch, "ours"), { recursive: true, verbatimSymlinks: true });
  const wanted = await run("theirs", async (argv) => {
    const { code, text, errorText } = await theirs.run(argv, { env: { RUST_BACKTRACE: "0" } });
    return [code, text + errorText];
  });
  const got = await run("ours", async (argv) => {
    const { code, out, err } = await runTool(cfsctl, argv, { cwd: "/", pool });
    return [code, out.toString() + err];
  });
  if (wanted.code === 0 && got.code === 0) {
    const checked = await theirs.run(["--repo", join(scratch, "ours/repo"), "fsck"]);
    expect(checked.text + checked.errorText).toContain("status: ok");
    const links = (who: string): string[] => readdirSync(join(scratch, who, "repo/images")).sort();
    expect(links("ours")).toEqual(links("theirs"));
  }
  return { wanted, got };
}

const KERNEL = { "usr/lib/modules/6.1-a/vmlinuz": "kernel ".repeat(900) };
const BOTH = { ...KERNEL, "usr/lib/modules/6.1-a/initramfs.img": "initramfs" };
const entry = (...lines: string[]): string => `${lines.join("\n")}\n`;
const TYPE1 = {
  "boot/k/vmlinuz": "kernel ".repeat(900),
  "boot/k/initrd": "small",
  "boot/loader/entries/os.conf": entry(
    "title  Lab OS",
    "# a comment",
    "version 1",
    "linux\t/boot/k/vmlinuz",
    "initrd /boot/k/initrd",
    "options rw  quiet root=LABEL=a",
    "options second",
  ),
};

describe.skipIf(!theirs.available)("prepare-boot beside cfsctl", () => {
  const same: [string, Files, string[]][] = [
    ["a kernel and its initramfs", BOTH, []],
    ["with arguments and a name", BOTH, ["--cmdline", "rw", "--cmdline", "a=b", "--entry-id", "mine"]],
    ["an argument given twice, and two that begin alike", BOTH, ["--cmdline", "a=1", "--cmdline", "a=2"]],
    ["a flag given twice", BOTH, ["--cmdline", "rw", "--cmdline", "rw", "--cmdline", "rwx"]],
    ["a kernel alone", KERNEL, []],
    ["nothing to boot", { "usr/bin/x": "x" }, []],
    ["an entry of type 1", TYPE1, []],
    ["with a name", TYPE1, ["--entry-id", "mine"]],
    [
      "with arguments that are there",
      TYPE1,
      ["--cmdline", "root=LABEL=b", "--cmdline", "quiet", "--cmdline", "x"],
    ],
    ["before a kernel", { ...TYPE1, ...BOTH }, []],
    [
      "without options, with a key that goes on",
      {
        ...TYPE1,
        "boot/loader/entries/os.conf": entry("linux /boot/k/vmlinuz", "linuxes x", "initrd\t /boot/k/initrd"),
      },
      ["--cmdline", "one"],
    ],
    [
      "with an image of another",
      {
        ...TYPE1,
        "boot/loader/entries/os.conf": entry(
          "linux /boot/k/vmlinuz",
          'options a="b c" composefs=0123 composefs.digest=v1-sha256-12:00 z',
        ),
      },
      [],
    ],
    [
      "without an end of the last line, and lines with spaces",
      { ...TYPE1, "boot/loader/entries/os.conf": "linux /boot/k/vmlinuz\n\n options a\noptions b " },
      [],
    ],
    [
      "two initramfs",
      {
        ...TYPE1,
        "boot/k/two": "two",
        "boot/loader/entries/os.conf": entry(
          "linux /boot/k/vmlinuz",
          "initrd /boot/k/initrd",
          "initrd /boot/k/two",
          "options",
          "options x",
        ),
      },
      ["--entry-id", "y"],
    ],
    ["a UKI without an image", { "boot/EFI/Linux/a.efi": uki({ ".cmdline": "rw" }) }, []],
    [
      "a UKI with another image",
      { "boot/EFI/Linux/a.efi": uki({ ".cmdline": `composefs=${"ab".repeat(64)}` }) },
      [],
    ],
    ["a UKI without a command line", { "boot/EFI/Linux/a.efi": uki({ ".osrel": "ID=x" }) }, []],
    ["a file that is no UKI", { "boot/EFI/Linux/a.efi": "x".repeat(9000) }, []],
    ["a UKI and an argument", { "boot/EFI/Linux/a.efi": uki({ ".cmdline": "rw" }) }, ["--cmdline", "x"]],
  ];

  test.each(same)("%s", async (_, files, args) => {
    await using scratch = lab.scratch();
    const layout = join(scratch.path, "layout");
    await makeImage(layout, files);
    const { wanted, got } = await bothPrepare(scratch.path, "sha512, V1", layout, args);
    if (wanted.code !== 0) {
      // Why it failed is in words of our own; what is on the boot partition is nothing that could be booted.
      expect(got.code).toBe(wanted.code);
      expect(got.boot.filter((line) => !line.includes("/ "))).toEqual([]);
      return;
    }
    expect(got).toEqual(wanted);
  });

  test.each(Object.keys(INIT) as (keyof typeof INIT)[])("a UKI that names its image: %s", async (kind) => {
    await using scratch = lab.scratch();
    const layout = join(scratch.path, "layout");
    const other = { "usr/bin/sh": "x".repeat(5000) };
    await makeImage(layout, { ...other, "boot/EFI/Linux/a.efi": uki({ ".cmdline": "none yet" }) });
    const probe = join(scratch.path, "probe");
    await theirs.succeed(["--repo", probe, "init", ...INIT[kind]]);
    await theirs.succeed(["--repo", probe, "oci", "pull", `oci:${layout}:v1`, "t"]);
    // /boot is emptied in the image, so that the UKI in it may name the image.
    const id = (await theirs.succeed(["--repo", probe, "oci", "compute-id", "--bootable", "t"])).text.trim();
    for (const [at, named] of [
      `composefs=${id}`,
      `rw composefs=?${id} x`,
      `composefs=ab composefs.digest=?v1-${kind.slice(0, 6)}-12:${id}`,
    ].entries()) {
      const place = join(scratch.path, `run${at}`);
      const sealed = join(place, "layout");
      await makeImage(sealed, {
        ...other,
        "boot/EFI/Linux/a.efi": uki({ ".osrel": "ID=x", ".cmdline": named }),
      });
      for (const [name, args] of [
        ["plain", []],
        ["named", ["--entry-id", "mine"]],
      ] as const) {
        const own = join(place, name);
        mkdirSync(own);
        const { wanted, got } = await bothPrepare(own, kind, sealed, args);
        expect(wanted.code).toBe(0);
        expect(got).toEqual(wanted);
      }
    }
  });

  test("names that lead out of the boot partition are refused", async () => {
    await using scratch = lab.scratch();
    const layout = join(scratch.path, "layout");
    await makeImage(layout, BOTH);
    const repository = join(scratch.path, "repo");
    await theirs.succeed(["--repo", repository, "init", "--insecure"]);
    await theirs.succeed(["--repo", repository, "oci", "pull", `oci:${layout}:v1`, "t"]);
    const boot = join(scratch.path, "in/boot");
    mkdirSync(boot, { recursive: true });
    for (const id of ["../../out", "..", "a/../../b", "/abs/../../../x"]) {
      const argv = ["--repo", repository, "oci", "prepare-boot", "t", "--bootdir", boot, "--entry-id", id];
      expect((await runTool(cfsctl, argv, { cwd: "/", pool })).code).toBe(1);
    }
    expect(readdirSync(join(scratch.path, "in"))).toEqual(["boot"]);
    expect(readdirSync(scratch.path).filter((name) => name.startsWith("out") || name === "b")).toEqual([]);
  });
});

describe.skipIf(!theirs.available)("pull --expected-digest beside cfsctl", () => {
  const modes = ["allowlist-only", "keep-user-xattrs"] as const;

  test.each(Object.keys(INIT) as (keyof typeof INIT)[])("%s", async (kind) => {
    await using scratch = lab.scratch();
    const layout = join(scratch.path, "layout");
    await makeImage(layout, BOTH, true);
    const probe = join(scratch.path, "probe");
    await theirs.succeed(["--repo", probe, "init", ...INIT[kind]]);
    await theirs.succeed(["--repo", probe, "oci", "pull", `oci:${layout}:v1`, "t"]);
    const ids = new Set<string>();
    {
      using dir = Dir.openHost(utf8(probe));
      await using repository = await Repository.open(dir);
      const { algorithm } = repository;
      const manifest = JSON.parse(readFileSync(join(layout, "index.json"), "utf8")) as {
        manifests: { digest: string }[];
      };
      const blob = parseDigest(manifest.manifests[0]?.digest ?? "");
      const document = JSON.parse(readFileSync(join(layout, "blobs/sha256", blob.hex), "utf8")) as {
        config: { digest: string };
      };
      const config: Digest = parseDigest(document.config.digest);
      for (const xattrs of modes) {
        for (const version of [1, 2] as const) {
          const tree = await treeOfConfig(repository, config, { bootable: true, xattrs });
          ids.add(computeVerity(encodeImage(tree, version), { algorithm }).toString("hex"));
        }
      }
    }
    expect(ids.size).toBe(4);
    const wrong = "0".repeat([...ids][0]?.length ?? 0);
    for (const [at, id] of [...ids, wrong, "zz"].entries()) {
      const outcome = async (who: string): Promise<unknown> => {
        const place = join(scratch.path, `${who}${at}`);
        await theirs.succeed(["--repo", place, "init", ...INIT[kind]]);
        const argv = [
          "--repo",
          place,
          "oci",
          "pull",
          "--bootable",
          "--expected-digest",
          id,
          `oci:${layout}:v1`,
          "t",
        ];
        const ran =
          who === "theirs"
            ? await theirs.run(argv, { env: { RUST_BACKTRACE: "0" } })
            : await runTool(cfsctl, argv, { cwd: "/", pool });
        const out = "out" in ran ? ran.out.toString() : ran.text;
        const images = ["images", "streams/refs/oci"].map((path) => listingOfNames(join(place, path)));
        const listed = await theirs.run(["--repo", place, "oci", "images", "--json"]);
        const fsck = await theirs.run(["--repo", place, "oci", "fsck"]);
        // Streams that name images are written anew, and their tables may be in another order.
        return {
          code: ran.code,
          out: out.replace(/^verity .*$/m, "verity"),
          images,
          listed: listed.code,
          fsck: fsck.code,
        };
      };
      const wanted = await outcome("theirs");
      expect([id, await outcome("ours")]).toEqual([id, wanted]);
    }
  });
});
