import { describe, expect, test } from "vitest";

import * as paths from "./index.ts";

describe("bootc's constants", () => {
  // The values of bootc's store module and its neighbours; whoever changes one changes what is on disk.
  test.each([
    ["SYSROOT", "sysroot"],
    ["COMPOSEFS", "composefs"],
    ["COMPOSEFS_MODE", 0o700],
    ["BOOTC_ROOT", "ostree/bootc"],
    ["COMPOSEFS_BOOTC_ROOT", "composefs/bootc"],
    ["BOOTC_ROOT_LINK_TARGET", "../composefs/bootc"],
    ["STORAGE", "ostree/bootc/storage"],
    ["STORAGE_RUN_ROOT", "bootc/storage"],
    ["STORAGE_ALIAS", "/run/bootc/storage"],
    ["STORAGE_LABELED_STAMP", ".bootc_labeled"],
    ["COMPOSEFS_KARG", "composefs"],
    ["COMPOSEFS_STATE", "state/deploy"],
    ["COMPOSEFS_SHARED_VAR", "state/os/default/var"],
    ["COMPOSEFS_VAR_LINK_TARGET", "../../os/default/var"],
    ["LOADER_ENTRIES", "loader/entries"],
    ["LOADER_ENTRIES_STAGED", "loader/entries.staged"],
    ["GRUB_USER_CFG", "grub2/user.cfg"],
    ["BOOT_ARTEFACT_PREFIX", "bootc_composefs-"],
    ["BOOTC_TAG_PREFIX", "localhost/bootc-"],
    ["BOUND_IMAGES", "usr/lib/bootc/bound-images.d"],
    ["BASE_IMAGE_REF_PREFIX", "ostree/container/baseimage/bootc"],
  ] as const)("%s is %j", (name, value) => {
    expect(paths[name]).toBe(value);
  });
});

describe("the table of places", () => {
  test.each(Object.entries(paths.LAYOUT))("%s is a relative, normal path with a sentence", (_, place) => {
    expect(place.path).toMatch(/^[^/]+(?:\/[^/]+)*$/);
    expect(place.path.split("/")).not.toContain("..");
    expect(place.about).toMatch(/^\S.*\.$/);
  });

  test("no two places are the same", () => {
    const all = Object.values(paths.LAYOUT).map((place) => `${place.base}:${place.path}`);
    expect(new Set(all).size).toBe(all.length);
  });

  test("the link of bootc's root leads to the real one", () => {
    const from = `/${paths.BOOTC_ROOT}`.split("/").slice(0, -1).join("/");
    expect(new URL(paths.BOOTC_ROOT_LINK_TARGET, `file://${from}/`).pathname).toBe(
      `/${paths.COMPOSEFS_BOOTC_ROOT}`,
    );
  });
});

describe("names made of ids", () => {
  const id = "ab".repeat(64);
  const checksum = "cd".repeat(32);

  test("composefs", () => {
    expect(paths.composefsOrigin(id)).toBe(`state/deploy/${id}/${id}.origin`);
    expect(paths.composefsImageInfo(id)).toBe(`state/deploy/${id}/${id}.imginfo`);
    expect(paths.espUki(id)).toBe(`EFI/Linux/bootc/bootc_composefs-${id}.efi`);
    expect(paths.espKernelDir(id)).toBe(`EFI/Linux/bootc_composefs-${id}`);
    expect(paths.bootcTag("sha256:x")).toBe("localhost/bootc-sha256:x");
    expect(paths.COMPOSEFS_ID.test(id)).toBe(true);
    expect(paths.COMPOSEFS_ID.test(id.slice(1))).toBe(false);
  });

  test("ostree", () => {
    expect(paths.ostreeOrigin("os", checksum, 1)).toBe(`ostree/deploy/os/deploy/${checksum}.1.origin`);
    expect(paths.parseOstreeDeploymentName(`${checksum}.10`)).toEqual({ checksum, serial: 10 });
    for (const bad of [
      checksum,
      `${checksum}.`,
      `${checksum}.01`,
      `${checksum}.1.origin`,
      `${checksum}.99999999999999999`,
    ]) {
      expect(paths.parseOstreeDeploymentName(bad)).toBeUndefined();
    }
  });
});
