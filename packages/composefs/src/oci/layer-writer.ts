// A layer on its way into a splitstream and objects, segment by segment.

import { createHash } from "node:crypto";

import { type ContentTally, type LayerSegment, TallyBuilder } from "@bootc-store/backend";
import { concatBytes, type Digest, digestFromHex, printDigest, throwIfAborted } from "@bootc-store/core";
import { TarParser } from "@bootc-store/oci";

import { composefsErrors } from "../errors.ts";
import type { StoredObject } from "../objects/store.ts";
import type { Repository } from "../repository/repository.ts";
import { CONTENT_TYPES } from "../splitstream/layout.ts";
import { SplitstreamWriter } from "../splitstream/writer.ts";
import { storeStream } from "../streams/store.ts";
import { AdoptingFiles } from "./adopting.ts";
import type { LayerOptions } from "./layer.ts";
import { checkEntry, INLINE_LIMIT } from "./tar-layer.ts";

type SegmentContent = Extract<LayerSegment, { kind: "content" }>["content"];

/** What waits for the contents before it: bytes, or the size of a content that a worker has. */
type Waiting = Uint8Array | number;

/**
 * Contents that are files go to workers, which make objects of them; everything else is done here, in the order of the
 * layer. The digest of the layer is taken of what is in the store then.
 */
export class LayerWriter implements AsyncDisposable {
  readonly #repository: Repository;
  readonly #diffId: Digest;
  readonly #options: LayerOptions;
  /** Contents of up to this many bytes stay in the stream. */
  readonly #inlineLimit: number;
  readonly #hash: ReturnType<typeof createHash>;
  readonly #stream: SplitstreamWriter;
  readonly #structure: TarParser | undefined;
  readonly #tally = new TallyBuilder();
  readonly #adopting: AdoptingFiles | undefined;
  readonly #waiting: Waiting[] = [];
  /** Objects that were there already, of which only the names were looked at. */
  readonly #reused = new Set<string>();
  readonly #tee = (chunk: Uint8Array): void => {
    this.#hash.update(chunk);
    this.#structure?.push(chunk);
  };
  inlined = 0;

  constructor(repository: Repository, diffId: Digest, options: LayerOptions) {
    const blob = options.as === "blob";
    this.#structure = blob
      ? undefined
      : new TarParser({ inline() {}, data() {}, entryEnd() {}, entry: checkEntry });
    this.#inlineLimit = blob ? 0 : INLINE_LIMIT;
    this.#repository = repository;
    this.#diffId = diffId;
    this.#options = options;
    this.#adopting =
      options.pool === undefined ? undefined : new AdoptingFiles(repository, options.pool, options);
    this.#hash = createHash(diffId.algorithm);
    this.#stream = new SplitstreamWriter(
      repository.algorithm,
      blob ? CONTENT_TYPES.blob : CONTENT_TYPES.layer,
      repository.limits,
    );
  }

  async take(segment: LayerSegment): Promise<void> {
    throwIfAborted(this.#options.signal);
    if (segment.kind === "inline") return this.#inline(segment.bytes);
    const { content } = segment;
    const { file, size } = content;
    if (size <= this.#inlineLimit) return this.#inline(await collect(content.read(), size));
    if (file !== undefined && this.#adopting !== undefined) {
      this.#adopting.add(file, size);
      this.#waiting.push(size);
      while (this.#adopting.isBusy) await this.#settleBatch(this.#adopting);
      return;
    }
    await this.#settle();
    await this.#external(await this.#store(content), size);
  }

  #inline(bytes: Uint8Array): void {
    if (this.#waiting.length > 0) this.#waiting.push(bytes);
    else this.#keepInline(bytes);
  }

  #keepInline(bytes: Uint8Array): void {
    this.#tee(bytes);
    this.#stream.inline(bytes);
    this.inlined += bytes.length;
  }

  async #external({ id, how }: StoredObject, size: number): Promise<void> {
    this.#tally.add(how, size);
    const waiting = this.#stream.external(id, size);
    if (waiting !== undefined) await waiting;
  }

  /** Goes on with everything that waits. */
  async #settle(): Promise<void> {
    while (this.#adopting !== undefined && this.#waiting.length > 0) await this.#settleBatch(this.#adopting);
  }

  /** Goes on with one batch of contents, and what comes up to the next. */
  async #settleBatch(adopting: AdoptingFiles): Promise<void> {
    const stored = await adopting.next();
    if (stored === undefined) throw new RangeError("contents wait that nobody was given");
    let taken = 0;
    let done = 0;
    for (const each of this.#waiting) {
      if (typeof each !== "number") this.#keepInline(each);
      else {
        const object = stored[taken];
        if (object === undefined) break;
        taken++;
        if (taken % TURN === 0) await pause();
        if (object.how === "reused") this.#reused.add(object.id);
        this.#read(object.id, each);
        await this.#external(object, each);
      }
      done++;
    }
    this.#waiting.splice(0, done);
  }

  /** Looks at an object that a worker has made, or found. */
  #read(id: string, size: number): void {
    const { objects } = this.#repository;
    using file = objects.open(id);
    if (file.sizeAtOpen !== size) objects.check(id);
    const buffer = (room ??= Buffer.allocUnsafeSlow(ROOM));
    for (let at = 0; at < size;) {
      const part = buffer.subarray(0, Math.min(buffer.length, size - at));
      const count = file.readFull(part, at);
      this.#tee(count === part.length ? part : part.subarray(0, count));
      at += count;
      if (count < part.length) throw shorter(size, at);
    }
  }

  /** Checks the digest of the whole, and gives the stream its name. */
  async finish(name: string): Promise<ContentTally> {
    await this.#settle();
    this.#structure?.end();
    const found = digestFromHex(this.#diffId.algorithm, this.#hash.digest("hex"));
    if (found.hex !== this.#diffId.hex) {
      this.#checkReused();
      throw composefsErrors.error(
        "layer-mismatch",
        `layer ${printDigest(this.#diffId)} has the diff id ${printDigest(found)}`,
        {
          context: { digest: printDigest(this.#diffId) },
        },
      );
    }
    await storeStream(this.#repository, name, this.#stream);
    return this.#tally.tally();
  }

  /** The layer is not what it should be: throws if that is the fault of an object that was here before. */
  #checkReused(): void {
    for (const id of this.#reused) this.#repository.objects.check(id);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stream.destroy();
    await this.#adopting?.[Symbol.asyncDispose]();
  }

  async #store(content: SegmentContent): Promise<StoredObject> {
    const { objects } = this.#repository;
    if (content.file === undefined) {
      return await objects.putStream(content.read(), content.size, this.#tee, this.#options.signal);
    }
    using file = content.file.dir.openFile(content.file.name);
    return objects.adopt(file, content.size, this.#tee, {
      clone: this.#options.clone ?? "allow",
      link: this.#options.link === true,
    });
  }
}

/** After so many contents workers that have done theirs get more. */
const TURN = 16;
/** Contents are read so many bytes at a time, which stay in a core's cache until all have seen them. */
const ROOM = 1 << 18;
let room: Buffer | undefined;

const pause = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function shorter(wanted: number, found: number): Error {
  return composefsErrors.error("content-size", `a content of ${wanted} bytes has only ${found}`);
}

async function collect(chunks: AsyncIterable<Uint8Array>, size: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let got = 0;
  for await (const chunk of chunks) {
    got += chunk.length;
    if (got > size) break;
    parts.push(chunk);
  }
  if (got !== size)
    throw composefsErrors.error(
      "content-size",
      `a content of ${size} bytes has ${got > size ? "more" : got}`,
    );
  return concatBytes(parts);
}
