import type { Layer } from "@bootc-store/backend";

import { containersStorageErrors } from "../errors.ts";
import { isIncomplete, type LayerRecord } from "../format/layers-json.ts";
import { layerSegments } from "../overlay/layer-segments.ts";
import type { StorePlaces } from "../places.ts";
import type { Records } from "../records.ts";

/** A store with its indexes: the primary one, or one of the additional ones. */
export interface StoreRoot {
  readonly places: StorePlaces;
  readonly records: Records;
}

/**
 * A layer's exact tar. Its files are opened when reading begins; they are then readable to their end even if somebody
 * removes the layer, unless files are unlinked before they were read.
 */
export function openLayerRecord(root: StoreRoot, record: LayerRecord): Layer {
  const { diffDigest, diffSize } = record;
  if (diffDigest === undefined || isIncomplete(record)) throw unavailable(record, "its diff id is not known");
  return {
    diffId: diffDigest,
    ...(diffSize === undefined || diffSize < 0 ? {} : { size: diffSize }),
    async *segments(options) {
      // Under the lock, so that a layer that is there is there whole.
      const { split, diff } = await openFiles(root, record, options?.signal);
      using _split = split;
      using _diff = diff;
      yield* layerSegments(split, diff, options?.signal);
    },
  };
}

async function openFiles(
  { places, records }: StoreRoot,
  record: LayerRecord,
  signal: AbortSignal | undefined,
) {
  return await records.withLayers(signal, (table) => {
    const found = table.get(record.id);
    if (found === undefined || isIncomplete(found)) {
      throw containersStorageErrors.error("layer-not-found", `layer ${record.id} is not there any more`, {
        context: { layer: record.id },
      });
    }
    const split = places.openTarSplit(record.id);
    if (split === undefined) throw unavailable(record, "it has no tar-split");
    try {
      return { split, diff: places.dir("content").openDir(places.diffPath(record.id)) };
    } catch (error) {
      split[Symbol.dispose]();
      throw error;
    }
  });
}

function unavailable(record: LayerRecord, why: string): Error {
  return containersStorageErrors.error("layer-tar-unavailable", `layer ${record.id}: ${why}`, {
    context: { layer: record.id },
  });
}
