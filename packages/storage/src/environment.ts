// How the running system was started, read from a root directory and its /proc and /run, so that it can be told
// without booting. Order: container, composefs, ostree, other; a container wins even where it shares the
// command line of a composefs host.

import { utf8 } from "@bootc-store/core";
import type { Dir } from "@bootc-store/linux";
import { OSTREE_BOOTED } from "@bootc-store/paths";

import { type ComposefsCmdline, readComposefsCmdline } from "./composefs-cmdline.ts";

export type Environment =
  | { readonly kind: "container" }
  | { readonly kind: "composefs-booted"; readonly cmdline: ComposefsCmdline }
  | { readonly kind: "ostree-booted" }
  | { readonly kind: "other" };

export interface DetectOptions {
  /** The root of the host: `/` of the running system. */
  readonly host: Dir;
  readonly env: Readonly<Record<string, string | undefined>>;
}

const CONTAINER_MARKERS = ["run/.containerenv", ".dockerenv"];

export const Environment = {
  /**
   * Throws `storage/root-mount-not-composefs` where the command line says composefs and the root mount does not
   * agree, as bootc does.
   */
  detect({ host, env }: DetectOptions): Environment {
    if (env["container"] !== undefined || CONTAINER_MARKERS.some((path) => exists(host, path))) {
      return { kind: "container" };
    }
    const cmdline = readComposefsCmdline(host);
    if (cmdline !== undefined) return { kind: "composefs-booted", cmdline };
    return exists(host, `run/${OSTREE_BOOTED}`) ? { kind: "ostree-booted" } : { kind: "other" };
  },

  /** Whether commands must first enter a mount namespace of their own. */
  needsMountNamespace(environment: Environment): boolean {
    return environment.kind === "composefs-booted" || environment.kind === "ostree-booted";
  },
} as const;

function exists(host: Dir, path: string): boolean {
  return host.statOptional(utf8(path), { resolution: "inRoot", follow: true }) !== undefined;
}
