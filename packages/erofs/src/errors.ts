import { defineErrors } from "@bootc-store/core";

/** Every error that this package throws. */
export const erofsErrors = defineErrors("erofs", {
  "dump-syntax": { kind: "corrupt", meaning: "A line of a dump file cannot be read." },
  "dump-value": { kind: "corrupt", meaning: "A field of a dump file has a value that it cannot have." },
  "dump-tree": {
    kind: "corrupt",
    meaning:
      "The lines of a dump file do not make a tree: a parent, a root or a hard link's target is missing or wrong.",
  },
  "image-invalid": {
    kind: "corrupt",
    meaning: "An EROFS image is damaged, or is none that composefs writes.",
  },
  "image-unsupported": {
    kind: "unsupported",
    meaning: "An EROFS image uses features that composefs images do not have.",
  },
  "image-limit": {
    kind: "corrupt",
    meaning: "An EROFS image is larger or deeper than the limit that was set for it.",
  },
  "file-too-large": { kind: "usage", meaning: "A file is too large for an image of this format." },
  "hardlink-cycle": { kind: "corrupt", meaning: "Hard links name each other as target." },
  "value-unsupported": {
    kind: "usage",
    meaning: "A tree has something that an image of this format cannot hold.",
  },
});
