import { type BootcStore, type ContainersStorage, ensureBootcStore } from "@bootc-store/containers-storage";
import { type BackendOptions, ComposefsBackend, type OpenOptions } from "@bootc-store/composefs";
import { utf8 } from "@bootc-store/core";
import { KeyFile } from "@bootc-store/core/codec";
import { type Dir, measureVerity, type Pool } from "@bootc-store/linux";
import { OstreeBackend } from "@bootc-store/ostree";
import { COMPOSEFS, OSTREE_REPO } from "@bootc-store/paths";
import type { LabelPolicy } from "@bootc-store/tree";

import type { OpenContext } from "./storage.ts";

/**
 * The opener of the composefs repository of a physical root, by bootc's rules: a directory with nothing in it becomes a repository of
 * SHA-512, one of the old format is upgraded, and any other is taken as it is. fs-verity is demanded where ostree's repository has it.
 */
export function composefsOpener(
  options: { readonly pool?: Pool } = {},
): (context: OpenContext) => Promise<ComposefsBackend> {
  return async ({ physicalRoot, readOnly }) => {
    using dir = physicalRoot.openDir(utf8(COMPOSEFS));
    const secure = ostreeHasVerity(physicalRoot);
    const open: OpenOptions & BackendOptions = {
      ...options,
      readOnly,
      old: "upgrade",
      ...(secure ? {} : { verity: "try" }),
    };
    if (readOnly) return await ComposefsBackend.open(dir, open);
    return await ComposefsBackend.ensure(dir, { ...open, secure });
  };
}

/** Whether ostree's repository is to have fs-verity, and has it: its own configuration is sealed. */
function ostreeHasVerity(physicalRoot: Dir): boolean {
  const path = utf8(`${OSTREE_REPO}/config`);
  using file = physicalRoot.openFileOptional(path);
  if (file === undefined) return false;
  const config = KeyFile.parse(file.readAll({ limit: MOST_CONFIG }).toString("utf8"));
  const wanted = config.get("ex-integrity", "fsverity")?.trim();
  return (wanted === "yes" || wanted === "true") && measureVerity(file).state === "enabled";
}

const MOST_CONFIG = 1 << 20;

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
