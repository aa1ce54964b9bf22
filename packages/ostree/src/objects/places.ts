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
