import { homedir } from "node:os";
import { join } from "node:path";
import { isRoot } from "./host.ts";

/** Where the lab keeps what is dear to make; safe to delete when nothing of the lab runs. */
export interface CachePaths {
  root: string;
  /** Everything below is held by this lock while it is being made. */
  locks: string;
  peers: string;
  vm: string;
  images: string;
  /** Scratch directories, one a session, each named for its owner. Always a shared mount while in use. */
  scratch: string;
}

/** The directory used unless one is given: `/var/cache/bootc-store` for root, else below the home directory. */
export const defaultCache = (): string =>
  isRoot() ? "/var/cache/bootc-store" : join(homedir(), ".cache", "bootc-store");

export function cachePaths(root: string = defaultCache()): CachePaths {
  return {
    root,
    locks: join(root, "locks"),
    peers: join(root, "peers"),
    vm: join(root, "vm"),
    images: join(root, "images"),
    scratch: join(root, "scratch"),
  };
}
