// What becomes of a merged tree before its image is made: always (`transformForOci`), and for booting
// (`transformForBoot`). The image's id depends on each of these steps. composefs-rs 0.9.4.

import { type ByteString, byteString, utf8 } from "@bootc-store/core";
import {
  type Directory,
  filterXattrs,
  type Inode,
  keepXattrs,
  LabelPolicy,
  labelTree,
  lookupOptional,
  type PolicyFiles,
  removeLabels,
  setMetadata,
  type Tree,
} from "@bootc-store/tree";

import { composefsErrors } from "../errors.ts";
import { type ContentFiles, findBootEntries, readFileContent } from "./boot-entries.ts";

/** Which extended attributes of files come into the image. */
export type XattrMode = "allowlist-only" | "keep-user-xattrs";

const MOST_POLICY = 64 << 20;

/** The root becomes like `/usr`, `/run` is emptied, attributes are filtered. Throws `composefs/tree-unsuitable`. */
export function transformForOci(tree: Tree, xattrs: XattrMode = "allowlist-only"): void {
  const usr = directory(tree, "usr");
  tree.root.metadata = usr.metadata;
  const run = lookupOptional(tree, utf8("run"));
  if (run?.kind === "directory") empty(run, usr);
  filterXattrs(tree, keepXattrs(["security.capability"], xattrs === "keep-user-xattrs" ? ["user."] : []));
}

/**
 * What boots is looked at, `/boot` and `/sysroot` are emptied, and everything is labelled by the image's own SELinux policy, or by none. Comes
 * after {@link transformForOci}.
 */
export function transformForBoot(tree: Tree, objects: ContentFiles): void {
  const usr = directory(tree, "usr");
  findBootEntries(tree, objects);
  for (const name of ["boot", "sysroot"]) empty(directory(tree, name), usr);
  const policy = readPolicy(tree, objects);
  if (policy === undefined) removeLabels(tree);
  else labelTree(tree, policy);
}

/** Names are gone, the time is that of `/usr`; mode and owner stay. */
function empty(target: Directory, usr: Directory): void {
  target.clear();
  setMetadata(target, { ...target.metadata, mtime: usr.metadata.mtime });
}

function directory(tree: Tree, name: string): Directory {
  const found = tree.root.get(utf8(name));
  if (found?.kind === "directory") return found;
  throw composefsErrors.error(
    "tree-unsuitable",
    `Directory entry "${name}" ${found === undefined ? "does not exist" : "is not a directory"}`,
    {
      context: { path: `/${name}` },
    },
  );
}

/** The policy that `/etc/selinux/config` names. `undefined` if the image has none. */
function readPolicy(tree: Tree, objects: ContentFiles): LabelPolicy | undefined {
  const config = readFile(tree, objects, "etc/selinux/config");
  if (config === undefined) return undefined;
  const type = policyType(config);
  if (type === undefined) return undefined;
  const file = (name: string): ByteString | undefined =>
    readFile(tree, objects, `etc/selinux/${type}/contexts/files/${name}`);
  const fileContexts = file("file_contexts");
  if (fileContexts === undefined) {
    throw composefsErrors.error("tree-unsuitable", `SELinux policy ${type} has no file_contexts`, {
      context: { path: "/etc/selinux" },
    });
  }
  const rest: [keyof PolicyFiles, string][] = [
    ["homedirs", "file_contexts.homedirs"],
    ["local", "file_contexts.local"],
    ["subs", "file_contexts.subs"],
    ["subsDist", "file_contexts.subs_dist"],
  ];
  const found = rest.flatMap(([key, name]) => {
    const text = file(name);
    return text === undefined ? [] : [[key, text] as const];
  });
  return new LabelPolicy({ fileContexts, ...Object.fromEntries(found) }, "composefs-rs");
}

/** The value of the first line whose key is SELINUXTYPE, in whatever case. */
function policyType(config: ByteString): string | undefined {
  for (const line of config.split("\n")) {
    const [key = "", ...value] = line.split("=");
    if (key.trim().toUpperCase() === "SELINUXTYPE" && value.length > 0) return value.join("=").trim();
  }
  return undefined;
}

function readFile(tree: Tree, objects: ContentFiles, path: string): ByteString | undefined {
  const inode: Inode | undefined = lookupOptional(tree, path as ByteString);
  return inode?.kind === "file" ? byteString(readFileContent(inode, objects, MOST_POLICY)) : undefined;
}
