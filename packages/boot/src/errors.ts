import { defineErrors } from "@bootc-store/core";

/** Every error that this package throws. */
export const bootErrors = defineErrors("boot", {
<<<<<<< HEAD
  "entry-key-invalid": { kind: "usage", meaning: "A key or value cannot stand in a line of a boot entry." },
  "menu-syntax": { kind: "corrupt", meaning: "A GRUB menu has a menuentry that cannot be read." },
  "menu-value-invalid": {
    kind: "usage",
    meaning: "A title or a command cannot be written into a GRUB menu.",
  },
  "karg-invalid": { kind: "usage", meaning: "A text is no single kernel argument." },
  "uki-invalid": { kind: "corrupt", meaning: "A file is no PE image, or its headers lie." },
  "uki-section-absent": { kind: "not-found", meaning: "A UKI lacks a section." },
  "limit-exceeded": {
    kind: "corrupt",
    meaning: "A boot file is larger or has more parts than the limit that was set for it.",
    hint: "If the file is trusted, raise the limit in the options.",
=======
  "bls-invalid": {
    kind: "corrupt",
    meaning: "A boot entry lacks a key that it needs, or has two that exclude each other.",
  },
  "bls-value-invalid": {
    kind: "usage",
    meaning: "A key or a value cannot be written on one line of a boot entry.",
  },
  "file-name-invalid": { kind: "corrupt", meaning: "A file name is not that of a boot entry." },
  "grub-syntax": { kind: "corrupt", meaning: "A GRUB menu cannot be read." },
  "grub-value-invalid": { kind: "usage", meaning: "A text cannot be written into a GRUB menu." },
  "syslinux-syntax": { kind: "corrupt", meaning: "A syslinux configuration has a label without a kernel." },
  "karg-not-found": { kind: "not-found", meaning: "A kernel argument that was to be changed is not there." },
  "karg-ambiguous": {
    kind: "conflict",
    meaning: "A kernel argument that was to be changed is there more than once.",
  },
  "composefs-argument-invalid": {
    kind: "corrupt",
    meaning: "A composefs= or composefs.digest= argument holds no digest.",
  },
  "ostree-argument-invalid": {
    kind: "corrupt",
    meaning: "An ostree= argument is no boot link of a deployment.",
  },
  "pe-invalid": {
    kind: "corrupt",
    meaning: "A file is no PE executable, or its sections lie outside of it.",
  },
  "uki-invalid": {
    kind: "corrupt",
    meaning: "A PE executable is no unified kernel image, or a section of it is damaged.",
>>>>>>> de921f2 (boot: entries, menus, command lines and unified kernel images)
  },
});
