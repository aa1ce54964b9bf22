import { defineErrors } from "@bootc-store/core";

/** Every error that this package throws. */
export const ostreeErrors = defineErrors("ostree", {
  "variant-type-invalid": { kind: "corrupt", meaning: "A text is not the type of a variant." },
  "variant-not-normal": { kind: "corrupt", meaning: "Bytes are not a variant of their type in normal form." },
  "variant-limit": { kind: "corrupt", meaning: "A variant is larger or deeper than its limit." },
  "variant-value-invalid": { kind: "usage", meaning: "A value is not of the type it is to be written as." },
  "variant-text-invalid": { kind: "usage", meaning: "A text is not a value in GVariant's text form." },
  "checksum-invalid": {
    kind: "usage",
    meaning: "A text is not a checksum of 64 lower-case hexadecimal digits.",
  },
  "object-not-found": {
    kind: "not-found",
    meaning: "An object is not in the repository, nor in its parents.",
  },
  "object-invalid": { kind: "corrupt", meaning: "An object's content is not what its type has." },
  "object-too-large": { kind: "corrupt", meaning: "A metadata object is larger than 128 MiB." },
  "object-checksum-mismatch": {
    kind: "corrupt",
    meaning: "An object's content has another checksum than its name.",
  },
  "object-mode-invalid": {
    kind: "unsupported",
    meaning: "A repository of mode bare-user-only cannot hold a file with these permission bits.",
  },
  "name-not-utf8": { kind: "unsupported", meaning: "A file name or a symlink's target is not UTF-8." },
  "file-type-unsupported": {
    kind: "unsupported",
    meaning: "Something is neither directory nor regular file nor symlink, so no commit can hold it.",
  },
  "repo-not-found": {
    kind: "not-found",
    meaning: "There is no repository at this place.",
    hint: "`ostree init --repo=PATH --mode=MODE` makes one.",
  },
  "repo-version-unsupported": { kind: "unsupported", meaning: "The repository's version is not 1." },
  "config-invalid": { kind: "corrupt", meaning: "A value in the repository's config cannot be read." },
  "mode-unsupported": { kind: "unsupported", meaning: "This cannot be done in a repository of this mode." },
  "repo-read-only": {
    kind: "read-only",
    meaning: "The repository was opened for reading, or lies on a read-only medium.",
  },
  "lock-timeout": {
    kind: "conflict",
    meaning: "Another process holds the repository's lock.",
    hint: "`core.lock-timeout-secs` says how long to wait.",
  },
  "free-space-reserved": {
    kind: "io",
    meaning: "Writing would use space that min-free-space keeps free.",
    hint: "Prune, or lower core.min-free-space-percent or core.min-free-space-size.",
  },
  "transaction-active": { kind: "bug", meaning: "A transaction was begun while another one was going on." },
  "ref-invalid": { kind: "usage", meaning: "A text is no name of a ref, a remote or a collection." },
  "ref-not-found": { kind: "not-found", meaning: "A ref does not exist." },
  "ref-ambiguous": { kind: "usage", meaning: "An abbreviated checksum is that of more than one commit." },
  "ref-conflict": { kind: "conflict", meaning: "A ref cannot be written because of others." },
  "commit-without-parent": { kind: "not-found", meaning: "A commit has no parent." },
  "tree-conflict": {
    kind: "usage",
    meaning: "A directory and a file have the same name in trees that are laid over one another.",
  },
  "path-not-found": { kind: "not-found", meaning: "A path names nothing in a commit." },
  "path-not-directory": { kind: "not-found", meaning: "A component of a path is not a directory." },
  "tree-empty": { kind: "usage", meaning: "A tree without a root directory's metadata cannot be committed." },
  "tree-cycle": { kind: "corrupt", meaning: "A directory contains itself, or trees are too deep." },
  "tree-too-large": { kind: "unsupported", meaning: "A tree has more names than an image is made of." },
  "composefs-digest-mismatch": {
    kind: "corrupt",
    meaning: "A commit's composefs image has another digest than its metadata says.",
  },
  "kernel-not-found": { kind: "usage", meaning: "A tree to be booted has no kernel, or several." },
  "tar-invalid": { kind: "corrupt", meaning: "An entry of a tar cannot be taken into a commit." },
  "hardlink-impossible": {
    kind: "unsupported",
    meaning: "A checkout was to link files, and objects of this mode are not what it has to have.",
  },
  "file-exists": { kind: "conflict", meaning: "A checkout would put a file where another one is." },
  "whiteout-invalid": { kind: "corrupt", meaning: "A whiteout names nothing that it could remove." },
  "content-changed": { kind: "conflict", meaning: "A file was changed while it was being stored." },
  "content-not-cloned": {
    kind: "unsupported",
    meaning: "Content cannot be shared by reflink, and a copy was not allowed.",
  },
  "image-document-invalid": {
    kind: "corrupt",
    meaning: "The manifest or the configuration of an image cannot be understood.",
  },
  "image-layout-invalid": {
    kind: "corrupt",
    meaning: "An image does not say where its layers of ostree objects end.",
  },
  "image-layer-invalid": {
    kind: "corrupt",
    meaning: "A layer of ostree objects has something else in it, or lacks something.",
  },
  "image-not-found": { kind: "not-found", meaning: "The repository has no container image of that name." },
  "image-not-allowed": {
    kind: "unsupported",
    meaning: "An image is not signed as its reference wants it, or that cannot be checked.",
  },
  "policy-invalid": {
    kind: "corrupt",
    meaning: "A SELinux policy is switched on and lacks what labels are read from.",
  },
  "content-size": { kind: "corrupt", meaning: "A content has more or fewer bytes than were announced." },
  "sysroot-invalid": {
    kind: "corrupt",
    meaning: "A sysroot's boot entries or links are not as ostree writes them.",
  },
  "deployment-not-found": { kind: "not-found", meaning: "A sysroot does not have a deployment." },
});
