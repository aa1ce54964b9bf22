// Segments as the items of their tar: entries with their headers, and the contents as the segments have them. A content
// that lies elsewhere is not read.

import type { TarEntry } from "./entry.ts";
import { TarParser } from "./parser.ts";
import type { TarItem } from "./reader.ts";
import type { SegmentContent, TarSegment } from "./segments.ts";
import { ociErrors } from "../errors.ts";

/** Told to the parser in the place of content that it need not see: only how long it is counts. */
const ZEROS = new Uint8Array(1 << 20);

/** Throws the `oci/tar-*` errors, and `oci/content-size` for a content that is longer or shorter than its entry says. */
export async function* segmentItems<D>(segments: AsyncIterable<TarSegment<D>>): AsyncGenerator<TarItem<D>> {
  const collector = new ItemCollector<D>();
  for await (const segment of segments) {
    if (segment.kind === "inline") collector.bytes(segment.bytes);
    else collector.content(segment.content);
    yield* collector.take();
  }
  collector.end();
  yield* collector.take();
}

class ItemCollector<D> {
  #items: TarItem<D>[] = [];
  #entry: { readonly entry: TarEntry; readonly header: Uint8Array } | undefined;
  #data: Uint8Array[] = [];
  #content: SegmentContent<D> | undefined;
  readonly #parser = new TarParser({
    inline: (bytes) => void this.#items.push({ kind: "inline", bytes }),
    entry: (entry, header) => {
      this.#entry = { entry, header: header.slice() };
      this.#data = [];
      this.#content = undefined;
    },
    data: (bytes) => {
      if (this.#content === undefined) this.#data.push(bytes);
    },
    entryEnd: () => this.#endEntry(),
  });

  bytes(bytes: Uint8Array): void {
    this.#parser.push(bytes);
  }

  /** The content of the entry whose header came last. */
  content(content: SegmentContent<D>): void {
    if (this.#entry === undefined || this.#data.length > 0 || this.#entry.entry.storedSize !== content.size) {
      throw ociErrors.error(
        "content-size",
        `a content of ${content.size} bytes is not where the tar has one`,
      );
    }
    this.#content = content;
    for (let left = content.size; left > 0;) {
      const size = Math.min(left, ZEROS.length);
      this.#parser.push(ZEROS.subarray(0, size));
      left -= size;
    }
  }

  end(): void {
    this.#parser.end();
  }

  *take(): Generator<TarItem<D>> {
    const items = this.#items;
    this.#items = [];
    yield* items;
  }

  #endEntry(): void {
    if (this.#entry === undefined) return;
    const { entry, header } = this.#entry;
    const data = this.#data;
    const content = this.#content ?? {
      size: entry.storedSize,
      async *read() {
        yield* data;
      },
    };
    this.#items.push({ kind: "entry", entry, header, ...(entry.storedSize === 0 ? {} : { content }) });
    this.#entry = undefined;
  }
}
