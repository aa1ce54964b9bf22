// Layers into the store: staged without any lock while they stream, then committed together under the layers' lock.

import type { Layer } from "@bootc-store/backend";
import { crashPoint, type Digest, utf8 } from "@bootc-store/core";
import type { Dir } from "@bootc-store/linux";

import { Cleanup } from "./cleanup.ts";
import { containersStorageErrors } from "./errors.ts";
import type { Compression, LayerRecord } from "./format/layers-json.ts";
import { COMPRESSIONS, defined, isIncomplete } from "./format/layers-json.ts";
import { timeNow } from "./format/record.ts";
import type { StagingDir } from "./locks/staging.ts";
import { type AppliedLayer, applyLayer, type ApplyOptions } from "./overlay/apply.ts";
import {
  makeLayerDir,
  type Move,
  putAwayLayer,
  removeLayerFiles,
  takeBackMoves,
} from "./overlay/layer-dir.ts";
import { undo } from "./undo.ts";
import { TarSplitWriter } from "./overlay/tar-split-writer.ts";
import type { StorePlaces } from "./places.ts";
import type { Change } from "./change.ts";
import type { Records } from "./records.ts";

const ADDITION = utf8("0-addition");
const BASE_MODE = 0o555;

/** The blob that a layer came as. */
export interface LayerBlob {
  readonly digest: Digest;
  readonly size: number;
  readonly compression: Compression;
}

/** A layer's content and tar-split, complete and checked, in staging directories of their own. */
export class StagedLayer implements Disposable {
  readonly applied: AppliedLayer;
  readonly #content: StagingDir;
  readonly #split: StagingDir;

  private constructor(applied: AppliedLayer, content: StagingDir, split: StagingDir) {
    this.applied = applied;
    this.#content = content;
    this.#split = split;
  }

  static async create(places: StorePlaces, layer: Layer, options: ApplyOptions): Promise<StagedLayer> {
    using stack = new Cleanup();
    const split = stack.use(places.staging("layers"));
    const content = stack.use(places.staging("content"));
    content.dir.makeDir(ADDITION, 0o755);
    content.dir.setMode(ADDITION, BASE_MODE);
    using diff = content.dir.openDir(ADDITION);
    using file = split.dir.createNew(ADDITION, { mode: 0o600 });
    using writer = new TarSplitWriter(file);
    const applied = await applyLayer(layer, diff, writer, options);
    file.syncData();
    stack.move();
    return new StagedLayer(applied, content, split);
  }

  /** Moves the layer to its place, whose directory is there already. */
  publish(places: StorePlaces, id: string, parent: string | undefined): void {
    const content = places.dir("content");
    // As the parent's, which may be of another mode where it came by other roads.
    if (parent !== undefined) this.#looksLike(content, parent);
    this.#split.dir.rename(ADDITION, utf8(`${id}.tar-split.gz`), { to: places.dir("layers") });
    crashPoint("containers-storage/write-layer/after-tar-split");
    this.#content.dir.rename(ADDITION, utf8(`${id}/diff`), { to: content });
  }

  /** Moves the layer over the empty `diff` of one that is there. */
  fill(places: StorePlaces, id: string): void {
    const content = places.dir("content");
    this.#looksLike(content, id);
    this.#content.dir.rename(ADDITION, utf8(`${id}/diff`), { to: content });
    this.#split.dir.rename(ADDITION, utf8(`${id}.tar-split.gz`), { to: places.dir("layers") });
  }

  #looksLike(content: Dir, id: string): void {
    const { mode, uid, gid } = content.stat(utf8(`${id}/diff`));
    this.#content.dir.setOwner(ADDITION, uid, gid);
    this.#content.dir.setMode(ADDITION, mode & 0o7777);
  }

  [Symbol.dispose](): void {
    try {
      this.#content[Symbol.dispose]();
    } finally {
      this.#split[Symbol.dispose]();
    }
  }
}

/** A staged layer, and what it is to become. */
export interface LayerToCommit {
  readonly id: string;
  readonly parent: string | undefined;
  readonly staged: StagedLayer;
  /** Where it is not known, the tar itself is taken for it. */
  readonly blob?: LayerBlob | undefined;
  readonly names?: readonly string[];
}

/**
 * Gives layers their places, lowest first, and says which of them were new: one that somebody else has made meanwhile
 * is left as it is. The records are there, marked incomplete, before anything else is, and lose the mark at the end;
 * whoever finds a mark removes the layer.
 * @param hasParent whether a layer that is not in this store is in one of the additional ones
 */
export async function commitLayers(
  places: StorePlaces,
  records: Records,
  layers: readonly LayerToCommit[],
  options: {
    readonly signal?: AbortSignal;
    readonly hasParent: (id: string) => boolean;
    /** Whether everything is on the device before the records say so. */
    readonly sync?: boolean;
  },
): Promise<readonly boolean[]> {
  return await records.change(["layers"], options.signal, async (change) => {
    await removeIncomplete(places, change);
    const present = layers.map(({ id }) => change.layers.get(id) !== undefined);
    const missing = layers.filter((_, at) => present[at] === false);
    if (missing.length === 0) return present.map(() => false);
    for (const { id, parent } of missing) {
      const known =
        parent === undefined ||
        change.layers.get(parent) !== undefined ||
        missing.some((each) => each.id === parent) ||
        options.hasParent(parent);
      if (known) continue;
      throw containersStorageErrors.error("layer-not-found", `parent of layer not known: ${parent}`, {
        context: { layer: id },
        hint: "Somebody removed it meanwhile; try again.",
      });
    }
    const complete = missing.map(recordOf);
    const before = change.layers.all;
    const marked = complete.map((record) => ({ ...record, flags: { ...record.flags, incomplete: true } }));
    try {
      await change.saveLayers([...before, ...marked]);
      crashPoint("containers-storage/write-layer/after-incomplete-record");
      const content = places.dir("content");
      const links = places.subdir("content", "l", 0o755);
      for (const { id, parent, staged } of missing) {
        makeLayerDir(content, links, id, parent);
        crashPoint("containers-storage/write-layer/after-directory");
        staged.publish(places, id, parent);
        crashPoint("containers-storage/write-layer/after-content");
      }
      if (options.sync === true) content.syncFileSystem();
      await change.saveLayers([...before, ...complete]);
    } catch (error) {
      await undo(error, () => takeBack(places, change, before, missing));
    }
    crashPoint("containers-storage/write-layer/after-record");
    return present.map((there) => !there);
  });
}

/**
 * Takes out what there is of layers that could not be made. Files go before the records, which are still marked, so that
 * a full disk has room for the index again.
 */
async function takeBack(
  places: StorePlaces,
  change: Change,
  before: readonly LayerRecord[],
  layers: readonly LayerToCommit[],
): Promise<void> {
  for (const { id } of layers) removeLayerFiles(places, id);
  await change.saveLayers(before);
}

function recordOf({ id, parent, staged, blob, names }: LayerToCommit): LayerRecord {
  return {
    id,
    names: names ?? [],
    created: timeNow(),
    ...defined({ parent }),
    ...diffFields(staged.applied, blob),
    flags: {},
    uidmap: [],
    gidmap: [],
    bigDataNames: [],
    unknown: {},
  };
}

/** What a record says of a layer's diff. Where the blob is not known, the tar itself is taken for it. */
export function diffFields(
  applied: AppliedLayer,
  blob: LayerBlob | undefined,
): Required<Pick<LayerRecord, DiffField>> {
  const plain = { digest: applied.diffId, size: applied.size, compression: "none" } as const;
  const { digest, size, compression } = blob ?? plain;
  return {
    compressedDiffDigest: digest,
    compressedSize: size,
    diffDigest: applied.diffId,
    diffSize: applied.size,
    compression: COMPRESSIONS[compression],
    uidset: applied.uidset,
    gidset: applied.gidset,
  };
}

type DiffField =
  | "compressedDiffDigest"
  | "compressedSize"
  | "diffDigest"
  | "diffSize"
  | "compression"
  | "uidset"
  | "gidset";

/** Removes layers that somebody began to make or to remove and did not finish. The layers must be locked for writing. */
export async function removeIncomplete(places: StorePlaces, change: Change): Promise<readonly string[]> {
  const incomplete = change.layers.all.filter(isIncomplete).map(({ id }) => id);
  if (incomplete.length > 0) await putAwayLayers(places, change, incomplete);
  return incomplete;
}

/**
 * Takes layers out of the index and puts their files away; the files are removed when the returned staging directories
 * are disposed of, which is better done after the locks were given up.
 */
export async function putAwayLayers(
  places: StorePlaces,
  change: Change,
  ids: readonly string[],
): Promise<void> {
  using removed = await takeLayers(places, change, ids);
  void removed;
}

/**
 * {@link putAwayLayers}, with the removal left to whoever disposes of the result. After an error everything is at its place
 * again.
 */
export async function takeLayers(
  places: StorePlaces,
  change: Change,
  ids: readonly string[],
): Promise<Cleanup> {
  using stack = new Cleanup();
  const gone = new Set(ids);
  const before = change.layers.all;
  const marked = before.map((record) =>
    gone.has(record.id) && !isIncomplete(record)
      ? { ...record, flags: { ...record.flags, incomplete: true } }
      : record,
  );
  const moves: Move[] = [];
  try {
    if (marked.some((record, at) => record !== before[at])) await change.saveLayers(marked);
    crashPoint("containers-storage/delete-layer/after-incomplete-record");
    const split = stack.use(places.staging("layers"));
    const content = stack.use(places.staging("content"));
    for (const id of ids) {
      putAwayLayer(places, id, content.dir, split.dir, moves);
      crashPoint("containers-storage/delete-layer/after-files");
    }
    await change.saveLayers(marked.filter((record) => !gone.has(record.id)));
  } catch (error) {
    await undo(error, async () => {
      takeBackMoves(moves);
      await change.saveLayers(before);
    });
  }
  crashPoint("containers-storage/delete-layer/after-record");
  return stack.move();
}
