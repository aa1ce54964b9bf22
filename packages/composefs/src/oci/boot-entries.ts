// Boot entries in an image: Boot Loader Specification entries, UKIs, and kernels of /usr/lib/modules. Found before /boot is
// emptied; an entry that names what is not in the image makes it unfit for booting.

import { BlsEntry } from "@bootc-store/boot";
import { type ByteString, byteString, displayName, textOf, utf8 } from "@bootc-store/core";
import type { File as OpenFile } from "@bootc-store/linux";
import { type File, type Inode, lookupOptional, type Tree } from "@bootc-store/tree";

import { composefsErrors } from "../errors.ts";

/** Where contents are found by the key that a tree has of them. An object store is one. */
export interface ContentFiles {
  open(digest: string): OpenFile;
}

export type BootEntry =
  /** An entry of type 1, and the text that it was read from. */
  | { readonly kind: "type1"; readonly file: string; readonly entry: BlsEntry; readonly text: string }
  /** A unified kernel image; `kernel` where it lies with the modules of one. */
  | { readonly kind: "uki"; readonly path: string; readonly kernel?: string }
  | { readonly kind: "vmlinuz"; readonly kernel: string; readonly initramfs: boolean };

const ENTRIES = "boot/loader/entries";
const UKIS = "boot/EFI/Linux";
const MODULES = "usr/lib/modules";
const MOST_ENTRY = 1 << 20;

/** In the order in which the first one is booted: type 1, UKIs, kernels. Throws `composefs/tree-unsuitable`. */
export function findBootEntries(tree: Tree, objects: ContentFiles): BootEntry[] {
  return [...type1Entries(tree, objects), ...ukis(tree), ...kernels(tree)];
}

function* type1Entries(tree: Tree, objects: ContentFiles): Generator<BootEntry> {
  for (const [name, inode] of children(tree, ENTRIES)) {
    if (!name.endsWith(".conf")) continue;
    const file = displayName(name);
    const text = readText(regular(inode, `${ENTRIES}/${file}`), objects, file);
    const entry = BlsEntry.parse(text);
    for (const key of ["linux", "initrd", "efi"]) {
      for (const path of entry.getAll(key)) requirePath(tree, path);
    }
    yield { kind: "type1", file, entry, text };
  }
}

/** Paths in an entry are looked up from the image's root, and the message names the component that is missing. */
function requirePath(tree: Tree, path: string): void {
  let inode: Inode = tree.root;
  for (const part of path.split("/").filter((each) => each !== "")) {
    const next: Inode | undefined = inode.kind === "directory" ? inode.get(utf8(part)) : undefined;
    if (next === undefined) {
      throw composefsErrors.error(
        "tree-unsuitable",
        `a boot entry names ${path}, and "${part}" is not in the image`,
        {
          context: { path },
        },
      );
    }
    inode = next;
  }
}

function* ukis(tree: Tree): Generator<BootEntry> {
  const stack: [string, string | undefined][] = [[UKIS, undefined]];
  for (const [kernel, inode] of children(tree, MODULES)) {
    if (inode.kind === "directory") stack.push([`${MODULES}/${kernel}`, displayName(kernel)]);
  }
  for (let next = stack.shift(); next !== undefined; next = stack.shift()) {
    const [path, kernel] = next;
    for (const [name, inode] of children(tree, path)) {
      const place = `${path}/${name}`;
      // Beside modules only the directory itself is looked at; below EFI/Linux everything is.
      if (inode.kind === "directory" && kernel === undefined) stack.push([place, undefined]);
      if (!name.endsWith(".efi") || name.endsWith(".addon.efi")) continue;
      regular(inode, place);
      yield { kind: "uki", path: place, ...(kernel === undefined ? {} : { kernel }) };
    }
  }
}

function* kernels(tree: Tree): Generator<BootEntry> {
  for (const [kernel, inode] of children(tree, MODULES)) {
    const vmlinuz = inode.kind === "directory" ? inode.get(utf8("vmlinuz")) : undefined;
    if (vmlinuz === undefined || inode.kind !== "directory") continue;
    regular(vmlinuz, `${MODULES}/${kernel}/vmlinuz`);
    yield { kind: "vmlinuz", kernel: displayName(kernel), initramfs: inode.has(utf8("initramfs.img")) };
  }
}

function children(tree: Tree, path: string): Iterable<[ByteString, Inode]> {
  const inode = lookupOptional(tree, path as ByteString);
  return inode?.kind === "directory" ? inode : [];
}

function regular(inode: Inode, path: string): File {
  if (inode.kind === "file") return inode;
  throw composefsErrors.error(
    "tree-unsuitable",
    `${displayName(path as ByteString)} is a ${inode.kind}, not a regular file`,
    {
      context: { path },
    },
  );
}

function readText(leaf: File, objects: ContentFiles, name: string): string {
  const bytes = readFileContent(leaf, objects, MOST_ENTRY);
  const text = textOf(byteString(bytes));
  if (text === undefined)
    throw composefsErrors.error("tree-unsuitable", `boot entry ${name} is not UTF-8 text`);
  return text;
}

/** A file's content, where it is small enough to be held. */
export function readFileContent(leaf: File, objects: ContentFiles, limit: number): Uint8Array {
  if (leaf.size > limit)
    throw composefsErrors.error(
      "limit-exceeded",
      `a file of ${leaf.size} bytes where at most ${limit} are read`,
    );
  if (leaf.content.kind === "inline") return leaf.content.bytes;
  if (leaf.content.kind === "sparse") return new Uint8Array(leaf.size);
  using file = objects.open(leaf.content.key.replaceAll("/", ""));
  return file.readAll({ limit });
}
