import type { Root } from "@bootc-store/backend";

import { printRefspec } from "../repo/ref-name.ts";
import type { FoundRef } from "../repo/refs.ts";
import type { Repo } from "../repo/repo.ts";

/** Every ref with the commit that it keeps. */
export function rootsOf(repo: Repo): Root[] {
  return repo.refs
    .listAll()
    .map((found) => ({ backend: "ostree", kind: "ref", name: shownRef(found), target: found.checksum }));
}

/** As a person writes it: `REF`, `REMOTE:REF`, or `(COLLECTION, REF)`. */
export function shownRef({ owner, ref }: FoundRef): string {
  if (owner.kind === "mirror") return `(${owner.collectionId}, ${ref})`;
  return printRefspec({ remote: owner.kind === "remote" ? owner.remote : undefined, ref });
}
