// `bootc-store composefs …`: a repository made, filled from a directory, checked and collected.

import { type CommandContext, EXIT, type Output } from "@bootc-store/backend/command";
import { type Finding, printable } from "@bootc-store/core";
import type { Dir } from "@bootc-store/linux";
import type { Command } from "@commander-js/extra-typings";

import type { ComposefsBackend } from "../backend.ts";
import { composefsErrors } from "../errors.ts";
import type { ErofsVersion } from "../format/meta-json.ts";

/** Adds the commands to the group that they belong to. */
export function registerComposefs(group: Command, context: CommandContext): void {
  registerInit(group, context);
  registerCreateImage(group, context);
  registerComputeId(group, context);
  registerDump(group, context);
  registerImport(group, context);
  registerMount(group, context);
  registerUmount(group, context);
  registerFsck(group, context);
  registerGc(group, context);
}

const REPO = "--repo <dir>";
const REPO_HELP = "the repository";

/** Options that a command cannot do without are asked for here, as all messages about usage are. */
function repoOf(options: { readonly repo?: string | undefined }): string {
  if (options.repo !== undefined) return options.repo;
  throw composefsErrors.error("repository-unnamed", "say with --repo which repository is meant");
}

async function open(context: CommandContext, repo: string, readOnly = false): Promise<ComposefsBackend> {
  const { ComposefsBackend } = await import("../backend.ts");
  return await ComposefsBackend.open(context.openDir(repo), {
    pool: context.pool(),
    readOnly,
    signal: context.signal,
  });
}

function algorithmOf(text: string): "sha256" | "sha512" {
  if (text === "sha256" || text === "sha512") return text;
  throw composefsErrors.error("option-invalid", `"${text}" is no algorithm: sha256 or sha512`);
}

function versionOf(text: string): ErofsVersion {
  const version = ["1", "2"].indexOf(text) + 1;
  if (version === 1 || version === 2) return version;
  throw composefsErrors.error("option-invalid", `"${text}" is no image format: 1 or 2`);
}

function xattrsOf(keep: true | undefined): "keep-user-xattrs" | "allowlist-only" {
  return keep === true ? "keep-user-xattrs" : "allowlist-only";
}

function registerInit(group: Command, context: CommandContext): void {
  group
    .command("init")
    .description("make a repository, or see that there is one of this kind")
    .argument("<dir>", "made if it is not there")
    .option("--algorithm <name>", "sha512 or sha256", algorithmOf, "sha512" as const)
    .option("--erofs <version>", "format of images: 1 or 2", versionOf)
    .option("--require-verity", "demand fs-verity of every object")
    .action(async (dir, options) => {
      const { Repository } = await import("../repository/repository.ts");
      const { repository, created } = await Repository.init(context.ensureDir(dir), {
        algorithm: options.algorithm,
        ...(options.erofs === undefined ? {} : { erofs: options.erofs }),
        secure: options.requireVerity === true,
      });
      await using _open = repository;
      context.output({}).note(created ? "made the repository" : "the repository is there already");
    });
}

function registerCreateImage(group: Command, context: CommandContext): void {
  group
    .command("create-image")
    .description("put the files of a directory into a repository and make their image")
    .argument("<dir>", "the root of the files of an image, with a /usr")
    .option(REPO, REPO_HELP)
    .option("--bootable", "make the image for booting")
    .option("--keep-user-xattrs", "keep extended attributes of user.")
    .option("--name <name>", "a name for the image")
    .option("--json", "print the result as JSON")
    .action(async (dir, options) => {
      const { writeDirectory } = await import("../directory/container-root.ts");
      await using store = await open(context, repoOf(options));
      const written = await writeDirectory(store.repository, context.openDir(dir), {
        pool: context.pool(),
        signal: context.signal,
        xattrs: xattrsOf(options.keepUserXattrs),
        ...(options.bootable === undefined ? {} : { bootable: options.bootable }),
        ...(options.name === undefined ? {} : { name: options.name }),
      });
      const output = context.output(options);
      output.value(written);
      if (output.json) return;
      output.line(written.id);
      const { cloned, copied, copiedBytes, reused } = written.placed;
      output.note(`${cloned} cloned, ${copied} copied (${copiedBytes} bytes), ${reused} there already`);
    });
}

function registerComputeId(group: Command, context: CommandContext): void {
  group
    .command("compute-id")
    .description("print the id that the image of a directory would have")
    .argument("<dir>", "the root of the files of an image, with a /usr")
    .option("--algorithm <name>", "sha512 or sha256", algorithmOf, "sha512" as const)
    .option("--erofs <version>", "format of the image: 1 or 2", versionOf, 1 as const)
    .option("--keep-user-xattrs", "keep extended attributes of user.")
    .action(async (dir, options) => {
      const { idOfDirectory } = await import("../directory/container-root.ts");
      const id = await idOfDirectory(context.openDir(dir), options.algorithm, options.erofs, {
        pool: context.pool(),
        signal: context.signal,
        xattrs: xattrsOf(options.keepUserXattrs),
      });
      context.output({}).line(id);
    });
}

function registerDump(group: Command, context: CommandContext): void {
  group
    .command("dump")
    .description("print the dump file of an image")
    .argument("<image>", "its id, or refs/NAME")
    .option(REPO, REPO_HELP)
    .action(async (image, options) => {
      const [{ readImageBytes }, { printDump, readImage }] = await Promise.all([
        import("../oci/erofs-image.ts"),
        import("@bootc-store/erofs"),
      ]);
      await using store = await open(context, repoOf(options), true);
      const { root } = readImage(readImageBytes(store.repository, image));
      const output = context.output({});
      let text = "";
      for (const line of printDump(root, { dialect: "composefs-rs" })) {
        text += line;
        if (text.length < 1 << 16) continue;
        await output.bytes(bytesOfAscii(text));
        text = "";
      }
      await output.bytes(bytesOfAscii(text));
    });
}

/** A dump file is ASCII; everything else is escaped in it. */
function bytesOfAscii(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function registerMount(group: Command, context: CommandContext): void {
  group
    .command("mount")
    .description("mount an image over its objects, read-only")
    .argument("<image>", "its id, or refs/NAME")
    .argument("<dir>", "where")
    .option(REPO, REPO_HELP)
    .action(async (image, dir, options) => {
      const [{ mountStoredImage }, { attachMount }] = await Promise.all([
        import("../mount/mount-stored-image.ts"),
        import("@bootc-store/linux"),
      ]);
      await using store = await open(context, repoOf(options), true);
      using mount = mountStoredImage(store.repository, image, {
        devices: context.openDir("/dev"),
        scratch: context.openDir("/tmp"),
      });
      attachMount(mount, context.openDir(dir));
    });
}

function registerUmount(group: Command, context: CommandContext): void {
  group
    .command("umount")
    .description("take away what is mounted on a directory")
    .argument("<dir>", "where")
    .option("--lazy", "also while it is in use; it goes when nobody uses it any more")
    .action(async (dir, options) => {
      const [{ unmount }, { utf8 }] = await Promise.all([
        import("@bootc-store/linux"),
        import("@bootc-store/core"),
      ]);
      const { parent, name } = splitPath(context, dir);
      unmount(parent, utf8(name), { detach: options.lazy === true });
    });
}

/** A directory by its name in the one above it, since that is what is there when it is a mount no more. */
function splitPath(context: CommandContext, path: string): { parent: Dir; name: string } {
  const [, above = "", name = ""] = /^(.*?)\/*([^/]+)\/*$/s.exec(path) ?? [];
  if (name === "" || name === "." || name === "..") {
    throw composefsErrors.error("option-invalid", `"${path}" does not name a directory in another one`);
  }
  const parent = above !== "" ? above : path.startsWith("/") ? "/" : ".";
  return { parent: context.openDir(parent), name };
}

function registerImport(group: Command, context: CommandContext): void {
  group
    .command("import")
    .description("store an image of OCI and what is made of it")
    .argument(
      "<image>",
      "docker://NAME, oci:PATH[:NAME], oci-archive:PATH[:NAME], dir:PATH or docker-archive:PATH",
    )
    .option(REPO, REPO_HELP)
    .option("--name <tag>", "its tag; as the image was typed unless given")
    .option("--bootable", "make the image for booting too")
    .option("--insecure-policy", "do without a signature policy")
    .option("--json", "print the result as JSON")
    .action(async (image, options) => {
      const [oci, { printDigest }] = await Promise.all([
        import("@bootc-store/oci"),
        import("@bootc-store/core"),
      ]);
      await using store = await open(context, repoOf(options));
      const { source, allow } = await context.openImage(image, { insecurePolicy: options.insecurePolicy });
      await using read = await oci.readImage(source, {
        signal: context.signal,
        ...(allow === undefined ? {} : { allow }),
      });
      const written = await store.writeImage(read, {
        names: [options.name ?? image],
        bootable: options.bootable === true,
        signal: context.signal,
        restPool: true,
      });
      const output = context.output(options);
      const [version] = store.repository.imageFormats;
      const ids = { image: written.erofs.plain.get(version), bootImage: written.erofs.boot.get(version) };
      output.value({ manifest: printDigest(read.manifest.digest), ...ids, content: written.content });
      if (output.json) return;
      output.line(ids.bootImage ?? ids.image ?? written.id);
      const { cloned, linked, copied, reused } = written.content;
      output.note(
        `${cloned.files} cloned, ${linked.files} linked, ${copied.files} copied (${copied.bytes} bytes), ${reused.files} there already`,
      );
    });
}

function registerFsck(group: Command, context: CommandContext): void {
  group
    .command("fsck")
    .description("check a repository; exit code 1 if something was found")
    .option(REPO, REPO_HELP)
    .option("--metadata-only", "do not read the objects")
    .option("--json", "print the findings as JSON")
    .action(async (options) => {
      await using store = await open(context, repoOf(options), true);
      const findings: Finding[] = [];
      const output = context.output(options);
      const depth = options.metadataOnly === true ? "references" : "content";
      for await (const finding of store.verify({ depth, signal: context.signal })) {
        findings.push(finding);
        if (!output.json) output.line(`${finding.severity}: ${printable(finding.message)} (${finding.code})`);
      }
      output.value({ findings });
      if (!output.json && findings.length === 0) output.line("nothing found");
      if (findings.length > 0) context.setExitCode(EXIT.findings);
    });
}

function registerGc(group: Command, context: CommandContext): void {
  group
    .command("gc")
    .description("remove what no tag and no name refers to")
    .option(REPO, REPO_HELP)
    .option("--dry-run", "only tell")
    .option("--json", "print the result as JSON")
    .action(async (options) => {
      await using store = await open(context, repoOf(options));
      const output = context.output(options);
      const plan = await store.planGc({ signal: context.signal });
      if (options.dryRun === true) {
        output.value({ garbage: plan.garbage, bytes: plan.bytes });
        tell(output, "would remove", plan.garbage.length, plan.bytes);
        return;
      }
      const result = await store.applyGc(plan, { signal: context.signal });
      output.value(result);
      tell(output, "removed", result.removed.length, result.bytes);
    });
}

function tell(output: Output, what: string, count: number, bytes: number | undefined): void {
  if (!output.json) output.line(`${what} ${count} files and links, ${bytes ?? 0} bytes`);
}
