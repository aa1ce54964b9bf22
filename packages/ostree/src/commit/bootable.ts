import { type ByteString, utf8 } from "@bootc-store/core";

import { ostreeErrors } from "../errors.ts";
import { inHashOrder } from "../gvariant/hash-order.ts";
import { type Dict, variant } from "../gvariant/index.ts";
import type { MutableTree } from "./mutable-tree.ts";

/**
 * Metadata of a commit that can be booted: `ostree.bootable`, and in `ostree.linux` the version of the one kernel in
 * `usr/lib/modules`. Throws `ostree/kernel-not-found` for none or several.
 */
export function bootableMetadata(metadata: Dict, root: MutableTree): Dict {
  let modules: MutableTree | undefined = root;
  for (const part of ["usr", "lib", "modules"]) modules = modules?.dirs.get(utf8(part));
  const versions = [...(modules?.dirs ?? [])]
    .filter(([, dir]) => dir.files.has("vmlinuz" as ByteString))
    .map(([name]) => Buffer.from(name, "latin1").toString("utf8"));
  const [version] = versions;
  if (modules === undefined) {
    throw ostreeErrors.error("kernel-not-found", "opendir(usr/lib/modules): No such file or directory");
  }
  if (version === undefined) {
    throw ostreeErrors.error(
      "kernel-not-found",
      "No kernel found in usr/lib/modules: No such file or directory",
    );
  }
  if (versions.length > 1) {
    throw ostreeErrors.error(
      "kernel-not-found",
      `Multiple kernels found in usr/lib/modules: ${versions.join(", ")}`,
    );
  }
  return inHashOrder([
    ...metadata,
    ["ostree.bootable", variant("b", true)],
    ["ostree.linux", variant("s", version)],
  ]);
}
