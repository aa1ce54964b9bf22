import { type ByteString, displayName } from "@bootc-store/core";

import { Directory } from "../directory.ts";
import { treeErrors } from "../errors.ts";
import type { Leaf } from "../leaf.ts";
import type { Metadata } from "../metadata.ts";
import type { MergeRules } from "./rules.ts";
import { OPAQUE_NAME, OverlayMarks, whiteoutTarget } from "./whiteout.ts";

/**
 * Lays a layer's tree over a merged one, whose directories change. Leaves of the upper tree become part of the
 * merged one. `fresh` says that the lower root is a mere place and has no metadata of its own.
 */
export function layOver(
  lower: Directory,
  upper: Directory,
  rules: MergeRules,
  fresh: boolean,
  count: () => void,
): void {
  const marks = new OverlayMarks(rules.overlayXattrs);
  const visible = (metadata: Metadata): Metadata =>
    rules.marks === "overlay" ? marks.visible(metadata) : metadata;
  const leaves = new Map<Leaf, Leaf>();
  const leafOf = (leaf: Leaf): Leaf => {
    const metadata = visible(leaf.metadata);
    if (metadata === leaf.metadata) return leaf;
    const shown = leaves.get(leaf) ?? { ...leaf, metadata };
    leaves.set(leaf, shown);
    return shown;
  };

  const stack: Pair[] = [{ lower, upper, fresh, root: true }];
  for (let pair = stack.pop(); pair !== undefined; pair = stack.pop()) {
    const { lower: to, upper: from } = pair;
    const hiding = hidingOf(from, rules, marks);
    const opaque = hiding.opaque && !(pair.root && rules.opaqueRoot === "ignore");
    if (opaque) to.clear();
    else for (const name of hiding.hidden) to.delete(name);
    if (pair.fresh || opaque || rules.directoryMetadata === "upper") to.metadata = visible(from.metadata);
    for (const [name, inode] of from) {
      if (hiding.left.has(name)) continue;
      const existing = to.get(name);
      if (existing === undefined) count();
      if (inode.kind !== "directory") to.set(name, leafOf(inode));
      else if (existing?.kind === "directory") {
        stack.push({ lower: existing, upper: inode, fresh: false, root: false });
      } else {
        const directory = new Directory(inode.metadata);
        to.set(name, directory);
        stack.push({ lower: directory, upper: inode, fresh: true, root: false });
      }
    }
  }
}

interface Pair {
  readonly lower: Directory;
  readonly upper: Directory;
  readonly fresh: boolean;
  readonly root: boolean;
}

interface Hiding {
  readonly opaque: boolean;
  /** Names of the lower directory that go. */
  readonly hidden: readonly ByteString[];
  /** Names of the upper directory that are marks and do not come along. */
  readonly left: ReadonlySet<ByteString>;
}

const NOTHING: Hiding = { opaque: false, hidden: [], left: new Set() };

function hidingOf(upper: Directory, rules: MergeRules, marks: OverlayMarks): Hiding {
  if (rules.marks === "overlay") return overlayHiding(upper, marks);
  return rules.marks === "names" ? namedHiding(upper) : NOTHING;
}

function overlayHiding(upper: Directory, marks: OverlayMarks): Hiding {
  const fileWhiteouts = marks.hasFileWhiteouts(upper);
  const hidden: ByteString[] = [];
  for (const [name, inode] of upper) if (marks.isWhiteout(inode, fileWhiteouts)) hidden.push(name);
  return { opaque: marks.isOpaque(upper), hidden, left: new Set(hidden) };
}

/** Marks are regular files; a symlink with the name of the opaque mark works too, but stays. */
function namedHiding(upper: Directory): Hiding {
  let opaque = false;
  const hidden: ByteString[] = [];
  const left = new Set<ByteString>();
  for (const [name, inode] of upper) {
    if (name === OPAQUE_NAME) {
      if (inode.kind === "directory") continue;
      opaque = true;
      if (inode.kind === "file") left.add(name);
      continue;
    }
    const target = inode.kind === "file" ? whiteoutTarget(name) : undefined;
    if (target === undefined) continue;
    if (target === "" || target === "." || target === "..") {
      throw treeErrors.error("whiteout-invalid", `the whiteout "${displayName(name)}" has no name to hide`);
    }
    hidden.push(target);
    left.add(name);
  }
  return { opaque, hidden, left };
}
