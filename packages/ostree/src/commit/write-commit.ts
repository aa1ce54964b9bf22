import type { Checksum } from "../format/checksum.ts";
import type { Commit } from "../format/commit.ts";
import { type Dict, variant, type Variant } from "../gvariant/index.ts";
import { parseRefspec } from "../repo/ref-name.ts";
import { HEADS } from "../repo/refs.ts";
import type { Transaction } from "../repo/transaction.ts";
import type { CommitDescription } from "./options.ts";

/** Writes a commit of a root that is stored, and sets its branch. */
export function writeCommit(
  transaction: Transaction,
  root: { readonly tree: Checksum; readonly meta: Checksum },
  description: CommitDescription,
): Checksum {
  const { branch, detachedMetadata } = description;
  const parent = parentOf(transaction, description);
  const own = [...(description.metadata ?? []), ...bindings(transaction, description)];
  const { finishMetadata: finish = (metadata: Dict) => metadata } = description;
  const commit: Commit = {
    metadata: [...finish(own), ...(description.trailingMetadata ?? [])],
    ...(parent === undefined ? {} : { parent }),
    subject: description.subject ?? "",
    body: description.body ?? "",
    timestamp: BigInt.asUintN(64, BigInt(description.timestamp)),
    tree: root.tree,
    meta: root.meta,
  };
  const checksum = transaction.writeCommit(commit);
  if (detachedMetadata !== undefined) transaction.writeDetachedMetadata(checksum, detachedMetadata);
  if (branch !== undefined) {
    const { remote, ref } = parseRefspec(branch);
    transaction.setRef(ref, checksum, remote === undefined ? HEADS : { kind: "remote", remote });
  }
  return checksum;
}

function parentOf(transaction: Transaction, { parent, branch }: CommitDescription): Checksum | undefined {
  if (parent !== undefined) return parent ?? undefined;
  return branch === undefined ? undefined : transaction.repo.refs.lookup(branch);
}

/** The refs and the collection that a commit says it belongs to, so that it cannot be passed off as another's. */
function bindings(transaction: Transaction, description: CommitDescription): Dict {
  if (description.bindings === false) return [];
  const { branch, bindRefs = [] } = description;
  const refs = [...new Set([...(branch === undefined ? [] : [branch]), ...bindRefs])].sort(byBytes);
  const list: [string, Variant][] = [["ostree.ref-binding", variant("as", refs)]];
  const { collectionId } = transaction.repo.config;
  if (collectionId !== undefined) list.push(["ostree.collection-binding", variant("s", collectionId)]);
  return list;
}

function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
