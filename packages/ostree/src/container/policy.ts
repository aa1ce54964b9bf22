// What a tree says of itself: its SELinux policy, and whether its root may have names that ostree does not know.

import { createHash } from "node:crypto";
import { byteString, type ByteString, isStoreError, utf8 } from "@bootc-store/core";
import { KeyFile } from "@bootc-store/core/codec";
import { type File, type Inode, LabelPolicy, type PolicyFiles, type Tree } from "@bootc-store/tree";

import { ostreeErrors } from "../errors.ts";
import type { Checksum } from "../format/checksum.ts";
import { isSymlink } from "../format/file-info.ts";
import { readContent } from "../objects/content.ts";
import { lookupPath, rootOf } from "../read/tree-path.ts";
import type { Repo } from "../repo/repo.ts";

/** The bytes of a regular file at a path, links not followed; `undefined` where there is none. */
export type ReadPath = (path: string) => Promise<Uint8Array | undefined>;

/** Files of a policy are text; none is larger. */
const LIMIT = 64 << 20;

/** What is at a path of a tree, links not followed. */
export function lookup(tree: Tree, path: string): Inode | undefined {
  let inode: Inode | undefined = tree.root;
  for (const part of path.split("/")) {
    if (inode?.kind !== "directory") return undefined;
    inode = inode.get(utf8(part));
  }
  return inode;
}

/** Reads from a tree. */
export function treeReader(tree: Tree, read: (file: File) => Promise<Uint8Array>): ReadPath {
  return async (path) => {
    const inode = lookup(tree, path);
    if (inode?.kind !== "file") return undefined;
    if (inode.size > LIMIT) {
      throw ostreeErrors.error("image-document-invalid", `${path} has ${inode.size} bytes`, {
        context: { path },
      });
    }
    return await read(inode);
  };
}

/** Reads from a commit of a repository. */
export function commitReader(repo: Repo, commit: Checksum): ReadPath {
  return async (path) => {
    let node;
    try {
      node = lookupPath(repo, rootOf(repo, commit), utf8(path));
    } catch (error) {
      if (isStoreError(error, "ostree/path-not-found", "ostree/path-not-directory")) return undefined;
      throw error;
    }
    if (node.kind !== "file") return undefined;
    using object = repo.openFile(node.checksum);
    if (isSymlink(object.info)) return undefined;
    const pieces: Uint8Array[] = [];
    for await (const piece of readContent(object, `${node.checksum}.file`)) pieces.push(Buffer.from(piece));
    return Buffer.concat(pieces);
  };
}

export interface TreePolicy {
  readonly labels: LabelPolicy;
  /** Changes with everything that labels depend on. */
  readonly id: string;
}

/** The policy in a tree, if there is one and it is not switched off. Throws `tree/label-…` for one that cannot be read. */
export async function policyOf(read: ReadPath): Promise<TreePolicy | undefined> {
  for (const top of ["etc/selinux", "usr/etc/selinux"]) {
    const config = await readText(read, `${top}/config`);
    if (config === undefined) continue;
    const type = setting(config, "SELINUXTYPE");
    if (type === undefined || type.includes("/") || setting(config, "SELINUX") === "disabled")
      return undefined;
    const files = `${top}/${type}/contexts/files`;
    const text = (name: string): Promise<ByteString | undefined> => readText(read, `${files}/${name}`);
    const fileContexts = await text("file_contexts");
    if (fileContexts === undefined) {
      throw ostreeErrors.error(
        "image-document-invalid",
        `the policy of the image has no ${files}/file_contexts`,
        {
          context: { path: `${files}/file_contexts` },
        },
      );
    }
    const more = {
      homedirs: await text("file_contexts.homedirs"),
      local: await text("file_contexts.local"),
      subs: await text("file_contexts.subs"),
      subsDist: await text("file_contexts.subs_dist"),
    };
    const given = Object.fromEntries(Object.entries(more).filter(([, value]) => value !== undefined));
    const policy: PolicyFiles = { fileContexts, ...given };
    const hash = createHash("sha256");
    for (const [name, value] of Object.entries(policy) as [string, string][])
      hash.update(`${name} ${value.length}\n`).update(value, "latin1");
    return { labels: new LabelPolicy(policy, "libselinux"), id: hash.digest("hex") };
  }
  return undefined;
}

async function readText(read: ReadPath, path: string): Promise<ByteString | undefined> {
  const bytes = await read(path);
  return bytes === undefined ? undefined : byteString(bytes);
}

function setting(config: ByteString, name: string): string | undefined {
  for (const line of config.split("\n")) {
    if (line.startsWith(`${name}=`)) return line.slice(name.length + 1).trim();
  }
  return undefined;
}

const COMPOSEFS_ON = new Set(["yes", "true", "1", "maybe", "verity", "signed"]);

/** Whether the root of a system with this base is not that of its commit, so that every name may be in it. */
export async function allowsNonUsr(read: ReadPath): Promise<boolean> {
  for (const top of ["etc", "usr/lib"]) {
    const text = await readText(read, `${top}/ostree/prepare-root.conf`);
    if (text === undefined) continue;
    const config = KeyFile.parse(Buffer.from(text, "latin1").toString("utf8"));
    if (config.getBoolean("root", "transient") === true) return true;
    return COMPOSEFS_ON.has(config.getString("composefs", "enabled") ?? "");
  }
  return false;
}
