// The commands of cfsctl 0.9.4 as its default build has them, ostree's and varlink's named only.

import type { Check, CommandSpec, OperandSpec, OptionSpec } from "../clap/spec.ts";
import { algorithmProblem, digestProblem, imageProblem, xattrsProblem } from "./values.ts";

const flag = (name: string, help: string, more: Partial<OptionSpec> = {}): OptionSpec => ({
  name,
  help,
  ...more,
});

const option = (name: string, help: string, more: Partial<OptionSpec> = {}): OptionSpec => ({
  name,
  help,
  value: name.toUpperCase().replaceAll("-", "_"),
  ...more,
});

const operand = (name: string, help: string, check?: Check): OperandSpec => ({
  name,
  required: true,
  help,
  ...(check === undefined ? {} : { check }),
});

const optional = (name: string, help: string): OperandSpec => ({ name, required: false, help });

function command(
  path: string,
  about: string,
  operands: readonly OperandSpec[] = [],
  options: readonly OptionSpec[] = [],
  more: Partial<CommandSpec> = {},
): CommandSpec {
  return { path, about, operands, options, commands: [], ...more };
}

const EROFS_VERSION = option("erofs-version", "format of the images that are made", {
  values: ["0", "1", "2"],
});
const XATTRS = option("xattrs", "which extended attributes images keep", {
  default: "allowlist-only",
  check: xattrsProblem,
});
const BOOTABLE = flag("bootable", "of the image for booting");
const NO_PROPAGATE = flag(
  "no-propagate-usr-to-root",
  "take the directory as it is, not as the root of a container",
);
const TREE = [BOOTABLE, NO_PROPAGATE, XATTRS];
const JSON_FLAG = flag("json", "print JSON");
const MOUNT = [
  option("fuse", "whether the image is mounted by a FUSE server", {
    values: ["auto", "yes", "no"],
    default: "auto",
  }),
  flag("foreground", "keep the FUSE server in the foreground"),
  option("upperdir", "directory for changes", { requires: ["workdir"] }),
  option("workdir", "work directory of the overlay", { requires: ["upperdir"] }),
  flag("read-write", "make the mount writable", { requires: ["upperdir"] }),
];
const ADDRESS = option("address", "socket to serve on");
const IMAGE_HELP = "a tag, or @ and a digest";

const OCI: readonly CommandSpec[] = [
  command("cfsctl oci import-layer", "store a tar from standard input as a layer", [
    operand("DIGEST", "its diff id", digestProblem),
    optional("NAME", "a name for its stream"),
  ]),
  command(
    "cfsctl oci dump",
    "print the merged tree of an image as a dump file",
    [operand("CONFIG_NAME", IMAGE_HELP, imageProblem), optional("CONFIG_VERITY", "id of the stream")],
    [BOOTABLE, XATTRS],
  ),
  command(
    "cfsctl oci pull",
    "store an image and what is made of it",
    [operand("IMAGE", "TRANSPORT:PLACE"), optional("NAME", "its tag; as IMAGE was typed unless given")],
    [
      flag("bootable", "make the image for booting too"),
      option("expected-digest", "make that image for booting which has this digest", {
        requires: ["bootable"],
      }),
      option("local-fetch", "whether content of containers-storage is shared", {
        values: ["disabled", "auto", "zerocopy"],
        default: "disabled",
      }),
    ],
  ),
  command(
    "cfsctl oci copy",
    "copy an image out of another repository",
    [operand("IMAGE", IMAGE_HELP, imageProblem)],
    [
      option("from", "the other repository", { required: true }),
      option("name", "its tag here"),
      flag("zerocopy", "share content, or fail"),
    ],
  ),
  command("cfsctl oci images", "list tagged images", [], [JSON_FLAG]),
  command(
    "cfsctl oci inspect",
    "show an image's documents",
    [operand("IMAGE", IMAGE_HELP, imageProblem)],
    [
      flag("manifest", "print the manifest only", { conflicts: ["config"] }),
      flag("config", "print the configuration only"),
    ],
  ),
  command("cfsctl oci tag", "give an image a tag", [
    operand("MANIFEST_DIGEST", "digest of its manifest", digestProblem),
    operand("NAME", "the tag"),
  ]),
  command("cfsctl oci untag", "remove a tag", [operand("NAME", "the tag")]),
  command(
    "cfsctl oci layer",
    "print a layer's tar, or what is in it",
    [operand("LAYER", "its diff id", digestProblem)],
    [
      flag("dumpfile", "print lines of a dump file"),
      flag("json", "print sizes and counts", { conflicts: ["dumpfile"] }),
    ],
  ),
  command(
    "cfsctl oci mount",
    "mount an image",
    [operand("IMAGE", "a tag, or a digest"), operand("MOUNTPOINT", "where")],
    [BOOTABLE, ...MOUNT],
  ),
  command(
    "cfsctl oci compute-id",
    "print the id of an image",
    [operand("CONFIG_NAME", IMAGE_HELP, imageProblem), optional("CONFIG_VERITY", "id of the stream")],
    [BOOTABLE, XATTRS],
  ),
  command(
    "cfsctl oci prepare-boot",
    "write an image's kernel and boot entry",
    [operand("CONFIG_NAME", IMAGE_HELP, imageProblem), optional("CONFIG_VERITY", "id of the stream")],
    [
      option("bootdir", "the boot partition", { default: "/boot" }),
      option("entry-id", "name of the entry"),
      option("cmdline", "another argument for the kernel", { many: true }),
    ],
  ),
  command(
    "cfsctl oci fsck",
    "check images",
    [optional("IMAGE", "a tag; all of them unless given")],
    [JSON_FLAG],
  ),
  command("cfsctl oci varlink", "serve varlink", [], [ADDRESS]),
  command("cfsctl oci linked-erofs-images", "list the EROFS images of the image that one belongs to", [
    operand("VERITY", "its id"),
  ]),
];

const ostree = (
  name: string,
  operands: readonly OperandSpec[],
  options: readonly OptionSpec[] = [],
): CommandSpec => command(`cfsctl ostree ${name}`, "not here", operands, options);

const OSTREE: readonly CommandSpec[] = [
  ostree(
    "pull-local",
    [operand("OSTREE_REPO_PATH", ""), operand("OSTREE_REF", "")],
    [option("base-name", "")],
  ),
  ostree(
    "pull",
    [operand("OSTREE_REPO_URL", ""), operand("OSTREE_REF", "")],
    [option("base-name", ""), flag("no-delta", "")],
  ),
  ostree("mount", [operand("COMMIT", ""), operand("MOUNTPOINT", "")], MOUNT),
  ostree("dump", [operand("COMMIT_NAME", "")]),
  ostree("compute-id", [operand("COMMIT_NAME", "")]),
  ostree("inspect", [operand("SOURCE", "")], [flag("metadata", "")]),
  ostree("tag", [operand("SOURCE", ""), operand("NAME", "")]),
  ostree("untag", [operand("NAME", "")]),
  ostree("commit", [operand("IMAGE", "")], [option("reference", ""), option("subject", "", { default: "" })]),
  ostree("export", [operand("SOURCE", ""), operand("OSTREE_REPO_PATH", "")], [option("reference", "")]),
  ostree("images", []),
  ostree("apply-delta", [operand("DELTA_PATH", "")]),
  ostree("list-refs", [operand("OSTREE_REPO_URL", "")], [option("subset", "")]),
];

const IMAGES = "IMAGES";
const images = (required: boolean): OperandSpec => ({
  name: IMAGES,
  required,
  many: true,
  help: "image files",
});
const FILTER = option("filter", "only this name below the root", { many: true });

const INFO: readonly CommandSpec[] = [
  command("composefs-info ls", "list files", [images(false)], [FILTER]),
  command("composefs-info dump", "print a dump file", [images(false)], [FILTER]),
  command("composefs-info objects", "list objects", [images(false)], [FILTER]),
  command(
    "composefs-info missing-objects",
    "list objects that are not in a directory",
    [images(true)],
    [option("basedir", "the directory", { required: true }), FILTER],
  ),
  command("composefs-info measure-file", "print fs-verity digests of files", [
    { name: "FILES", required: false, many: true, help: "files" },
  ]),
];

export const CFSCTL: CommandSpec = {
  path: "cfsctl",
  about: "cfsctl",
  version: "0.9.4",
  operands: [],
  options: [
    option("repo", "the repository", { conflicts: ["user", "system"] }),
    flag("user", "the repository of this user, ~/.var/lib/composefs", { conflicts: ["repo", "system"] }),
    flag("system", "the repository of the system, /sysroot/composefs", { conflicts: ["repo", "user"] }),
    option("hash", "the hash that the repository must have", { values: ["sha256", "sha512"] }),
    EROFS_VERSION,
    flag("insecure", "do not require fs-verity this time", { hidden: true }),
    flag("require-verity", "refuse a repository without fs-verity"),
    flag("no-upgrade", "refuse a repository of the old format"),
    flag("no-repo", "open no repository"),
  ],
  commands: [
    command(
      "cfsctl init",
      "make a repository",
      [optional("PATH", "where; that of --repo, --user or --system unless given")],
      [
        option("algorithm", "algorithm of fs-verity", {
          default: "fsverity-sha512-12",
          check: algorithmProblem,
        }),
        flag("insecure", "do not require fs-verity"),
        flag("reset-metadata", "remove streams, images and the description first; objects stay"),
        flag("ensure", "take an existing repository as it is"),
        EROFS_VERSION,
      ],
    ),
    command("cfsctl transaction", "hold the repository's lock until ended"),
    command("cfsctl cat", "print what a stream is made of", [
      operand("NAME", "its name, or refs/ and a name"),
    ]),
    command(
      "cfsctl gc",
      "remove what nothing refers to",
      [],
      [
        option("root", "another image or stream to keep", { short: "r", many: true }),
        flag("dry-run", "only tell", { short: "n" }),
      ],
    ),
    command("cfsctl import-image", "store an image from standard input, unseen", [
      operand("REFERENCE", "its name"),
    ]),
    command("cfsctl images", "list named images", [], [JSON_FLAG, flag("no-trunc", "print whole digests")], {
      aliases: ["list-images"],
    }),
    { ...command("cfsctl oci", "images of OCI and their layers"), commands: OCI },
    { ...command("cfsctl ostree", "commits of ostree; not here"), commands: OSTREE },
    command(
      "cfsctl mount",
      "mount an image",
      [operand("NAME", "its id or name"), operand("MOUNTPOINT", "where")],
      MOUNT,
    ),
    command(
      "cfsctl create-image",
      "store a directory's files and make their image",
      [operand("PATH", "the directory"), optional("IMAGE_NAME", "a name for the image")],
      TREE,
    ),
    command(
      "cfsctl compute-id",
      "print the id that a directory's image would have",
      [operand("PATH", "the directory")],
      TREE,
    ),
    command(
      "cfsctl compute-karg",
      "print the kernel argument for a directory's image",
      [operand("PATH", "the directory")],
      [NO_PROPAGATE],
    ),
    command(
      "cfsctl create-dumpfile",
      "print a directory's dump file",
      [operand("PATH", "the directory")],
      TREE,
    ),
    command("cfsctl image-objects", "list an image's objects", [operand("NAME", "its id or name")]),
    command(
      "cfsctl dump-files",
      "print lines of an image's dump file",
      [
        operand("IMAGE_NAME", "the image's id or name"),
        { name: "FILES", required: false, many: true, help: "paths in the image" },
      ],
      [flag("backing-path-only", "print where content is")],
    ),
    command(
      "cfsctl fsck",
      "check the repository",
      [],
      [JSON_FLAG, flag("metadata-only", "do not read objects")],
    ),
    command("cfsctl varlink", "serve varlink; not here", [], [ADDRESS]),
    command(
      "mkcomposefs",
      "make an image of a directory or dump file",
      [operand("SOURCE", "the directory or dump file"), optional("IMAGE", "the image; - is standard output")],
      [
        flag("from-file", "SOURCE is a dump file"),
        flag("print-digest", "print the image's digest"),
        flag("print-digest-only", "print the digest and write nothing"),
        flag("use-epoch", "make all times zero"),
        flag("skip-devices", "leave devices out"),
        flag("skip-xattrs", "leave extended attributes out"),
        flag("user-xattrs", "keep attributes of user. only"),
        option("min-version", "least format", { default: "0" }),
        option("max-version", "greatest format", { default: "1" }),
        option("digest-store", "directory that content is put into"),
        flag("hardlinks", "names of one file are one inode"),
        option("threads", "how many threads read"),
      ],
      { hidden: true, version: "0.9.4" },
    ),
    {
      ...command("composefs-info", "show what is in images"),
      commands: INFO,
      hidden: true,
      version: "0.9.4",
    },
  ],
};
