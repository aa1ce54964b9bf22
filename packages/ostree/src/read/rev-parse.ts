import { ostreeErrors } from "../errors.ts";
import { type Checksum, isChecksum } from "../format/checksum.ts";
import { parseObjectName } from "../format/object-type.ts";
import { parseRefspec } from "../repo/ref-name.ts";
import type { Repo } from "../repo/repo.ts";
import type { ByteString } from "@bootc-store/core";

/**
 * The commit that a text names: a checksum (which need not be there), the beginning of one commit's, a ref, a refspec, each
 * with any number of `^` for parents. Throws `ostree/ref-not-found`, `ostree/ref-ambiguous`, `ostree/ref-invalid`,
 * `ostree/commit-without-parent`.
 */
export function revParse(repo: Repo, rev: string): Checksum {
  const found = revParseOptional(repo, rev);
  if (found !== undefined) return found;
  throw ostreeErrors.error("ref-not-found", `Refspec '${rev.slice(0, 300)}' not found`, {
    context: { ref: rev.slice(0, 300) },
  });
}

export function revParseOptional(repo: Repo, rev: string): Checksum | undefined {
  if (isChecksum(rev)) return rev;
  if (rev.endsWith("^")) {
    const child = revParseOptional(repo, rev.slice(0, -1));
    if (child === undefined) return undefined;
    const { parent } = repo.readCommit(child);
    if (parent !== undefined) return parent;
    throw ostreeErrors.error("commit-without-parent", `Commit ${child} has no parent`, {
      context: { digest: child },
    });
  }
  if (/^[0-9a-f]{2,63}$/.test(rev)) {
    const commits = commitsWithPrefix(repo, rev);
    if (commits.length > 1)
      throw ostreeErrors.error("ref-ambiguous", `Refspec ${rev} not unique`, { context: { ref: rev } });
    if (commits.length === 1) return commits[0];
  }
  return repo.refs.lookup(parseRefspec(rev));
}

function commitsWithPrefix(repo: Repo, prefix: string): Checksum[] {
  const shard = prefix.slice(0, 2) as ByteString;
  using dir = repo.objects.openDirOptional(shard);
  const own: Checksum[] = [];
  for (const { name } of dir?.list() ?? []) {
    const object = parseObjectName(shard, name, repo.mode);
    if (object?.type === "commit" && object.checksum.startsWith(prefix)) own.push(object.checksum);
  }
  if (own.length > 0 || repo.parent === undefined) return own;
  return commitsWithPrefix(repo.parent, prefix);
}
