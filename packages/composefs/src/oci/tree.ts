// The tree that an image's layers make, as composefs-rs merges them, with contents by reference to objects.

import { type Digest, throwIfAborted } from "@bootc-store/core";
import { layerEntries, type SegmentContent, type TarEntry, type TarItem, TarParser } from "@bootc-store/oci";
import { composefsRsRules, type FileContent, LayerMerge, type Tree } from "@bootc-store/tree";

import type { Repository } from "../repository/repository.ts";
import { readPieces } from "../splitstream/reader.ts";
import { openStream } from "../streams/store.ts";
import { layerStreamName } from "./layer.ts";

/** A content of a layer that is an object. */
interface ObjectContent extends SegmentContent<never> {
  readonly object: string;
}

/** Merges the layers with these diff ids, lowest first. */
export async function treeOfLayers(
  repository: Repository,
  diffIds: readonly Digest[],
  signal?: AbortSignal,
): Promise<Tree> {
  const merge = new LayerMerge(composefsRsRules);
  const content = (found: SegmentContent<never>): FileContent | Promise<FileContent> =>
    contentOf(repository, found);
  for (const diffId of diffIds) {
    for await (const entry of layerEntries(layerItems(repository, diffId), {
      content,
      sparse: "refuse",
      sizeWithoutContent: "refuse",
    })) {
      throwIfAborted(signal);
      merge.add(entry);
    }
    merge.endLayer();
  }
  return merge.tree;
}

async function contentOf(repository: Repository, content: SegmentContent<never>): Promise<FileContent> {
  if (isObject(content)) {
    return {
      kind: "external",
      key: content.object,
      verity: { algorithm: repository.algorithm, hex: content.object },
    };
  }
  const parts: Uint8Array[] = [];
  for await (const part of content.read()) parts.push(part);
  return { kind: "inline", bytes: Buffer.concat(parts) };
}

function isObject(content: SegmentContent<never>): content is ObjectContent {
  return "object" in content;
}

/** A layer's entries with their headers, out of its splitstream; contents that are objects are not read. */
export async function* layerItems(repository: Repository, diffId: Digest): AsyncGenerator<TarItem<never>> {
  using stream = await openStream(repository, layerStreamName(diffId));
  const collector = new ItemCollector();
  for await (const piece of readPieces(stream.file, stream.tables, repository.limits)) {
    if (piece.kind === "inline") collector.bytes(piece.bytes);
    else collector.object(piece.object);
    yield* collector.take();
  }
  collector.end();
  yield* collector.take();
}

/** As many zeros as are given to the parser at once for content that lies elsewhere. */
const ZEROS = new Uint8Array(1 << 20);

class ItemCollector {
  #items: TarItem<never>[] = [];
  #entry: { entry: TarEntry; header: Uint8Array } | undefined;
  #data: Uint8Array[] = [];
  #object: string | undefined;
  readonly #parser = new TarParser({
    inline: (bytes) => void this.#items.push({ kind: "inline", bytes }),
    entry: (entry, header) => {
      this.#entry = { entry, header };
      this.#data = [];
    },
    data: (bytes) => {
      if (this.#object === undefined) this.#data.push(bytes);
    },
    entryEnd: () => this.#endEntry(),
  });

  bytes(bytes: Uint8Array): void {
    this.#parser.push(bytes);
  }

  /** The content of the entry whose header came last is an object. The parser is told only how long it is. */
  object(object: string): void {
    this.#object = object;
    for (let left = this.#entry?.entry.storedSize ?? 0; left > 0;) {
      const size = Math.min(left, ZEROS.length);
      this.#parser.push(ZEROS.subarray(0, size));
      left -= size;
    }
  }

  end(): void {
    this.#parser.end();
  }

  *take(): Generator<TarItem<never>> {
    const items = this.#items;
    this.#items = [];
    yield* items;
  }

  #endEntry(): void {
    if (this.#entry === undefined) return;
    const { entry, header } = this.#entry;
    const item = { kind: "entry", entry, header } as const;
    if (entry.storedSize === 0) this.#items.push(item);
    else this.#items.push({ ...item, content: this.#content(entry.storedSize) });
    this.#entry = undefined;
    this.#object = undefined;
  }

  #content(size: number): SegmentContent<never> | ObjectContent {
    const data = this.#data;
    const read = async function* (): AsyncGenerator<Uint8Array> {
      yield* data;
    };
    return this.#object === undefined ? { size, read } : { size, read, object: this.#object };
  }
}
