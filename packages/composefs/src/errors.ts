import { defineErrors } from "@bootc-store/core";

/** Every error that this package throws. */
export const composefsErrors = defineErrors("composefs", {
  "metadata-missing": {
    kind: "not-found",
    meaning: "A directory has no meta.json, so it is no repository of the current format.",
    hint: "Initialise it, or open it with `upgrade` if it is of the old format.",
  },
  "metadata-invalid": { kind: "corrupt", meaning: "meta.json is not JSON, or lacks what it must have." },
  "version-unsupported": {
    kind: "unsupported",
    meaning: "meta.json is of a version that this program does not know.",
  },
  "feature-unsupported": {
    kind: "unsupported",
    meaning: "The repository requires a feature that this program does not know.",
  },
  "algorithm-mismatch": {
    kind: "usage",
    meaning: "The repository is of another algorithm than was asked for.",
  },
  "already-initialized": { kind: "conflict", meaning: "There is a repository already, of another kind." },
  "repository-locked": { kind: "conflict", meaning: "Another program has locked the repository." },
  "not-writable": { kind: "read-only", meaning: "The repository cannot be written to." },
  "verity-required": {
    kind: "unsupported",
    meaning: "A secure repository needs fs-verity, which this kernel or file system does not have.",
    hint: "Use a file system with fs-verity (ext4, btrfs, f2fs), or an insecure repository.",
  },
  "verity-missing": { kind: "corrupt", meaning: "An object of a secure repository has no fs-verity." },
  "object-missing": { kind: "not-found", meaning: "An object that is referred to is not there." },
  "object-mismatch": { kind: "corrupt", meaning: "An object's content has another digest than its name." },
  "object-name-invalid": { kind: "corrupt", meaning: "A link leads to something that is no object's name." },
  "copy-refused": {
    kind: "unsupported",
    meaning: "Content could be neither cloned nor linked, and copying it was not allowed.",
    hint: "Allow copies, or keep both stores on one file system with reflinks.",
  },
  "source-changed": {
    kind: "conflict",
    meaning: "A file was changed while an image was made of its directory.",
    hint: "Make the image of a directory that nobody writes to, such as a snapshot.",
  },
  "attributes-too-large": {
    kind: "unsupported",
    meaning: "The extended attributes of a file are more than an image can hold.",
  },
  "content-size": { kind: "corrupt", meaning: "A content has more or fewer bytes than was said." },
  "stream-missing": { kind: "not-found", meaning: "There is no stream of that name." },
  "stream-invalid": { kind: "corrupt", meaning: "A file is no splitstream, or its sections lie." },
  "stream-name-invalid": { kind: "usage", meaning: "A name cannot be that of a stream, image or tag." },
  "layer-mismatch": {
    kind: "corrupt",
    meaning: "A layer does not have the diff id that it was announced with.",
  },
  "tar-unsupported": {
    kind: "unsupported",
    meaning: "A layer's tar has an entry that a composefs image cannot have.",
  },
  "tree-unsuitable": {
    kind: "unsupported",
    meaning: "An image lacks what its composefs image must have, such as /usr.",
  },
  "layer-missing": { kind: "not-found", meaning: "An image's layer is not in the repository." },
  "image-missing": { kind: "not-found", meaning: "There is no image of that name or id." },
  "digest-mismatch": {
    kind: "corrupt",
    meaning: "A manifest or config has another digest than it was stored under.",
  },
  "link-invalid": {
    kind: "corrupt",
    meaning: "Something that is no link is among the links of a repository, or a link leads nowhere.",
  },
  "deployment-invalid": {
    kind: "corrupt",
    meaning: "An origin, a boot entry or the record of a staged deployment cannot be understood.",
  },
  "mount-refused": { kind: "unsupported", meaning: "The kernel does not mount an image." },
  "repository-unnamed": { kind: "usage", meaning: "A command was not told which repository to work on." },
  "option-invalid": { kind: "usage", meaning: "An option has a value that it cannot have." },
  "limit-exceeded": {
    kind: "corrupt",
    meaning: "Something is larger than the limit that was set for it.",
    hint: "If the data is trusted, raise the limit in the options.",
  },
});
