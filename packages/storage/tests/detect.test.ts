import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spawnSync } from "node:child_process";

import { utf8 } from "@bootc-store/core";
import { Dir } from "@bootc-store/linux";
import { describe, expect, test } from "vitest";

import { detectRoot, type RootReport } from "../src/index.ts";
import { plant, type Plants } from "./plant.ts";

const ID = "ab".repeat(64);
const CHECKSUM = "cd".repeat(32);

const OSTREE: Plants = {
  "ostree/repo/config": '[core]\nrepo_version=1\nmode=bare\n\n[remote "fedora"]\nurl=https://example.org\n',
  "ostree/repo/objects": null,
  [`ostree/deploy/default/deploy/${CHECKSUM}.0`]: null,
  [`ostree/deploy/default/deploy/${CHECKSUM}.0.origin`]:
    "[origin]\ncontainer-image-reference=ostree-unverified-registry:quay.io/example/os:latest\n\n[libostree-transient]\npinned=true\n",
  [`ostree/deploy/default/deploy/${CHECKSUM}.0/.ostree.cfs`]: "",
  "boot/loader": { link: "loader.0" },
  "boot/loader.0/entries/ostree-1.conf": `title Example OS\nversion 1\noptions root=LABEL=x rw ostree=/ostree/boot.0/default/${CHECKSUM}/0\nlinux /ostree/default-x/vmlinuz\n`,
};

const META = JSON.stringify({
  version: 1,
  algorithm: "fsverity-sha512-12",
  features: { compatible: [], "read-only-compatible": ["v1_erofs"], incompatible: [] },
  erofs_formats: { default: 1 },
});

const COMPOSEFS: Plants = {
  composefs: { mode: 0o700 },
  "composefs/meta.json": META,
  "composefs/objects/aa/bb": "image",
  [`composefs/images/${ID}`]: { link: "../objects/aa/bb" },
  "composefs/streams/oci-config-sha256:x": { link: "../objects/aa/bb" },
  "composefs/streams/refs/oci/localhost%2Fbootc-sha256:x": { link: "../../oci-config-sha256:x" },
  "composefs/bootc/storage/overlay-images/images.json": JSON.stringify([
    {
      id: "ee".repeat(32),
      names: ["quay.io/example/os:latest"],
      digest: "sha256:x",
      created: "2026-01-01T00:00:00Z",
    },
  ]),
  "composefs/bootc/storage/overlay-layers/layers.json": JSON.stringify([{ id: "1" }, { id: "2" }]),
  "ostree/bootc": { link: "../composefs/bootc" },
  [`state/deploy/${ID}/${ID}.origin`]:
    "[origin]\ncontainer-image-reference = ostree-unverified-image:docker://quay.io/example/os\n\n[boot]\nboot_type = bls\ndigest = 00\n\n[image]\nmanifest_digest = sha256:x",
  "boot/loader/entries/bootc_os-1-1.conf": `title Example OS\nversion 1\nlinux /boot/x/vmlinuz\noptions rw composefs=?${ID}\n`,
};

async function detect(plants: Plants): Promise<RootReport> {
  using root = plant(plants);
  return await detectRoot(root.dir);
}

const codes = (report: RootReport): string[] => report.findings.map((finding) => finding.code);

describe("roots made by hand", () => {
  test("no root: none of the places that make one", async () => {
    await expect(detect({ etc: null, usr: null })).rejects.toMatchObject({
      code: "storage/not-a-root",
      kind: "not-found",
    });
  });

  test("empty: the places are there with nothing in them", async () => {
    expect(await detect({ ostree: null, boot: null, state: null })).toEqual({
      readOnly: false,
      bootBackend: "none",
      bootcRoot: { kind: "absent" },
      stores: { ostree: null, composefs: null, containersStorage: null },
      deployments: { ostree: [], composefs: [] },
      boot: { present: true, entries: [], stagedEntries: [], grubMenu: false },
      findings: [],
    });
  });

  test("ostree alone", async () => {
    expect(await detect(OSTREE)).toMatchObject({
      bootBackend: "ostree",
      stores: {
        ostree: { mode: "bare", repoVersion: 1, stateroots: ["default"], remotes: ["fedora"] },
        composefs: null,
      },
      deployments: {
        ostree: [
          {
            stateroot: "default",
            checksum: CHECKSUM,
            serial: 0,
            pinned: true,
            composefs: true,
            imageReference: "ostree-unverified-registry:quay.io/example/os:latest",
            refspec: null,
          },
        ],
      },
      boot: {
        entries: [
          {
            file: "ostree-1.conf",
            title: "Example OS",
            boots: "ostree",
            target: `/ostree/boot.0/default/${CHECKSUM}/0`,
          },
        ],
      },
      findings: [],
    });
  });

  test("composefs alone, with the link", async () => {
    expect(await detect(COMPOSEFS)).toMatchObject({
      bootBackend: "composefs",
      bootcRoot: { kind: "link", target: "../composefs/bootc", resolves: true },
      stores: {
        composefs: {
          format: "current",
          version: 1,
          algorithm: "fsverity-sha512-12",
          erofsFormats: [1],
          mode: "0700",
          images: 1,
          streams: 1,
          tags: ["localhost/bootc-sha256:x"],
        },
        containersStorage: {
          driver: "overlay",
          initialised: true,
          layers: 2,
          images: [{ names: ["quay.io/example/os:latest"] }],
        },
      },
      deployments: { composefs: [{ id: ID, bootType: "bls", manifestDigest: "sha256:x", image: true }] },
      boot: { entries: [{ boots: "composefs", target: ID }] },
      findings: [],
    });
  });

  test("both", async () => {
    const report = await detect({
      ...COMPOSEFS,
      ...OSTREE,
      "boot/loader": null,
      "ostree/bootc": { link: "../composefs/bootc" },
    });
    expect(report.bootBackend).toBe("both");
    expect(report.findings).toEqual([]);
  });

  test("an old-format composefs repository", async () => {
    const report = await detect({
      composefs: { mode: 0o755 },
      [`composefs/objects/aa/${"b".repeat(126)}`]: "x",
      [`composefs/streams/refs`]: null,
    });
    expect(report.stores.composefs).toMatchObject({
      format: "old",
      algorithm: "fsverity-sha512-12",
      erofsFormats: [2],
      mode: "0755",
    });
    expect(codes(report)).toEqual(["storage/composefs-mode", "storage/composefs-old-format"]);
  });

  test("an empty composefs directory is no old repository", async () => {
    expect((await detect({ composefs: { mode: 0o700 } })).stores.composefs).toMatchObject({
      format: "empty",
      algorithm: null,
    });
  });

  test.each([
    ["that leads nowhere", "../composefs/bootc", ["storage/bootc-root-dangling"]],
    ["that leads elsewhere", "../other", ["storage/bootc-root-dangling", "storage/bootc-root-foreign"]],
    ["that leads out of the root", "/etc", ["storage/place-unreadable", "storage/bootc-root-foreign"]],
  ])("a link of bootc's root %s", async (_, link, expected) => {
    const report = await detect({ ...OSTREE, "ostree/bootc": { link } });
    expect(codes(report)).toEqual(expected);
    expect(report.bootcRoot).toMatchObject({ kind: "link", resolves: false });
    expect(report.stores.containersStorage).toBeNull();
    expect(report.stores.ostree?.mode).toBe("bare");
  });
});

describe("damage is reported, and the rest still shown", () => {
  test.each<[string, Plants, string[]]>([
    ["a repo without a config", { "ostree/repo/objects": null }, ["storage/ostree-config-missing"]],
    [
      "a config that is no key file",
      { "ostree/repo/config": "nonsense", "ostree/repo/objects": null },
      ["storage/place-unreadable"],
    ],
    [
      "a config of an unknown mode",
      { "ostree/repo/config": "[core]\nrepo_version=1\nmode=odd\n", "ostree/repo/objects": null },
      ["storage/ostree-config-odd"],
    ],
    [
      "a repo without objects",
      { "ostree/repo/config": "[core]\nrepo_version=1\nmode=bare\n" },
      ["storage/ostree-objects-missing"],
    ],
    ["a file where the repo belongs", { "ostree/repo": "x" }, ["storage/place-unreadable"]],
    ["a link where the repo belongs", { "ostree/repo": { link: "/etc" } }, ["storage/place-unreadable"]],
    [
      "a deployment without an origin",
      { [`ostree/deploy/s/deploy/${CHECKSUM}.1`]: null },
      ["storage/ostree-deployment-odd"],
    ],
    [
      "an origin without a deployment",
      { [`ostree/deploy/s/deploy/${CHECKSUM}.1.origin`]: "" },
      ["storage/ostree-deployment-odd"],
    ],
    ["a file among the stateroots", { "ostree/deploy/x": "" }, ["storage/ostree-deployment-odd"]],
    [
      "metadata that is no JSON",
      { composefs: { mode: 0o700 }, "composefs/meta.json": "{" },
      ["storage/json-invalid"],
    ],
    [
      "metadata without a version",
      { composefs: { mode: 0o700 }, "composefs/meta.json": "{}" },
      ["storage/composefs-meta-invalid"],
    ],
    [
      "metadata of the future",
      {
        composefs: { mode: 0o700 },
        "composefs/meta.json": JSON.stringify({
          version: 2,
          algorithm: "x",
          features: { incompatible: ["y"] },
        }),
      },
      [
        "storage/composefs-version-unknown",
        "storage/composefs-algorithm-unknown",
        "storage/composefs-feature-unknown",
      ],
    ],
    [
      "a broken image",
      {
        composefs: { mode: 0o700 },
        "composefs/meta.json": META,
        "composefs/images/x": { link: "../objects/no" },
      },
      ["storage/composefs-link-broken"],
    ],
    [
      "an image that is a file",
      { composefs: { mode: 0o700 }, "composefs/meta.json": META, "composefs/images/x": "" },
      ["storage/composefs-entry-odd"],
    ],
    [
      "a deployment without its image",
      { [`state/deploy/${ID}/${ID}.origin`]: "" },
      ["storage/deployment-image-missing"],
    ],
    ["a state directory that is no id", { "state/deploy/x": null }, ["storage/composefs-deployment-odd"]],
    [
      "image records that are no list",
      { "ostree/bootc/storage/overlay-images/images.json": "{}" },
      ["storage/containers-storage-records-invalid"],
    ],
    [
      "an image record without an id",
      { "ostree/bootc/storage/overlay-images/images.json": "[{}]" },
      ["storage/containers-storage-records-invalid"],
    ],
    [
      "image records that are cut",
      { "ostree/bootc/storage/overlay-images/images.json": "[" },
      ["storage/json-invalid"],
    ],
    ["bootc's root as a file", { "ostree/bootc": "" }, ["storage/bootc-root-odd"]],
  ])("%s", async (_, plants, expected) => {
    const report = await detect({ boot: null, ...plants });
    expect(codes(report)).toEqual(expected);
    expect(report.boot.present).toBe(true);
    for (const finding of report.findings) expect(finding.message).toMatch(/\S/);
  });

  test("looking changes nothing", async () => {
    using root = plant({ ...COMPOSEFS, composefs: { mode: 0o755 } });
    const before = spawnSync("find", [root.path, "-printf", "%p %m %T@ %C@\n"], { encoding: "utf8" }).stdout;
    await detectRoot(root.dir);
    expect(spawnSync("find", [root.path, "-printf", "%p %m %T@ %C@\n"], { encoding: "utf8" }).stdout).toBe(
      before,
    );
    expect(before).toContain("meta.json");
  });

  test("a signal stops it", async () => {
    using root = plant(OSTREE);
    await expect(detectRoot(root.dir, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: "core/cancelled",
    });
  });
});

// Sysroots that ostree and bootc made themselves. They are not part of the project.
const RECORDED = join(import.meta.dirname, "../../../../shared/fixtures/ostree-container");

describe.skipIf(!existsSync(RECORDED) || process.getuid?.() !== 0)(
  "recorded sysroots (needs ../shared and root)",
  () => {
    const recordings = existsSync(RECORDED)
      ? ["sysroot", "composefs-backend"].flatMap((folder) =>
          readdirSync(join(RECORDED, folder))
            .filter((name) => name.endsWith(".tar.gz") && !name.includes(".esp."))
            .map((name) => join(folder, name)),
        )
      : [];

    test.each(recordings)("%s: nothing in it is taken for damage", async (name) => {
      const path = mkdtempSync(join(tmpdir(), "bootc-store-recorded-"));
      try {
        expect(spawnSync("tar", ["-xpf", join(RECORDED, name), "-C", path, "--xattrs"]).status).toBe(0);
        const [only] = readdirSync(path);
        const top = ["ostree", "composefs", "state", "boot"].some((marker) => existsSync(join(path, marker)))
          ? path
          : join(path, only ?? "");
        using dir = Dir.openHost(utf8(top));
        const report = await detectRoot(dir);
        const errors = report.findings.filter((finding) => finding.severity === "error");
        expect(errors).toEqual([]);
        if (name.startsWith("composefs-backend")) {
          expect(report.deployments.composefs.length).toBeGreaterThan(0);
          expect(report.bootcRoot).toMatchObject({ kind: "link", resolves: true });
        } else if (!name.includes("empty")) {
          expect(report.deployments.ostree.length).toBeGreaterThan(0);
          expect(report.boot.entries.length).toBeGreaterThan(0);
        }
      } finally {
        spawnSync("chattr", ["-R", "-i", path]);
        rmSync(path, { recursive: true, force: true });
      }
    });
  },
);
