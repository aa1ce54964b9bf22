// The SELinux policy of a root: which there is, whether it is in use, and what labels it has for paths.

import { byteString, type ByteString, isStoreError, utf8 } from "@bootc-store/core";
import type { Dir } from "@bootc-store/linux";
import { kindOfMode, LabelPolicy, type PolicyFiles } from "@bootc-store/tree";

import { ostreeErrors } from "../errors.ts";
import type { Checksum } from "../format/checksum.ts";
import { isSymlink } from "../format/file-info.ts";
import { readContent } from "../objects/content.ts";
import { lookupPath, rootOf } from "../read/tree-path.ts";
import type { Repo } from "../repo/repo.ts";

/** The bytes of a regular file at a path; `undefined` where there is none. */
export type ReadPath = (path: string) => Promise<Uint8Array | undefined>;

/** Files of a policy are text; none is larger. */
export const MAX_POLICY_FILE = 64 << 20;

/** Reads from a commit of a repository, links not followed. */
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
    if (object.size > MAX_POLICY_FILE) throw invalid(path, `${path} has ${object.size} bytes`);
    const pieces: Uint8Array[] = [];
    for await (const piece of readContent(object, `${node.checksum}.file`)) pieces.push(Buffer.from(piece));
    return Buffer.concat(pieces);
  };
}

/** Reads from a directory as if it were the root, links followed. */
export function rootReader(root: Dir): ReadPath {
  return async (path) => {
    try {
      return root.readFileOptional(utf8(path), { resolution: "inRoot", limit: MAX_POLICY_FILE });
    } catch (error) {
      if (isStoreError(error, "linux/not-a-directory", "linux/not-found")) return undefined;
      throw error;
    }
  };
}

/**
 * The policy of a root, if there is one and it is in use; `etc/selinux` counts before `usr/etc/selinux`. Throws
 * `ostree/policy-invalid` for one that has no contexts, `tree/label-…` for contexts that cannot be read.
 */
export async function policyOf(read: ReadPath): Promise<LabelPolicy | undefined> {
  for (const top of ["etc/selinux", "usr/etc/selinux"]) {
    const config = await readText(read, `${top}/config`);
    if (config === undefined) continue;
    // As ostree reads it: any line that switches the policy on does, and the last name counts.
    if (!settings(config, "SELINUX").some((word) => /^(?:enforcing|permissive)/i.test(word)))
      return undefined;
    const type = settings(config, "SELINUXTYPE").at(-1)?.trim();
    if (type === undefined || type === "" || type.includes("/"))
      throw invalid(`${top}/config`, `${top}/config names no policy`);
    const files = `${top}/${type}/contexts/files`;
    const text = (name: string): Promise<ByteString | undefined> => readText(read, `${files}/${name}`);
    const fileContexts = await text("file_contexts");
    if (fileContexts === undefined)
      throw invalid(`${files}/file_contexts`, `the policy has no ${files}/file_contexts`);
    const more = {
      homedirs: await text("file_contexts.homedirs"),
      local: await text("file_contexts.local"),
      subs: await text("file_contexts.subs"),
      subsDist: await text("file_contexts.subs_dist"),
    };
    const given = Object.fromEntries(Object.entries(more).filter(([, value]) => value !== undefined));
    const policy: PolicyFiles = { fileContexts, ...given };
    return new LabelPolicy(policy, "libselinux");
  }
  return undefined;
}

export async function readText(read: ReadPath, path: string): Promise<ByteString | undefined> {
  const bytes = await read(path);
  return bytes === undefined ? undefined : byteString(bytes);
}

function settings(config: ByteString, name: string): string[] {
  const start = `${name}=`;
  return config
    .split("\n")
    .filter((line) => line.startsWith(start))
    .map((line) => line.slice(start.length));
}

/** The label of a path and a mode with type bits; `undefined` where the policy has none. */
export type LabelRule = (path: ByteString, mode: number) => ByteString | undefined;

/** What a policy says, without the NUL byte at its end. With `asEtc` what is below `/usr/etc` is labelled as below `/etc`. */
export function labelRule(policy: LabelPolicy, { asEtc = false } = {}): LabelRule {
  return (path, mode) => {
    const kind = kindOfMode(mode);
    if (kind === undefined) return undefined;
    const place =
      asEtc && (path === "/usr/etc" || path.startsWith("/usr/etc/"))
        ? (path.slice("/usr".length) as ByteString)
        : path;
    return policy.labelOf(place, kind);
  };
}

function invalid(path: string, problem: string): Error {
  return ostreeErrors.error("policy-invalid", problem, { context: { path } });
}
