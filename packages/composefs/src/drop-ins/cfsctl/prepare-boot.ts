// `oci prepare-boot`: kernel, initramfs and entry of an image onto the boot partition, and its state directory.

import { composefsDigestKargs, composefsKarg, KernelCmdline, readUkiText } from "@bootc-store/boot";
import { toHex, utf8 } from "@bootc-store/core";
import { computeVerity, copyContent, type Dir, type File } from "@bootc-store/linux";
import { copyTree, type File as FileInode, type Inode, lookupOptional, type Tree } from "@bootc-store/tree";

import { type BootEntry, findBootEntries } from "../../oci/boot-entries.ts";
import { encodeImage, storeImage } from "../../oci/erofs-image.ts";
import { treeOfConfig } from "../../oci/image.ts";
import { transformForBoot } from "../../oci/transform.ts";
import type { Repository } from "../../repository/repository.ts";
import { readObjectLink } from "../../streams/links.ts";
import { fail } from "./chain.ts";
import { EntryText, PATH_KEYS } from "./entry-text.ts";
import { configOf } from "./oci-images.ts";
import type { Command, Run } from "./run.ts";
import { kernelArgument } from "./trees.ts";

export const prepareBoot: Command = async (run) => {
  await using repository = await run.open();
  const config = await configOf(repository, run.operand("CONFIG_NAME"), run.value("CONFIG_VERITY"));
  const tree = await treeOfConfig(repository, config, { signal: run.context.signal });
  const [entry] = findBootEntries(tree, repository.objects);
  if (entry === undefined) throw fail("No boot entries!");
  const [version] = repository.imageFormats;
  const { algorithm, secure } = repository;
  const booted = copyTree(tree);
  transformForBoot(booted, repository.objects);
  const bytes = encodeImage(booted, version);
  const id = toHex(computeVerity(bytes, { algorithm }));
  if (readObjectLink(repository, "images", id) === undefined) storeImage(repository, bytes);
  const argument = kernelArgument(id, algorithm, version, !secure);
  const boot = run.context.ensureDir(run.value("bootdir") ?? "/boot");
  new Writer(run, repository, tree, boot, argument, id).write(entry);
  boot.syncFileSystem();
  const state = run.context.ensureDir(`${run.repositoryPath}/../state/deploy`);
  for (const path of ["var", "etc/upper", "etc/work"]) {
    state.ensureDir(utf8(`${id}/${path}`), { parents: true, mode: 0o755 });
  }
  return 0;
};

class Writer {
  readonly #run: Run;
  readonly #repository: Repository;
  readonly #tree: Tree;
  readonly #boot: Dir;
  readonly #argument: string;
  readonly #id: string;
  readonly #entryId: string | undefined;
  readonly #cmdline: readonly string[];

  constructor(run: Run, repository: Repository, tree: Tree, boot: Dir, argument: string, id: string) {
    this.#run = run;
    this.#repository = repository;
    this.#tree = tree;
    this.#boot = boot;
    this.#argument = argument;
    this.#id = id;
    this.#entryId = run.value("entry-id");
    this.#cmdline = run.values("cmdline");
  }

  write(entry: BootEntry): void {
    if (entry.kind === "vmlinuz") this.#kernel(entry.kernel, entry.initramfs);
    else if (entry.kind === "type1") this.#type1(entry.file, entry.text);
    else this.#uki(entry.path);
  }

  #kernel(kernel: string, initramfs: boolean): void {
    if (!initramfs) throw fail(`kernel ${kernel} has no initramfs`);
    const id = this.#entryId ?? kernel;
    const modules = `usr/lib/modules/${kernel}`;
    this.#copy(`${modules}/vmlinuz`, `${id}/vmlinuz`);
    this.#copy(`${modules}/initramfs.img`, `${id}/initramfs.img`);
    this.#entry(
      `${id}.conf`,
      new EntryText(
        [
          "# File created by composefs",
          "title todoOS",
          "version 0-todo",
          `linux /${id}/vmlinuz`,
          `initrd /${id}/initramfs.img`,
        ].join("\n"),
      ),
    );
  }

  #type1(file: string, text: string): void {
    const entry = new EntryText(text);
    const placeOf = (path: string): string =>
      this.#entryId === undefined || !path.includes("/")
        ? path
        : `/${this.#entryId}/${path.slice(path.lastIndexOf("/") + 1)}`;
    for (const key of PATH_KEYS) {
      for (const path of entry.values(key)) this.#copy(relative(path), relative(placeOf(path)));
    }
    entry.replacePaths(placeOf);
    this.#entry(this.#entryId === undefined ? file : `${this.#entryId}.conf`, entry);
  }

  #uki(path: string): void {
    if (this.#cmdline.length > 0) throw fail("a UKI's command line is a part of it, nothing can be added");
    const leaf = this.#file(path);
    using file = this.#open(leaf);
    const line = KernelCmdline.parse(
      readUkiText({ size: leaf.size, read: (at, size) => readAt(file, at, size) }, ".cmdline") ?? "",
    );
    const named = [...composefsDigestKargs(line), ...[composefsKarg(line) ?? []].flat()];
    if (!named.some(({ digest }) => digest === this.#id)) {
      throw fail(`The UKI ${path} has the wrong composefs= parameter: it does not name ${this.#id}`);
    }
    const name = this.#entryId === undefined ? (path.split("/").at(-1) ?? "") : `${this.#entryId}.efi`;
    this.#copy(path, `EFI/Linux/${name}`);
  }

  /** Kernel and initramfs are there before the entry that names them. */
  #entry(file: string, entry: EntryText): void {
    for (const argument of [this.#argument, ...this.#cmdline]) entry.setArgument(argument);
    this.#boot.ensureDir(utf8("loader/entries"), { parents: true, mode: 0o755 });
    using entries = this.#boot.openDir(utf8("loader/entries"));
    entries.atomicWrite(utf8(file), Buffer.from(entry.print()), { mode: 0o644 });
  }

  #copy(from: string, to: string): void {
    const leaf = this.#file(from);
    const slash = to.lastIndexOf("/");
    const above = slash < 0 ? "" : to.slice(0, slash);
    if (above !== "") this.#boot.ensureDir(utf8(above), { parents: true, mode: 0o755 });
    using dir = above === "" ? this.#boot.duplicate() : this.#boot.openDir(utf8(above));
    const { content } = leaf;
    const fill =
      content.kind === "inline"
        ? content.bytes
        : (target: File): void => {
            using source = this.#open(leaf);
            copyContent(source, target, this.#run.context.signal);
          };
    dir.atomicWrite(utf8(to.slice(slash + 1)), fill, { mode: 0o644 });
  }

  #open({ content }: FileInode): File {
    if (content.kind !== "external") throw fail("a file for booting is too small to be one");
    return this.#repository.objects.open(content.key.replaceAll("/", ""));
  }

  #file(path: string): FileInode {
    const inode: Inode | undefined = lookupOptional(this.#tree, utf8(path));
    if (inode?.kind === "file") return inode;
    throw fail(`"${path}" is no file in the image`);
  }
}

function readAt(file: File, at: number, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  return bytes.subarray(0, file.readFull(bytes, at));
}

function relative(path: string): string {
  return path.replace(/^\/+/, "");
}
