import type { SyncPolicy } from "@bootc-store/linux";

import type { RepoMode } from "../format/mode.ts";

/** Where objects are, as numbers that cross to a worker. Descriptors stay open until the work is done. */
export interface ObjectPlaces {
  readonly mode: RepoMode;
  /** Descriptor of `objects`. */
  readonly objects: number;
  /** Descriptor of a staging directory, whose objects count as present. */
  readonly staging?: number;
  /** Where to look for what is not here. */
  readonly parent?: ObjectPlaces;
}

/** Where and how objects are written, as values that cross to a worker. */
export interface WritePlaces extends ObjectPlaces {
  /** Descriptor of the directory for temporary files. */
  readonly tmp: number;
  /** Descriptor of the directory that gets the objects: a staging directory, or `objects`. */
  readonly target: number;
  readonly sync: SyncPolicy;
  /** 1 to 9. */
  readonly zlibLevel: number;
  /** Who we are: the owner of what is made here. */
  readonly uid: number;
}
