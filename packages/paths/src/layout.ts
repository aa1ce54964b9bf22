// The table of places: what may lie where, who makes it, and with which mode. Detection and documentation
// read it; nothing else should spell a path.

import * as at from "./constants.ts";
import type { Place } from "./place.ts";

export const LAYOUT = {
  composefs: {
    base: "physical-root",
    path: at.COMPOSEFS,
    kind: "directory",
    owner: "composefs",
    mode: at.COMPOSEFS_MODE,
    about: "The composefs repository.",
  },
  composefsMeta: {
    base: "composefs-repository",
    path: "meta.json",
    kind: "file",
    owner: "composefs",
    about: "Version, algorithm and features of the repository; absent in the old format.",
  },
  composefsObjects: {
    base: "composefs-repository",
    path: "objects",
    kind: "directory",
    owner: "composefs",
    about: "Content by fs-verity digest, in 256 directories.",
  },
  composefsImages: {
    base: "composefs-repository",
    path: "images",
    kind: "directory",
    owner: "composefs",
    about: "Links to EROFS images, by their fs-verity digest, and refs to them.",
  },
  composefsStreams: {
    base: "composefs-repository",
    path: "streams",
    kind: "directory",
    owner: "composefs",
    about: "Links to splitstreams, by name, and refs to them.",
  },
  ostree: {
    base: "physical-root",
    path: "ostree",
    kind: "directory",
    owner: "ostree",
    about: "All that is ostree's, and bootc's own root.",
  },
  ostreeRepo: {
    base: "physical-root",
    path: at.OSTREE_REPO,
    kind: "directory",
    owner: "ostree",
    about: "The ostree repository.",
  },
  ostreeRepoConfig: {
    base: "physical-root",
    path: `${at.OSTREE_REPO}/config`,
    kind: "file",
    owner: "ostree",
    about: "Mode and options of the repository; without it there is none.",
  },
  ostreeDeploy: {
    base: "physical-root",
    path: at.OSTREE_DEPLOY,
    kind: "directory",
    owner: "ostree",
    about: "Stateroots with their deployments.",
  },
  bootcRoot: {
    base: "physical-root",
    path: at.BOOTC_ROOT,
    kind: "directory",
    owner: "bootc",
    about: "bootc's own root, or on composefs systems a link to it; its times say that something changed.",
  },
  composefsBootcRoot: {
    base: "physical-root",
    path: at.COMPOSEFS_BOOTC_ROOT,
    kind: "directory",
    owner: "bootc",
    about: "bootc's own root on composefs systems.",
  },
  storage: {
    base: "physical-root",
    path: at.STORAGE,
    kind: "directory",
    owner: "containers-storage",
    about: "The graph root of bootc's containers-storage.",
  },
  storageImages: {
    base: "physical-root",
    path: `${at.STORAGE}/overlay-images/images.json`,
    kind: "file",
    owner: "containers-storage",
    about: "Records of images; there once the store has been initialised.",
  },
  storageRunRoot: {
    base: "run",
    path: at.STORAGE_RUN_ROOT,
    kind: "directory",
    owner: "containers-storage",
    about: "The run root of bootc's containers-storage.",
  },
  composefsState: {
    base: "physical-root",
    path: at.COMPOSEFS_STATE,
    kind: "directory",
    owner: "bootc",
    about: "State of composefs deployments, one directory each.",
  },
  composefsSharedVar: {
    base: "physical-root",
    path: at.COMPOSEFS_SHARED_VAR,
    kind: "directory",
    owner: "bootc",
    about: "The one /var of all composefs deployments.",
  },
  composefsStaged: {
    base: "run",
    path: `${at.COMPOSEFS_TRANSIENT_STATE}/${at.COMPOSEFS_STAGED_DEPLOYMENT}`,
    kind: "file",
    owner: "bootc",
    about: "The composefs deployment that the next reboot will finalise.",
  },
  boot: {
    base: "physical-root",
    path: "boot",
    kind: "directory",
    owner: "bootloader",
    about: "Kernels and boot entries, or the place where their partition is mounted.",
  },
  loaderEntries: {
    base: "boot",
    path: at.LOADER_ENTRIES,
    kind: "directory",
    owner: "bootloader",
    about: "Boot entries that are live.",
  },
  loaderEntriesStaged: {
    base: "boot",
    path: at.LOADER_ENTRIES_STAGED,
    kind: "directory",
    owner: "bootc",
    about: "Boot entries that the next reboot will exchange the live ones for.",
  },
  grubUserCfg: {
    base: "boot",
    path: at.GRUB_USER_CFG,
    kind: "file",
    owner: "bootc",
    about: "GRUB's menu of UKIs.",
  },
  ostreeBooted: {
    base: "run",
    path: at.OSTREE_BOOTED,
    kind: "file",
    owner: "ostree",
    about: "Marks a system booted by ostree.",
  },
  ostreeStaged: {
    base: "run",
    path: at.OSTREE_STAGED_DEPLOYMENT,
    kind: "file",
    owner: "ostree",
    about: "The ostree deployment that the next reboot will finalise.",
  },
  boundImages: {
    base: "image-root",
    path: at.BOUND_IMAGES,
    kind: "directory",
    owner: "bootc",
    about: "Quadlets of the images that must be there with this one.",
  },
  kargs: {
    base: "image-root",
    path: at.KARGS_D,
    kind: "directory",
    owner: "bootc",
    about: "Kernel arguments that an image brings.",
  },
  aleph: {
    base: "physical-root",
    path: at.ALEPH,
    kind: "file",
    owner: "bootc",
    about: "How the system was installed.",
  },
} as const satisfies Record<string, Place>;

export type PlaceName = keyof typeof LAYOUT;

/** A directory with none of these is no physical root. */
export const ROOT_MARKERS = ["ostree", "composefs", "state", "boot"] as const;
