// The stores that a root has, opened to be looked at. What is not there is not made, and one that cannot be opened is a
// finding beside the others.

import type { Backend } from "@bootc-store/backend";
import { ComposefsBackend } from "@bootc-store/composefs";
import { ContainersStorage } from "@bootc-store/containers-storage";
import { type BackendKind, type Finding, isStoreError, renderError, utf8 } from "@bootc-store/core";
import type { Dir, Pool } from "@bootc-store/linux";
import { OstreeBackend } from "@bootc-store/ostree";
import { COMPOSEFS, OSTREE_REPO, STORAGE } from "@bootc-store/paths";

export interface ExistingStoresOptions {
  readonly pool: Pool;
  /** Where containers-storage keeps what does not outlive a boot; without it nothing is known to be mounted. */
  readonly runRoot?: Dir;
  /** Default `read`: nothing of a store can be changed. */
  readonly access?: "read" | "write";
}

/** A store that is there. */
export interface ExistingStore {
  readonly kind: BackendKind;
  readonly backend: Backend;
  /** Its top directory, for those who look at it as files. */
  readonly dir: Dir;
}

/** The stores of a physical root, in the order of the stages: containers-storage, composefs, ostree. */
export class ExistingStores implements AsyncDisposable {
  readonly containersStorage: ContainersStorage | undefined;
  readonly composefs: ComposefsBackend | undefined;
  readonly ostree: OstreeBackend | undefined;
  readonly all: readonly ExistingStore[];
  /** Stores that are there and could not be opened. */
  readonly findings: readonly Finding[];

  private constructor(all: readonly ExistingStore[], findings: readonly Finding[]) {
    this.all = all;
    this.findings = findings;
    const backends = all.map(({ backend }) => backend);
    this.containersStorage = backends.find((each) => each instanceof ContainersStorage);
    this.composefs = backends.find((each) => each instanceof ComposefsBackend);
    this.ostree = backends.find((each) => each instanceof OstreeBackend);
  }

  /** `root` and `runRoot` stay the caller's. */
  static async open(root: Dir, options: ExistingStoresOptions): Promise<ExistingStores> {
    const { pool, runRoot, access = "read" } = options;
    const readOnly = access === "read";
    const all: ExistingStore[] = [];
    const findings: Finding[] = [];
    const add = async (
      kind: BackendKind,
      path: string,
      marker: string,
      open: (dir: Dir) => Backend | Promise<Backend>,
    ): Promise<void> => {
      const dir = directoryOf(root, path, marker);
      if (dir === undefined) return;
      try {
        all.push({ kind, backend: await open(dir), dir });
      } catch (error) {
        dir[Symbol.dispose]();
        if (!isStoreError(error) || error.kind === "bug" || error.kind === "cancelled") throw error;
        findings.push({
          code: error.code,
          severity: "error",
          subject: { backend: kind, kind: "store", id: kind, path },
          message: `the store cannot be opened: ${renderError(error)}`,
          repair: "none",
        });
      }
    };
    try {
      await add("containers-storage", STORAGE, "overlay-images", (dir) =>
        ContainersStorage.open({
          graphRoot: dir.duplicate(),
          ...(runRoot === undefined ? {} : { runRoot: runRoot.duplicate() }),
          readOnly,
          pool,
        }),
      );
      await add("composefs", COMPOSEFS, "objects", (dir) =>
        ComposefsBackend.open(dir, { pool, readOnly, old: "upgrade" }),
      );
      await add("ostree", OSTREE_REPO, "objects", (dir) => OstreeBackend.open(dir.duplicate(), { pool }));
    } catch (error) {
      await closeAll(all);
      throw error;
    }
    return new ExistingStores(all, findings);
  }

  /** No stores, for what needs none. */
  static none(): ExistingStores {
    return new ExistingStores([], []);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await closeAll(this.all);
  }
}

async function closeAll(all: readonly ExistingStore[]): Promise<void> {
  for (const { backend, dir } of all.toReversed()) {
    await backend[Symbol.asyncDispose]();
    dir[Symbol.dispose]();
  }
}

/** The store's directory, where the root has it with what makes it one. Links stay below the root. */
function directoryOf(root: Dir, path: string, marker: string): Dir | undefined {
  const dir = root.openDirOptional(utf8(path), { resolution: "beneath" });
  if (dir === undefined) return undefined;
  if (dir.statOptional(utf8(marker))?.type === "directory") return dir;
  dir[Symbol.dispose]();
  return undefined;
}
