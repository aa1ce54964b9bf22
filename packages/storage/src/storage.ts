import type { Backend } from "@bootc-store/backend";
import { type BackendKind, Lifetime, type Log, silentLog, utf8 } from "@bootc-store/core";
import type { Dir } from "@bootc-store/linux";
import { BOOTC_ROOT, EFI_LINUX } from "@bootc-store/paths";

import { ensureComposefsDir } from "./ensure-layout.ts";
import { storageErrors } from "./errors.ts";

/** How the EFI system partition is mounted: only looked at when composefs was booted. */
export type EspAccess = "read-only" | "read-write";

/** A mounted EFI system partition. Disposing of it unmounts it, if it was mounted for this. */
export interface Esp extends AsyncDisposable {
  readonly dir: Dir;
  readonly access: EspAccess;
}

/** Which kind of boot loader reads the boot entries: GRUB from `/boot`, or one that reads the ESP. */
export type BootloaderKind = "grub-classic" | "bls-compatible";

/** What an opener of a store is given. */
export interface OpenContext {
  readonly physicalRoot: Dir;
  readonly run: Dir;
  readonly readOnly: boolean;
  readonly log: Log;
}

type Opener = (context: OpenContext) => Promise<Backend>;

/** How each store is opened. A store without an opener refuses with `storage/backend-absent`. */
export interface StoreOpeners {
  readonly ostree?: Opener;
  readonly composefs?: Opener;
  readonly containersStorage?: Opener;
}

export interface StorageOptions {
  /** Taken over: the storage closes it. */
  readonly physicalRoot: Dir;
  /** For messages: `/sysroot` on a booted host, else where the disk is mounted. */
  readonly physicalRootPath: string;
  /** Taken over. */
  readonly run: Dir;
  readonly readOnly: boolean;
  /** Taken over. */
  readonly bootDir?: Dir;
  /** Taken over. */
  readonly esp?: Esp;
  readonly openers?: StoreOpeners;
  readonly log?: Log;
}

/**
 * A physical root with its three stores. The stores are opened when they are first asked for, and once; asking
 * twice at the same time opens once. Disposing closes what was opened, last first.
 */
export class Storage implements AsyncDisposable {
  readonly physicalRoot: Dir;
  readonly physicalRootPath: string;
  readonly run: Dir;
  readonly readOnly: boolean;
  readonly bootDir: Dir | undefined;
  readonly esp: Esp | undefined;
  readonly #openers: StoreOpeners;
  readonly #log: Log;
  readonly #life = new Lifetime("storage");
  readonly #stores = new Map<BackendKind, Promise<Backend>>();

  constructor(options: StorageOptions) {
    this.physicalRoot = options.physicalRoot;
    this.physicalRootPath = options.physicalRootPath;
    this.run = options.run;
    this.readOnly = options.readOnly;
    this.bootDir = options.bootDir;
    this.esp = options.esp;
    this.#openers = options.openers ?? {};
    this.#log = options.log ?? silentLog;
  }

  /** Throws `storage/read-only`. */
  requireWritable(): void {
    if (!this.readOnly) return;
    throw storageErrors.error(
      "read-only",
      `Cannot perform this operation: ${this.physicalRootPath} is on a read-only block device (e.g. a live ISO)`,
      { context: { path: this.physicalRootPath } },
    );
  }

  /** The directory of boot entries. Throws `storage/boot-dir-absent`. */
  requireBootDir(): Dir {
    if (this.bootDir === undefined) throw storageErrors.error("boot-dir-absent", "Boot dir not found");
    return this.bootDir;
  }

  /** The EFI system partition. Throws `storage/esp-absent`. */
  requireEsp(): Esp {
    if (this.esp === undefined) throw storageErrors.error("esp-absent", "ESP not found");
    return this.esp;
  }

  /** Where kernels of boot entries lie: the boot directory for GRUB, `EFI/Linux` on the ESP for others. The caller closes it. */
  blsBootBinariesDir(kind: BootloaderKind): Dir {
    const bootDir = this.requireBootDir();
    return kind === "grub-classic" ? bootDir.duplicate() : bootDir.openDir(utf8(EFI_LINUX));
  }

  /** The ostree store, if it has been opened: this never opens it. Throws `storage/ostree-not-initialized`. */
  async getOstree(): Promise<Backend> {
    this.#life.assertOpen();
    const store = this.#stores.get("ostree");
    if (store === undefined)
      throw storageErrors.error("ostree-not-initialized", "OSTree storage not initialized");
    return await store;
  }

  /** Opens the ostree store, or returns it. */
  async openOstree(): Promise<Backend> {
    return await this.#open("ostree", this.#openers.ostree);
  }

  /** The composefs repository; its directory is made, with its mode, if it is not there. */
  async getEnsureComposefs(): Promise<Backend> {
    const opener = this.#openers.composefs;
    return await this.#open(
      "composefs",
      opener === undefined
        ? undefined
        : async (context) => {
            if (!this.readOnly) ensureComposefsDir(this.physicalRoot);
            return await opener(context);
          },
    );
  }

  /** bootc's containers-storage; it is made if it is not there. */
  async getEnsureImgstore(): Promise<Backend> {
    return await this.#open("containers-storage", this.#openers.containersStorage);
  }

  /**
   * Sets the times of bootc's own root to now, through the link if it is one. A watcher of that directory learns
   * from it that something has changed.
   */
  updateMtime(): void {
    this.#life.assertOpen();
    this.requireWritable();
    using root = this.physicalRoot.openDir(utf8(BOOTC_ROOT), { resolution: "beneath" });
    root.self().setTimes({ atime: "now", mtime: "now" });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#life.end()) return;
    const failures: unknown[] = [];
    const attempt = async (work: () => unknown): Promise<void> => {
      try {
        await work();
      } catch (error) {
        failures.push(error);
      }
    };
    for (const store of [...this.#stores.values()].reverse()) {
      // A store that failed to open has told whoever asked for it.
      const opened = await store.catch(() => undefined);
      if (opened !== undefined) await attempt(() => opened[Symbol.asyncDispose]());
    }
    const { esp } = this;
    if (esp !== undefined) await attempt(() => esp[Symbol.asyncDispose]());
    for (const dir of [this.bootDir, this.run, this.physicalRoot])
      await attempt(() => dir?.[Symbol.dispose]());
    if (failures.length > 0) throw failures[0];
  }

  async #open(kind: BackendKind, opener: Opener | undefined): Promise<Backend> {
    this.#life.assertOpen();
    const known = this.#stores.get(kind);
    if (known !== undefined) return await known;
    if (opener === undefined) {
      throw storageErrors.error("backend-absent", `the ${kind} backend is not there`, {
        context: { backend: kind },
      });
    }
    const { physicalRoot, run, readOnly } = this;
    const opening = opener({ physicalRoot, run, readOnly, log: this.#log });
    this.#stores.set(kind, opening);
    try {
      return await opening;
    } catch (error) {
      // What failed may work the next time: a lock may be free, a disk may have room.
      this.#stores.delete(kind);
      throw error;
    }
  }
}
