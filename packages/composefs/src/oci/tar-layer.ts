// A tar on its way into a splitstream and objects, as it comes: each chunk is looked at once and may be written over afterwards.

import { type ContentTally, TallyBuilder } from "@bootc-store/backend";
import { type TarEntry, TarParser } from "@bootc-store/oci";

import { composefsErrors } from "../errors.ts";
import type { ComposefsLimits } from "../limits.ts";
import type { ObjectFilling } from "../objects/filling.ts";
import type { ObjectStore } from "../objects/store.ts";
import { CONTENT_TYPES } from "../splitstream/layout.ts";
import { SplitstreamWriter } from "../splitstream/writer.ts";

/** Contents of up to this many bytes stay in the stream, and in the image. */
export const INLINE_LIMIT = 64;

/** Throws for what composefs-rs refuses: sparse files, and links that say they have content. */
export function checkEntry(entry: TarEntry): void {
  if (entry.type === "sparse" || entry.sparse !== undefined) {
    throw composefsErrors.error("tar-unsupported", "sparse tar entries are not supported");
  }
  if (entry.storedSize !== entry.headerSize) {
    throw composefsErrors.error("tar-unsupported", `a ${entry.type} in the tar says that it has content`);
  }
}

export class TarLayerWriter implements Disposable {
  readonly #objects: ObjectStore;
  readonly #stream: SplitstreamWriter;
  readonly #parser: TarParser;
  readonly #tally = new TallyBuilder();
  #filling: ObjectFilling | undefined;
  #size = 0;
  #waiting: Promise<void> | undefined;
  inlined = 0;

  constructor(objects: ObjectStore, limits: ComposefsLimits) {
    this.#objects = objects;
    this.#stream = new SplitstreamWriter(objects.algorithm, CONTENT_TYPES.layer, limits);
    const inline = (bytes: Uint8Array): void => {
      this.#stream.inline(bytes);
      this.inlined += bytes.length;
    };
    this.#parser = new TarParser({
      inline,
      entry: (entry, header) => {
        checkEntry(entry);
        inline(header);
        this.#size = entry.storedSize;
        if (entry.storedSize > INLINE_LIMIT) this.#filling = this.#objects.begin(entry.storedSize);
      },
      data: (bytes) => {
        if (this.#filling === undefined) inline(bytes);
        else this.#filling.write(bytes);
      },
      entryEnd: () => this.#endContent(),
    });
  }

  /** Takes the next bytes. Wait for what it returns, if anything, before giving more. */
  push(chunk: Uint8Array): Promise<void> | undefined {
    this.#waiting = undefined;
    this.#parser.push(chunk);
    return this.#waiting;
  }

  /** The splitstream. */
  async finish(): Promise<Uint8Array> {
    this.#parser.end();
    return await this.#stream.finish();
  }

  get tally(): ContentTally {
    return this.#tally.tally();
  }

  [Symbol.dispose](): void {
    this.#filling?.[Symbol.dispose]();
    this.#stream.destroy();
  }

  #endContent(): void {
    if (this.#filling === undefined) return;
    const { id, how } = this.#filling.finish();
    this.#filling[Symbol.dispose]();
    this.#filling = undefined;
    this.#tally.add(how, this.#size);
    this.#waiting = this.#stream.external(id, this.#size) ?? this.#waiting;
  }
}
