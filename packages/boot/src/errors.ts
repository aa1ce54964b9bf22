import { defineErrors } from "@bootc-store/core";

/** Every error that this package throws. */
export const bootErrors = defineErrors("boot", {
  "entry-key-invalid": { kind: "usage", meaning: "A key or value cannot stand in a line of a boot entry." },
  "entry-invalid": { kind: "corrupt", meaning: "A boot entry lacks a key that a boot loader needs." },
  "file-name-invalid": { kind: "corrupt", meaning: "A file name is not that of a boot entry." },
  "syslinux-syntax": { kind: "corrupt", meaning: "A syslinux configuration has a label without a kernel." },
  "menu-syntax": { kind: "corrupt", meaning: "A GRUB menu has a menuentry that cannot be read." },
  "menu-value-invalid": {
    kind: "usage",
    meaning: "A title or a command cannot be written into a GRUB menu.",
  },
  "karg-invalid": { kind: "usage", meaning: "A text is no single kernel argument." },
  "karg-not-found": {
    kind: "not-found",
    meaning: "A kernel argument that was to be changed is not there.",
  },
  "karg-ambiguous": {
    kind: "conflict",
    meaning: "A kernel argument that was to be changed is there more than once.",
  },
  "uki-invalid": { kind: "corrupt", meaning: "A file is no PE image, or its headers lie." },
  "uki-section-absent": { kind: "not-found", meaning: "A UKI lacks a section." },
  "limit-exceeded": {
    kind: "corrupt",
    meaning: "A boot file is larger or has more parts than the limit that was set for it.",
    hint: "If the file is trusted, raise the limit in the options.",
  },
});
