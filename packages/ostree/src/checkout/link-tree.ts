import { throwIfAborted } from "@bootc-store/core";
import type { Dir } from "@bootc-store/linux";

import type { DevinoCache } from "../commit/devino.ts";
import type { Repo } from "../repo/repo.ts";
import type { DirectoryRules } from "./directory.ts";
import type { FileRules } from "./file.ts";
import { LinkExchange } from "./link-exchange.ts";
import { helpLink, type HelpLinkOutput } from "./link-task.ts";
import { type LinkCounts, type LinkUnit, LinkWalk } from "./link-walk.ts";

export interface LinkTreeOptions {
  readonly files: FileRules;
  readonly rules: DirectoryRules;
  readonly devino?: DevinoCache;
  readonly signal?: AbortSignal;
}

/** So many names are placed before another thread has begun. */
const FEW = 300;
/** Milliseconds after which this thread looks whether it is to stop. */
const BREATHER_MS = 20;

/**
 * Fills a directory that is there with links. They cost the kernel more than us, so all threads make them, this one from the
 * beginning: who has nothing to do gets a directory of who has.
 */
export async function linkTree(
  repo: Repo,
  top: Dir,
  root: LinkUnit,
  options: LinkTreeOptions,
): Promise<LinkCounts> {
  const { files, rules, devino } = options;
  const walk = new LinkWalk(repo.reader, top, files, rules, devino !== undefined);
  await new LinkTree(repo, top, walk, options).run(root);
  for (const [key, checksum] of walk.devino ?? []) devino?.set(key, checksum);
  return walk.counts;
}

class LinkTree {
  readonly #repo: Repo;
  readonly #top: Dir;
  readonly #walk: LinkWalk;
  readonly #options: LinkTreeOptions;
  readonly #exchange = new LinkExchange();
  #helpers: Promise<HelpLinkOutput>[] | undefined;
  /** Why a helper has ended early. */
  #failed: { readonly error: unknown } | undefined;
  #since = performance.now();

  constructor(repo: Repo, top: Dir, walk: LinkWalk, options: LinkTreeOptions) {
    this.#repo = repo;
    this.#top = top;
    this.#walk = walk;
    this.#options = options;
  }

  async run(root: LinkUnit): Promise<void> {
    try {
      await this.#fill(root);
      if (this.#helpers === undefined) return;
      for (;;) {
        const unit = this.#exchange.wait(BREATHER_MS);
        if (unit === "over") break;
        if (unit === "none") await this.#breathe();
        else await this.#fill(unit);
      }
    } finally {
      this.#exchange.stop();
      // Helpers use descriptors of the repository and of the destination.
      await Promise.allSettled(this.#helpers ?? []);
    }
    for (const helper of this.#helpers) add(this.#walk, await helper);
  }

  async #fill(unit: LinkUnit): Promise<void> {
    await this.#walk.run(unit, () => this.#between());
    this.#exchange.done();
  }

  #between(): void | Promise<void> {
    if (this.#helpers === undefined) {
      if (this.#walk.placed >= FEW) this.#helpers = this.#call();
    } else this.#exchange.feed(() => this.#walk.giveAway());
    if (performance.now() - this.#since >= BREATHER_MS) return this.#breathe();
  }

  #call(): Promise<HelpLinkOutput>[] {
    const { files, rules, devino, signal } = this.#options;
    // A whiteout removes what others would be putting there at the same time.
    const count = rules.whiteouts ? 0 : Math.max(0, this.#repo.pool.size - 1);
    return Array.from({ length: count }, () => {
      const helper = this.#repo.pool.run(
        helpLink,
        {
          places: this.#repo.places(),
          into: this.#top.fd,
          files,
          rules,
          devino: devino !== undefined,
          memory: this.#exchange.memory,
        },
        signal === undefined ? {} : { signal },
      );
      helper.catch((error: unknown) => {
        this.#failed ??= { error };
        this.#exchange.stop();
      });
      return helper;
    });
  }

  /** Lets news in: that it is to stop, or that a helper has failed. */
  async #breathe(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    throwIfAborted(this.#options.signal);
    if (this.#failed !== undefined) throw this.#failed.error;
    this.#since = performance.now();
  }
}

function add(walk: LinkWalk, { counts, devino }: HelpLinkOutput): void {
  for (const how of ["linked", "cloned", "copied", "kept"] as const) walk.counts.how[how] += counts.how[how];
  walk.counts.directories += counts.directories;
  for (const inode of devino) walk.devino?.push(inode);
}
