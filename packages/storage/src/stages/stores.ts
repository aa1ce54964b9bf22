// The three stores of a physical root, opened or made where they belong.

import { ComposefsBackend } from "@bootc-store/composefs";
import { type ContainersStorage, ensureBootcStore } from "@bootc-store/containers-storage";
import { type Log, utf8 } from "@bootc-store/core";
import type { Dir, Pool } from "@bootc-store/linux";
import { Repo } from "@bootc-store/ostree";
import { COMPOSEFS, OSTREE_REPO } from "@bootc-store/paths";

import { ensureComposefsBootcLink, ensureComposefsDir } from "../ensure-layout.ts";

export interface StoresOptions {
  readonly pool: Pool;
  readonly log?: Log;
  /**
   * Which layout a root without one gets: `composefs` puts containers-storage into `composefs/bootc` behind a link, `ostree`
   * makes `ostree/bootc` a directory (the default).
   */
  readonly backend?: "ostree" | "composefs";
}

/** The stores of a root. Each is opened when it is asked for, and closed with this. */
export class PhysicalStores implements AsyncDisposable {
  readonly #root: Dir;
  /** Where containers-storage keeps what does not outlive a boot. */
  readonly #runRoot: Dir;
  readonly #options: StoresOptions;
  /** In the order in which they were opened. */
  readonly #open: (Disposable | AsyncDisposable)[] = [];

  constructor(root: Dir, runRoot: Dir, options: StoresOptions) {
    this.#root = root;
    this.#runRoot = runRoot;
    this.#options = options;
  }

  containersStorage(): ContainersStorage {
    if (this.#options.backend === "composefs") {
      ensureComposefsDir(this.#root);
      ensureComposefsBootcLink(this.#root, this.#options.log);
    }
    const { store } = ensureBootcStore({
      base: this.#root,
      runRoot: this.#runRoot,
      pool: this.#options.pool,
    });
    return this.#keep(store);
  }

  async composefs(): Promise<ComposefsBackend> {
    ensureComposefsDir(this.#root);
    using dir = this.#root.openDir(utf8(COMPOSEFS));
    return this.#keep(await ComposefsBackend.ensure(dir, { pool: this.#options.pool, old: "upgrade" }));
  }

  ostree(): Repo {
    this.#root.ensureDir(utf8(OSTREE_REPO), { parents: true });
    const dir = this.#keep(this.#root.openDir(utf8(OSTREE_REPO)));
    return this.#keep(Repo.ensure(dir, { mode: "bare", pool: this.#options.pool }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (let last = this.#open.pop(); last !== undefined; last = this.#open.pop()) {
      if (Symbol.asyncDispose in last) await last[Symbol.asyncDispose]();
      else last[Symbol.dispose]();
    }
  }

  #keep<T extends Disposable | AsyncDisposable>(opened: T): T {
    this.#open.push(opened);
    return opened;
  }
}
