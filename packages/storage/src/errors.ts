import { defineErrors } from "@bootc-store/core";

/** Every error that this package throws. */
export const storageErrors = defineErrors("storage", {
  "not-a-root": {
    kind: "not-found",
    meaning: "A directory holds none of ostree, composefs, state and boot, so it is no physical root.",
    hint: "Name the top of the disk: /sysroot on a booted host, the mount point of a mounted one.",
  },
  "root-unnamed": {
    kind: "usage",
    meaning: "No physical root was named, and this host has none in the usual place.",
  },
  "read-only": {
    kind: "read-only",
    meaning: "The physical root cannot be written to.",
  },
  "boot-dir-absent": { kind: "not-found", meaning: "There is no boot directory." },
  "esp-absent": { kind: "not-found", meaning: "There is no EFI system partition." },
  "backend-absent": {
    kind: "unsupported",
    meaning: "The backend of this store is not there, so the store cannot be opened.",
  },
  "ostree-not-initialized": {
    kind: "not-found",
    meaning: "The ostree store was asked for and has not been opened.",
  },
  "composefs-dir-blocked": {
    kind: "conflict",
    meaning: "Something that is no directory is where the composefs repository belongs.",
  },
  "bootc-root-blocked": {
    kind: "conflict",
    meaning: "Something that is neither a directory nor a link is where bootc's own root belongs.",
  },
  "cmdline-digest-invalid": {
    kind: "corrupt",
    meaning:
      "The composefs argument of the kernel command line, or the source of the root mount, holds no digest.",
  },
  "root-mount-not-composefs": {
    kind: "corrupt",
    meaning: "The kernel command line says composefs, and the root is not mounted from composefs.",
  },
  "argument-invalid": { kind: "usage", meaning: "An option has a value that it does not take." },
  "image-missing": { kind: "not-found", meaning: "A store has no image of that name or digest." },
  "thing-not-found": {
    kind: "not-found",
    meaning: "No store has an object, an image or a layer of that name.",
  },
  "image-ambiguous": {
    kind: "usage",
    meaning: "More than one image is meant by a text.",
    hint: "Name it by its manifest's digest.",
  },
  "deployments-unreadable": {
    kind: "corrupt",
    meaning: "A deployment cannot be understood, so that what it needs is not known, and nothing is removed.",
    hint: "`bootc-store status` names what is damaged.",
  },
  "tree-not-found": {
    kind: "not-found",
    meaning: "A text names neither an image or commit of a store nor a directory.",
    hint: "`bootc-store images` lists what there is; a directory is written dir:PATH.",
  },
  "host-invalid": { kind: "corrupt", meaning: "A document is no status of a host as bootc prints it." },
  "disk-too-small": {
    kind: "io",
    meaning: "There is less room on the file system than an image needs at least.",
    hint: "`bootc-store gc` removes what nothing needs.",
  },
  "digest-lost": {
    kind: "unsupported",
    meaning: "An image cannot be written out with the digest that it came with.",
    hint: "Copy it from where it was pulled from with `bootc-store copy`, or do without --keep-digest.",
  },
  "not-booted": { kind: "unsupported", meaning: "The system was booted by neither ostree nor composefs." },
  "remount-failed": {
    kind: "read-only",
    meaning: "The physical root is mounted read-only and could not be remounted.",
  },
});
