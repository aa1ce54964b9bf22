// bootc's own graph root: made whole or not at all, and labelled as if it were podman's usual one.

import { crashPoint, utf8 } from "@bootc-store/core";
import type { Dir, Pool } from "@bootc-store/linux";
import {
  STORAGE,
  STORAGE_LABEL_REFERENCE,
  STORAGE_LABELED_STAMP,
  STORAGE_RUN_ROOT,
} from "@bootc-store/paths";
import { type InodeKind, type LabelPolicy, SELINUX_XATTR } from "@bootc-store/tree";

import { Cleanup } from "../cleanup.ts";
import { ContainersStorage } from "../store.ts";

interface Settings {
  /**
   * The directory that has `ostree/bootc` in it, itself or as a link: the ostree sysroot, or where there is only
   * composefs the physical root. Stays the caller's.
   */
  readonly base: Dir;
  readonly readOnly?: boolean;
  /** Of the booted deployment, or of `/`; without one nothing is labelled. */
  readonly policy?: LabelPolicy;
  readonly pool?: Pool;
}

/** Where the run root is: in `/run` at its usual place, or a directory of its own. Both stay the caller's. */
export type BootcStoreOptions = Settings &
  ({ readonly run: Dir; readonly runRoot?: undefined } | { readonly runRoot: Dir; readonly run?: undefined });

export interface BootcStore {
  readonly store: ContainersStorage;
  readonly created: boolean;
  /** Labels everything, if that has not been done; a store that is new is better labelled when its images are there. */
  ensureLabeled(): "labeled" | "stamped" | "no-policy";
}

const BENEATH = { resolution: "beneath" } as const;

/**
 * Opens bootc's store, and makes it if it is not there: under another name, and renamed when it is a store. One that was
 * there is labelled now if it has not been.
 */
export function ensureBootcStore(options: BootcStoreOptions): BootcStore {
  const { base, readOnly = false, policy, pool } = options;
  const path = utf8(STORAGE);
  using opened = new Cleanup();
  const runRoot = openRunRoot(options);
  if (runRoot !== undefined) opened.use(runRoot);
  const created = runRoot !== undefined && !readOnly && base.statOptional(path, BENEATH) === undefined;
  if (created) createStore(base, runRoot);
  const graphRoot = opened.use(base.openDir(path, BENEATH));
  const settings = {
    graphRoot,
    driver: "overlay",
    readOnly,
    ...(runRoot === undefined ? {} : { runRoot }),
    ...(pool === undefined ? {} : { pool }),
  } as const;
  const store = readOnly ? ContainersStorage.open(settings) : ContainersStorage.ensure(settings).store;
  const ensureLabeled = (): ReturnType<BootcStore["ensureLabeled"]> => labelStore(graphRoot, policy);
  opened.move();
  try {
    if (!created && !readOnly) ensureLabeled();
  } catch (error) {
    store.close();
    throw error;
  }
  return { store, created, ensureLabeled };
}

/** The run root, made at its usual place where it is missing; `undefined` if it is missing and nothing may be made. */
function openRunRoot({ run, runRoot, readOnly = false }: BootcStoreOptions): Dir | undefined {
  if (runRoot !== undefined) return runRoot.duplicate();
  const path = utf8(STORAGE_RUN_ROOT);
  if (!readOnly) run.ensureDir(path, { parents: true });
  return run.openDirOptional(path);
}

function createStore(base: Dir, runRoot: Dir): void {
  const slash = STORAGE.lastIndexOf("/");
  const parentPath = utf8(STORAGE.slice(0, slash));
  const name = STORAGE.slice(slash + 1);
  if (base.statOptional(parentPath, { ...BENEATH, follow: true }) === undefined) {
    base.ensureDir(parentPath, { ...BENEATH, parents: true });
  }
  using parent = base.openDir(parentPath, BENEATH);
  const temporary = utf8(`${name}.tmp`);
  parent.removeAll(temporary);
  parent.makeDir(temporary);
  const { store } = ContainersStorage.ensure({
    graphRoot: parent.openDir(temporary),
    runRoot: runRoot.duplicate(),
    driver: "overlay",
  });
  store.close();
  crashPoint("containers-storage/ensure-bootc-store/before-rename");
  parent.rename(temporary, utf8(name), { mode: "noreplace" });
  parent.sync();
}

function labelStore(graphRoot: Dir, policy: LabelPolicy | undefined): "labeled" | "stamped" | "no-policy" {
  const stamp = utf8(STORAGE_LABELED_STAMP);
  if (graphRoot.statOptional(stamp) !== undefined) return "stamped";
  if (policy === undefined) return "no-policy";
  const label = (path: string, kind: InodeKind): Uint8Array | undefined => {
    const context = policy.labelOf(utf8(path), kind);
    return context === undefined ? undefined : Buffer.from(`${context}\0`, "latin1");
  };
  const root = label(STORAGE_LABEL_REFERENCE, "directory");
  if (root !== undefined) graphRoot.self().setXattr(SELINUX_XATTR, root);
  for (const { dir, name, path, type } of graphRoot.walk({ crossMounts: false })) {
    const value = label(`${STORAGE_LABEL_REFERENCE}/${path}`, KINDS[type] ?? "file");
    if (value !== undefined) dir.setXattr(name, SELINUX_XATTR, value);
  }
  graphRoot.sync();
  crashPoint("containers-storage/ensure-bootc-store/before-stamp");
  graphRoot.createNew(stamp)[Symbol.dispose]();
  const own = label(`${STORAGE_LABEL_REFERENCE}/${STORAGE_LABELED_STAMP}`, "file");
  if (own !== undefined) graphRoot.setXattr(stamp, SELINUX_XATTR, own);
  graphRoot.sync();
  return "labeled";
}

const KINDS: Readonly<Record<string, InodeKind>> = {
  regular: "file",
  directory: "directory",
  symlink: "symlink",
  character: "char",
  block: "block",
  fifo: "fifo",
  socket: "socket",
};
