// The composefs repository of recorded roots, opened as bootc opens it, with the deployments that bootc saw in them.
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { type ComposefsBackend, deploymentRoots, readDeployments, Repository } from "@bootc-store/composefs";
import { printDigest, utf8 } from "@bootc-store/core";
import { Dir } from "@bootc-store/linux";
import { afterEach, describe, expect, test } from "vitest";

import { composefsOpener, Storage } from "../src/index.ts";

const RECORDED = join(import.meta.dirname, "../../../../shared/fixtures/ostree-container/composefs-backend");

const places: string[] = [];
afterEach(() => {
  for (const place of places.splice(0)) rmSync(place, { recursive: true });
});

function place(): string {
  const path = mkdtempSync(join(tmpdir(), "composefs-root-"));
  places.push(path);
  return path;
}

function unpacked(state: string): { root: string; esp: string } {
  const at = place();
  for (const part of ["root", "esp"]) {
    mkdirSync(join(at, part));
    const { status, stderr } = spawnSync("tar", [
      "-xzf",
      join(RECORDED, `${state}.${part}.tar.gz`),
      "-C",
      join(at, part),
    ]);
    if (status !== 0) throw new Error(stderr.toString());
  }
  return { root: join(at, "root"), esp: join(at, "esp") };
}

function storageOf(root: string, readOnly = false): Storage {
  return new Storage({
    physicalRoot: Dir.openHost(utf8(root)),
    physicalRootPath: "/sysroot",
    run: Dir.openHost(utf8(root)),
    readOnly,
    openers: { composefs: composefsOpener() },
  });
}

async function opened(
  root: string,
  work: (backend: ComposefsBackend) => Promise<void>,
  readOnly = false,
): Promise<void> {
  const storage = storageOf(root, readOnly);
  try {
    const backend = await storage.getEnsureComposefs();
    expect(await storage.getEnsureComposefs()).toBe(backend);
    await work(backend as ComposefsBackend);
  } finally {
    await storage[Symbol.asyncDispose]();
  }
}

describe("getEnsureComposefs", () => {
  test("makes a repository of SHA-512 where there is none, and opens it again", async () => {
    const root = place();
    await opened(root, async (backend) => {
      expect(backend.traits).toMatchObject({ digest: "sha512", verity: "tried", readOnly: false });
    });
    expect(statSync(join(root, "composefs")).mode & 0o777).toBe(0o700);
    const meta = readFileSync(join(root, "composefs/meta.json"), "utf8");
    await opened(root, async (backend) => expect(backend.repository.meta.erofs.default).toBe(1));
    expect(readFileSync(join(root, "composefs/meta.json"), "utf8")).toBe(meta);
  });

  test("takes one of another kind as it is", async () => {
    const root = place();
    mkdirSync(join(root, "composefs"));
    const dir = Dir.openHost(utf8(join(root, "composefs")));
    await (await Repository.init(dir, { algorithm: "sha256", erofs: 2 })).repository[Symbol.asyncDispose]();
    dir[Symbol.dispose]();
    await opened(root, async ({ repository }) => {
      expect([repository.algorithm, repository.meta.erofs.default]).toEqual(["sha256", 2]);
    });
  });

  test("upgrades one of the old format, and refuses what it does not understand", async () => {
    const root = place();
    const dir = Dir.openHost(utf8(root));
    dir.ensureDir(utf8("composefs/objects/ab"), { parents: true });
    dir[Symbol.dispose]();
    writeFileSync(join(root, "composefs/objects/ab", "c".repeat(126)), "x");
    await opened(root, async ({ repository }) => expect(repository.algorithm).toBe("sha512"));
    expect(existsSync(join(root, "composefs/meta.json"))).toBe(true);
    writeFileSync(join(root, "composefs/meta.json"), '{"version": 2, "algorithm": "fsverity-sha512-12"}');
    await expect(opened(root, async () => undefined)).rejects.toMatchObject({
      code: expect.stringMatching(/^(?:composefs|storage)\//),
    });
  });
});

/** States with what `bootc status` said of them: ids by their beginnings. */
const STATES = [
  { state: "1-installed", booted: "44720dcf", rollback: undefined, queued: false },
  { state: "2-v2-v1", booted: "d85c1bb5", rollback: "44720dcf", queued: false },
  { state: "2-v2-v1", booted: "44720dcf", rollback: "d85c1bb5", queued: true },
  { state: "3-v3-v2", booted: "2d178b26", rollback: "d85c1bb5", queued: false },
  { state: "4-v3", booted: "2d178b26", rollback: undefined, queued: false },
];

describe.skipIf(!existsSync(RECORDED))("recorded systems (needs ../shared)", () => {
  test.each(STATES)("$state, booted from $booted", async ({ state, booted, rollback, queued }) => {
    const { root, esp } = unpacked(state);
    const dir = Dir.openHost(utf8(root));
    const boot = Dir.openHost(utf8(esp));
    const ids = spawnSync("ls", [join(root, "state/deploy")])
      .stdout.toString()
      .trim()
      .split("\n");
    const id = ids.find((each) => each.startsWith(booted)) ?? "";
    const found = readDeployments({ root: dir, boot, reader: "systemd-boot", booted: id });
    expect(found.booted?.verity).toBe(id);
    expect(found.booted?.origin).toMatchObject({
      bootType: "bls",
      bootDigest: expect.stringMatching(/^(?:773ad11f|7c7e1a43)/),
    });
    expect(found.booted?.entry?.title).toMatch(/^Lab OS/);
    expect(found.rollback?.verity.slice(0, 8)).toBe(rollback);
    expect([found.others, found.missing, found.unreferenced, found.staged]).toEqual([[], [], [], undefined]);
    expect(found.rollbackQueued).toBe(queued);
    // The roots of its repository are the manifests of its deployments, so nothing of theirs is collected without the tags.
    const roots = deploymentRoots(found);
    const manifests = [found.booted, found.rollback]
      .flatMap((each) => each?.origin.manifestDigest ?? [])
      .map(printDigest);
    expect(roots.map(({ target }) => target)).toEqual(
      expect.arrayContaining([id, ...manifests.map((each) => `oci-manifest-${each}`)]),
    );
    await opened(root, async (backend) => {
      const tags: string[] = [];
      for await (const { kind, name } of backend.roots()) if (kind === "tag") tags.push(name);
      expect(tags.sort()).toEqual(manifests.map((each) => `localhost/bootc-${each}`).sort());
      const before = await backend.planGc({ keep: roots });
      for (const tag of tags) rmSync(join(root, "composefs/streams/refs/oci", tag.replace("/", "%2F")));
      const after = await backend.planGc({ keep: roots });
      expect(after.garbage).toEqual(before.garbage);
      expect((await backend.planGc()).garbage.length).toBeGreaterThan(after.garbage.length);
    });
    boot[Symbol.dispose]();
    dir[Symbol.dispose]();
  });

  test("a staged deployment, entries that wait, and what is damaged", () => {
    const { root, esp } = unpacked("2-v2-v1");
    mkdirSync(join(root, "composefs-run/composefs"), { recursive: true });
    const ids = spawnSync("ls", [join(root, "state/deploy")])
      .stdout.toString()
      .trim()
      .split("\n");
    const old = ids.find((each) => each.startsWith("44720dcf")) ?? "";
    const fresh = ids.find((each) => each.startsWith("d85c1bb5")) ?? "";
    const record = join(root, "composefs-run/composefs/staged-deployment");
    writeFileSync(record, JSON.stringify({ depl_id: fresh, finalization_locked: true }));
    mkdirSync(join(esp, "loader/entries.staged"));
    renameSync(
      join(esp, "loader/entries/bootc_lab-pub-1.conf"),
      join(esp, "loader/entries.staged/bootc_lab-pub-1.conf"),
    );
    using dir = Dir.openHost(utf8(root));
    using boot = Dir.openHost(utf8(esp));
    using run = Dir.openHost(utf8(join(root, "composefs-run")));
    const options = { root: dir, boot, run, reader: "systemd-boot", booted: old } as const;
    expect(readDeployments(options)).toMatchObject({
      booted: { verity: old },
      staged: {
        verity: fresh,
        finalizationLocked: true,
        entry: { file: "loader/entries.staged/bootc_lab-pub-1.conf" },
      },
      others: [],
      rollbackQueued: false,
    });
    // Without the record it is not staged, and nothing that waits can be booted.
    rmSync(record);
    expect(readDeployments(options)).toMatchObject({ booted: { verity: old }, others: [], unreferenced: [] });
    writeFileSync(record, "{}");
    expect(() => readDeployments(options)).toThrow(
      expect.objectContaining({ code: "composefs/deployment-invalid" }),
    );
    rmSync(record);
    // An entry without a state directory is told of; a UKI has its id in its name.
    rmSync(join(root, "state/deploy", fresh), { recursive: true });
    writeFileSync(
      join(esp, "loader/entries/uki.conf"),
      `title UKI\nefi /EFI/Linux/bootc/bootc_composefs-${fresh}.efi\nsort-key a\n`,
    );
    expect(readDeployments(options)).toMatchObject({
      booted: { verity: old },
      missing: [fresh],
      rollbackQueued: true,
    });
    const menu = `menuentry "UKI: (${old})" {\n  insmod fat\n  chainloader /EFI/Linux/bootc/bootc_composefs-${old}.efi\n}\n`;
    mkdirSync(join(esp, "grub2"));
    writeFileSync(join(esp, "grub2/user.cfg"), menu);
    expect(readDeployments({ ...options, reader: "grub" })).toMatchObject({
      booted: { verity: old, entry: { kind: "menu", file: "grub2/user.cfg" } },
      rollbackQueued: false,
    });
    writeFileSync(join(root, `state/deploy/${old}/${old}.origin`), "[boot]\nboot_type = other\n");
    expect(() => readDeployments(options)).toThrow(
      expect.objectContaining({ code: "composefs/deployment-invalid" }),
    );
  });
});
