import type { Image } from "@bootc-store/backend";
import {
  brokenObjects,
  type ComposefsBackend,
  erofsIdsOf,
  findBroken,
  listTags,
  removeBroken,
  restoreLinks,
  type RepositoryFinding,
  streamsOfImage,
} from "@bootc-store/composefs";
import {
  type ByteString,
  type Finding,
  isStoreError,
  printDigest,
  signalOf,
  throwIfAborted,
  utf8,
} from "@bootc-store/core";
import { type Dir, hashFiles } from "@bootc-store/linux";

import { storageToComposefs } from "../stages/storage-to-composefs.ts";
import type { ExistingStores } from "./existing-stores.ts";
import { intactImages } from "./intact-images.ts";
import { collect, damageOf } from "./damage.ts";
import type { Repaired, RepairOptions } from "./repair.ts";

/** Puts back objects by their content, and stores images again that are not whole without what is no file's content. */
export async function repairComposefs(
  stores: ExistingStores,
  findings: readonly Finding[],
  options: RepairOptions,
  tell: (what: Repaired) => void,
): Promise<void> {
  const { composefs, containersStorage } = stores;
  const own = damageOf("composefs", findings);
  if (composefs === undefined || own.length === 0) return;
  const wanted = brokenObjects(own);
  const many = wanted.size;
  await restoreContents(stores, composefs, wanted, options, tell);
  const links = await restoreLinks(composefs.repository, own, signalOf(options));
  for (const id of links) tell({ store: "composefs", kind: "link", id, from: "composefs" });
  // Only what came back changes what a check finds.
  const left =
    wanted.size === many && links.length === 0
      ? own
      : await collect<RepositoryFinding>(composefs.verify(signalOf(options)));
  const broken = await findBroken(composefs.repository, left, signalOf(options));
  if (broken.unneeded.size > 0) {
    const objects = broken.unneeded;
    await removeBroken(composefs.repository, { streams: [], images: [], objects }, signalOf(options));
    for (const id of objects) tell({ store: "composefs", kind: "object", id, from: undefined });
  }
  if (containersStorage === undefined) return;
  const tags = listTags(composefs.repository);
  for await (const { image, id } of intactImages(containersStorage, findings, options)) {
    const all = streamsOfImage(image);
    const [manifest = "", config = ""] = all;
    const names = tags.filter(({ stream }) => stream === manifest).map(({ name }) => name);
    const streams = all.filter((name) => broken.streams.has(name));
    const images = (await imagesOf(composefs, image)).filter((name) => broken.images.has(name));
    // A tag is left of an image whose manifest has lost its name.
    const gone =
      names.length > 0 && composefs.repository.dir.statOptional(utf8(`streams/${manifest}`)) === undefined;
    if (streams.length === 0 && images.length === 0 && !gone) continue;
    const objects = [
      ...streams.flatMap((name) => broken.streams.get(name) ?? []),
      ...images.flatMap((name) => broken.images.get(name) ?? []),
    ];
    // The documents say what belongs to the image, so they are written last, and anew.
    const taken = new Set([manifest, config, ...streams]);
    await removeBroken(composefs.repository, { streams: taken, images, objects }, signalOf(options));
    await storageToComposefs(containersStorage, composefs, id, { ...signalOf(options), tags: names });
    tell({
      store: "composefs",
      kind: "image",
      id: printDigest(image.manifest.digest),
      from: "containers-storage",
    });
  }
}

/** Ids of an image's EROFS images, as far as its configuration can still be read. */
async function imagesOf({ repository }: ComposefsBackend, image: Image): Promise<string[]> {
  try {
    return [...(await erofsIdsOf(repository, image.config.digest)).values()];
  } catch (error) {
    // The configuration is part of what is damaged.
    if (!isStoreError(error) || error.kind === "bug") throw error;
    return [];
  }
}

const BATCH = 64;

/** Looks through the files of the other stores for the contents of objects, until all are found. */
async function restoreContents(
  stores: ExistingStores,
  { repository }: ComposefsBackend,
  wanted: Set<string>,
  options: RepairOptions,
  tell: (what: Repaired) => void,
): Promise<void> {
  const { algorithm } = repository;
  const want = { verity: { verity: { algorithm } } };
  for (const { store, dir, paths } of places(stores)) {
    let batch: ByteString[] = [];
    const look = async (): Promise<void> => {
      const results = await options.pool.run(
        hashFiles,
        { dir: dir.fd, files: batch.map((path) => ({ path })), want },
        signalOf(options),
      );
      for (const [at, result] of results.entries()) {
        const id = "digests" in result ? result.digests["verity"] : undefined;
        if (id === undefined || !wanted.has(id)) continue;
        using file = dir.openFile(batch[at] as ByteString);
        // It is read again while it is put back: it may have changed since.
        const put = await repository.writing(async () => {
          await Promise.resolve();
          return repository.objects.restore(id, file);
        });
        if (!put) continue;
        wanted.delete(id);
        tell({ store: "composefs", kind: "object", id, from: store });
      }
      batch = [];
    };
    for (const path of paths(dir)) {
      throwIfAborted(options.signal);
      if (wanted.size === 0) return;
      batch.push(path);
      if (batch.length >= BATCH) await look();
    }
    if (batch.length > 0 && wanted.size > 0) await look();
  }
}

interface Place {
  readonly store: "containers-storage" | "ostree";
  readonly dir: Dir;
  readonly paths: (dir: Dir) => Generator<ByteString>;
}

function places(stores: ExistingStores): Place[] {
  return stores.all.flatMap(({ kind, dir, backend }): Place[] => {
    if (kind === "containers-storage") return [{ store: kind, dir, paths: filesOfLayers }];
    // An archive's objects are compressed.
    if (kind === "ostree" && backend.traits.features.some((mode) => mode.startsWith("bare")))
      return [{ store: kind, dir, paths: fileObjects }];
    return [];
  });
}

function* filesOfLayers(dir: Dir): Generator<ByteString> {
  using overlay = dir.openDirOptional(utf8("overlay"));
  for (const layer of overlay?.list() ?? []) {
    if (layer.type !== "directory" || layer.name === "l") continue;
    const top = `overlay/${layer.name}/diff` as ByteString;
    using diff = dir.openDirOptional(top);
    for (const { type, path } of diff?.walk() ?? [])
      if (type === "regular") yield `${top}/${path}` as ByteString;
  }
}

function* fileObjects(dir: Dir): Generator<ByteString> {
  using objects = dir.openDirOptional(utf8("objects"));
  for (const { type, path } of objects?.walk() ?? [])
    if (type === "regular" && path.endsWith(".file")) yield `objects/${path}` as ByteString;
}
