import { type BootcStore, type ContainersStorage, ensureBootcStore } from "@bootc-store/containers-storage";
import { utf8 } from "@bootc-store/core";
import type { Pool } from "@bootc-store/linux";
import { OstreeBackend } from "@bootc-store/ostree";
import { OSTREE_REPO } from "@bootc-store/paths";
import type { LabelPolicy } from "@bootc-store/tree";

import type { OpenContext } from "./storage.ts";

export interface ImgstoreOptions {
  /** The policy of the booted deployment, or of `/` where nothing is booted; without one nothing is labelled. */
  readonly policy?: LabelPolicy;
  readonly pool?: Pool;
}

/** How bootc's containers-storage is opened, for `StoreOpeners`, and labelled when images were put into it. */
export interface ImgstoreOpener {
  readonly containersStorage: (context: OpenContext) => Promise<ContainersStorage>;
  /** Labels the store that was opened, if that has not been done; does nothing if none was. */
  ensureLabeled(): ReturnType<BootcStore["ensureLabeled"]> | "not-opened";
}

/** The opener of the ostree repository of a physical root, which is not made where there is none. */
export function ostreeOpener(
  options: { readonly pool?: Pool } = {},
): (context: OpenContext) => Promise<OstreeBackend> {
  return async ({ physicalRoot }) => {
    const dir = physicalRoot.openDir(utf8(OSTREE_REPO));
    try {
      return OstreeBackend.open(dir, options);
    } catch (error) {
      dir[Symbol.dispose]();
      throw error;
    }
  };
}

/**
 * The opener of bootc's containers-storage in a physical root: through `ostree/bootc`, which on systems with composefs
 * only is a link. A store that is not there is made under another name and renamed, unless the root is read-only.
 */
export function imgstoreOpener(options: ImgstoreOptions = {}): ImgstoreOpener {
  let opened: BootcStore | undefined;
  return {
    async containersStorage({ physicalRoot, run, readOnly }) {
      opened = ensureBootcStore({ base: physicalRoot, run, readOnly, ...options });
      return opened.store;
    },
    ensureLabeled: () => opened?.ensureLabeled() ?? "not-opened",
  };
}
