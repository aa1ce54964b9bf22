import type { AdoptOptions, ImageWriteOptions } from "@bootc-store/backend";
import type { Log } from "@bootc-store/core";
import type { Dir, Pool } from "@bootc-store/linux";
import type { ExactDocument } from "@bootc-store/oci";

import { containersStorageErrors } from "./errors.ts";
import { detectDriver, type Driver, StorePlaces } from "./places.ts";
import type { StoreRoot } from "./ports/layer-source.ts";
import { Records } from "./records.ts";

export interface OpenStoreOptions {
  /** Taken over: the store closes it. */
  readonly graphRoot: Dir;
  /** Taken over. Needed for writing; without it nothing is known to be mounted. */
  readonly runRoot?: Dir;
  /** Which driver's directories are meant; by default those that are there. */
  readonly driver?: Driver;
  /** Other graph roots, which are read after this one and never written. Taken over. */
  readonly additional?: readonly Dir[];
  /** Where images and their layers are, if they are kept apart. Taken over. Such a store is only read. */
  readonly imageStore?: Dir;
  /** Containers have their records in the run root, and do not outlive a boot. */
  readonly transient?: boolean;
  readonly readOnly?: boolean;
  /** Hears of what could not be cleaned up and stays until somebody opens the store, and the like. */
  readonly log?: Log;
  /** Workers for layers; the caller's. Without one everything is done on this thread. */
  readonly pool?: Pool;
}

export interface CsWriteLayerOptions extends AdoptOptions {
  /** The layer that this one is over. */
  readonly parent?: string;
}

export interface CsWriteImageOptions extends ImageWriteOptions {
  /** See `WriteImageOptions.sync`. */
  readonly sync?: boolean;
  /** Of the manifest, each in the form in which containers/image keeps it. Without them, those that are there stay. */
  readonly signatures?: readonly Uint8Array[];
  /** The index by which the manifest was found, kept beside it. Throws `containers-storage/image-invalid` unless it names it. */
  readonly index?: ExactDocument;
}

/** The roots of a store. Throws `containers-storage/store-not-found`, `driver-unsupported`. */
export function openRoots(options: OpenStoreOptions): {
  readonly primary: StoreRoot;
  readonly additional: readonly StoreRoot[];
  readonly readOnly: boolean;
} {
  const { graphRoot, runRoot, imageStore, log, transient } = options;
  const driver = options.driver ?? detectDriver(graphRoot);
  if (driver === undefined) {
    throw containersStorageErrors.error("store-not-found", "the directory is not a graph root");
  }
  const readOnly = options.readOnly === true || driver !== "overlay" || imageStore !== undefined;
  const root = (
    places: Partial<ConstructorParameters<typeof StorePlaces>[0]> & { readonly graphRoot: Dir },
  ): StoreRoot => {
    const opened = new StorePlaces({ driver, runRoot: undefined, readOnly: true, ...places });
    return { places: opened, records: new Records(opened) };
  };
  const readOnlyWhy = imageStore === undefined ? undefined : "a store with a split image store is only read";
  const primary = root({ graphRoot, runRoot, readOnly, log, transient, readOnlyWhy });
  const additional = (options.additional ?? []).map((dir) => root({ graphRoot: dir }));
  if (imageStore !== undefined) {
    const tarSplits = primary.places.dirOptional("layers")?.duplicate();
    additional.unshift(root({ graphRoot: imageStore, tarSplits }));
  }
  return { primary, additional, readOnly };
}
