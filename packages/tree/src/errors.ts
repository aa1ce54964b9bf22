import { defineErrors } from "@bootc-store/core";

/** Every error that this package throws. */
export const treeErrors = defineErrors("tree", {
  "name-invalid": {
    kind: "corrupt",
    meaning: "A name is empty, `.`, `..`, too long, or has a slash or a NUL byte in it.",
  },
  "path-invalid": { kind: "corrupt", meaning: "A path has a component that is no name." },
  "path-not-found": { kind: "not-found", meaning: "A path names nothing in the tree." },
  "path-not-directory": {
    kind: "corrupt",
    meaning: "A component of a path that must be a directory is not.",
  },
  "entry-duplicate": { kind: "corrupt", meaning: "A name occurs twice in one directory." },
  "entry-parent-missing": { kind: "corrupt", meaning: "An entry's parent directory does not exist." },
  "entry-cycle": { kind: "bug", meaning: "A directory would be contained in itself, or in two places." },
  "hardlink-target-missing": { kind: "corrupt", meaning: "A hard link's target does not exist." },
  "hardlink-target-directory": { kind: "corrupt", meaning: "A hard link's target is a directory." },
  "hardlink-cycle": { kind: "corrupt", meaning: "Hard links name each other as target." },
  "root-invalid": { kind: "corrupt", meaning: "The root of a tree is not a directory." },
  "whiteout-invalid": { kind: "corrupt", meaning: "A whiteout names nothing that it could hide." },
  "whiteout-conflict": {
    kind: "corrupt",
    meaning: "A layer hides a name that it has itself, which the overlay unpacker refuses.",
  },
  "entry-conflict": {
    kind: "corrupt",
    meaning: "One path of one layer is both a directory and something else.",
  },
  "entry-unsupported": {
    kind: "unsupported",
    meaning: "A layer has an entry that these rules do not allow.",
  },
  "path-escapes": { kind: "corrupt", meaning: "A path or a symlink's target leaves the root." },
  "overlay-feature-unsupported": {
    kind: "unsupported",
    meaning: "A layer uses overlay's redirects or metadata-only copies, whose content is elsewhere.",
  },
  "merge-order": { kind: "bug", meaning: "A layer was added while another one was not ended." },
  "metadata-invalid": {
    kind: "corrupt",
    meaning: "A mode, owner, time or device number is not one that a file can have.",
  },
  "target-invalid": { kind: "corrupt", meaning: "A symlink's target is empty, too long, or has a NUL byte." },
  "content-invalid": {
    kind: "corrupt",
    meaning: "A file's content disagrees with its size or is no content.",
  },
  "xattr-invalid": { kind: "corrupt", meaning: "An extended attribute's name or value is not allowed." },
  "limit-exceeded": {
    kind: "corrupt",
    meaning: "A tree is larger or deeper than the limit that was set for it.",
    hint: "If the data is trusted, raise the limit in the options.",
  },
  frozen: { kind: "bug", meaning: "A tree was changed after it was frozen." },
  "label-syntax": {
    kind: "corrupt",
    meaning: "A line of a file_contexts or substitution file cannot be read.",
  },
  "label-regex-unsupported": {
    kind: "unsupported",
    meaning: "A regular expression of a file_contexts file would mean something else here than in PCRE.",
  },
});
