// A tar as items or as segments, asked for one at a time.

import { ociErrors } from "../errors.ts";
import type { TarEntry } from "./entry.ts";
import type { TarLimits } from "./limits.ts";
import { TarParser } from "./parser.ts";
import type { SegmentContent, TarSegment } from "./segments.ts";

/** An entry with the exact bytes of its headers, or bytes that belong to no entry. */
export type TarItem<D = unknown> =
  | { readonly kind: "inline"; readonly bytes: Uint8Array }
  | {
      readonly kind: "entry";
      readonly entry: TarEntry;
      readonly header: Uint8Array;
      readonly content?: SegmentContent<D>;
    };

export interface ReadTarOptions {
  readonly limits?: TarLimits;
}

type Event =
  | { readonly kind: "inline"; readonly bytes: Uint8Array }
  | { readonly kind: "entry"; readonly entry: TarEntry; readonly header: Uint8Array }
  | { readonly kind: "data"; readonly bytes: Uint8Array }
  | { readonly kind: "end" };

/**
 * Reads a tar from the chunks of a stream. The content of an item is to be read before the next item is asked
 * for; what was not read is passed over. Throws the `oci/tar-*` errors.
 */
export async function* readTar(
  chunks: AsyncIterable<Uint8Array>,
  options: ReadTarOptions = {},
): AsyncGenerator<TarItem<never>> {
  const events = new EventSource(chunks, options.limits);
  try {
    for (let event = await events.next(); event !== undefined; event = await events.next()) {
      if (event.kind === "inline") yield event;
      else if (event.kind === "entry") yield* readEntry(events, event);
    }
  } finally {
    await events.close();
  }
}

async function* readEntry(
  events: EventSource,
  { entry, header }: { entry: TarEntry; header: Uint8Array },
): AsyncGenerator<TarItem<never>> {
  if (entry.storedSize === 0) {
    yield { kind: "entry", entry, header };
    return;
  }
  let state: ContentState = "fresh";
  const content: SegmentContent<never> = {
    size: entry.storedSize,
    async *read() {
      if (state !== "fresh")
        throw ociErrors.error("segment-order", "this content has been read, or passed over");
      state = "reading";
      for (let event = await events.next(); event?.kind === "data"; event = await events.next())
        yield event.bytes;
      state = "over";
    },
  };
  yield { kind: "entry", entry, header, content };
  // Whatever was not read is passed over, so that the next item begins where it should.
  if ((state as ContentState) !== "over") {
    state = "over";
    let event = await events.next();
    while (event !== undefined && event.kind !== "end") event = await events.next();
  }
}

type ContentState = "fresh" | "reading" | "over";

/** The exact bytes of a tar as inline runs and contents. */
export async function* readSegments(
  chunks: AsyncIterable<Uint8Array>,
  options?: ReadTarOptions,
): AsyncGenerator<TarSegment<never>> {
  for await (const item of readTar(chunks, options)) {
    if (item.kind === "inline") yield item;
    else {
      yield { kind: "inline", bytes: item.header };
      if (item.content !== undefined) yield { kind: "content", content: item.content };
    }
  }
}

/** Pulls from the stream and queues what the parser makes of a chunk. */
class EventSource {
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #parser: TarParser;
  #queue: Event[] = [];
  #at = 0;
  #done = false;

  constructor(chunks: AsyncIterable<Uint8Array>, limits: TarLimits | undefined) {
    this.#chunks = chunks[Symbol.asyncIterator]();
    this.#parser = new TarParser(
      {
        inline: (bytes) => void this.#queue.push({ kind: "inline", bytes }),
        entry: (entry, header) => void this.#queue.push({ kind: "entry", entry, header: header.slice() }),
        data: (bytes) => void this.#queue.push({ kind: "data", bytes }),
        entryEnd: () => void this.#queue.push({ kind: "end" }),
      },
      limits,
    );
  }

  async next(): Promise<Event | undefined> {
    while (this.#at >= this.#queue.length) {
      if (this.#done) return undefined;
      this.#queue = [];
      this.#at = 0;
      const { done, value } = await this.#chunks.next();
      if (done === true) {
        this.#done = true;
        this.#parser.end();
      } else {
        this.#parser.push(value);
      }
    }
    return this.#queue[this.#at++];
  }

  async close(): Promise<void> {
    if (!this.#done) await this.#chunks.return?.();
  }
}
