// The frames of a zstd stream (RFC 8878), found by their headers without decompressing: data frames and skippable
// ones in any order and number. Node's own decoder gives the first of several frames only, in some versions without
// an error, so it is never handed more than one.
//
//   data frame: FD2FB528 · descriptor: content size flag 7-6, single segment 5, checksum 2, dictionary id 1-0
//               · [window] · [dictionary id 0/1/2/4] · [content size 0/1/2/4/8]
//               · blocks: 3 bytes LE: last 0, type 2-1, size 23-3 · [checksum 4]
//   skippable:  184D2A5x · size u32 LE · as many bytes

import { ociErrors } from "../errors.ts";

/** A block decompresses to no more. */
export const BLOCK_MAX = 128 << 10;
const MAGIC = 0xfd2fb528;
const SKIPPABLE = 0x184d2a50;
const BLOCK_RLE = 1;
const BLOCK_RESERVED = 3;

export interface FrameHeader {
  /** Bytes of the whole content, where the frame says so. */
  readonly contentSize?: number;
  /** Bytes of what the decoder must remember. */
  readonly windowSize: number;
}

export interface FrameEvents {
  frame(header: FrameHeader): void;
  /** Bytes of the frame that was begun, its header included. */
  data(bytes: Uint8Array): void;
  /** @param bound bytes of output at most, by the number of blocks. */
  frameEnd(bound: number): void;
}

type State = "magic" | "skip-size" | "skip" | "header" | "block" | "block-data" | "checksum";

export class ZstdFrames {
  readonly #events: FrameEvents;
  readonly #maxWindow: number;
  #state: State = "magic";
  /** A field that is not complete yet. */
  readonly #field = new Uint8Array(18);
  #fill = 0;
  #want = 4;
  #remaining = 0;
  #last = false;
  #checksum = false;
  #blocks = 0;
  #offset = 0;

  constructor(events: FrameEvents, maxWindow: number) {
    this.#events = events;
    this.#maxWindow = maxWindow;
  }

  push(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#state === "skip" || this.#state === "block-data") {
        const size = Math.min(this.#remaining, chunk.length - at);
        if (this.#state === "block-data") this.#events.data(chunk.subarray(at, at + size));
        this.#remaining -= size;
        at += size;
        this.#offset += size;
        if (this.#remaining === 0) this.#afterRun();
        continue;
      }
      const size = Math.min(this.#want - this.#fill, chunk.length - at);
      this.#field.set(chunk.subarray(at, at + size), this.#fill);
      this.#fill += size;
      at += size;
      this.#offset += size;
      if (this.#fill === this.#want) this.#take();
    }
  }

  /** Says that there are no more bytes. Throws `oci/compressed-truncated` within a frame. */
  end(): void {
    if (this.#state === "magic" && this.#fill === 0) return;
    throw ociErrors.error("compressed-truncated", `the zstd data ends at ${this.#offset}, within a frame`);
  }

  #next(state: State, want: number): void {
    this.#state = state;
    this.#want = want;
    this.#fill = 0;
  }

  #take(): void {
    switch (this.#state) {
      case "magic":
        this.#takeMagic();
        break;
      case "skip-size":
        this.#remaining = this.#uint(0, 4);
        this.#next("skip", 0);
        if (this.#remaining === 0) this.#afterRun();
        break;
      case "header":
        this.#takeHeader();
        break;
      case "block":
        this.#takeBlock();
        break;
      default:
        this.#events.data(this.#field.slice(0, 4));
        this.#endFrame();
    }
  }

  #takeMagic(): void {
    const magic = this.#uint(0, 4);
    if (magic === MAGIC) {
      // The descriptor says how long the header is, so take it first.
      this.#state = "header";
      this.#want = 5;
    } else if (magic - (magic % 16) === SKIPPABLE) this.#next("skip-size", 4);
    else throw this.#invalid(this.#offset - 4, "this is no frame");
  }

  #takeHeader(): void {
    const descriptor = this.#field[4] as number;
    const single = (descriptor & 0x20) !== 0;
    const dictionarySize = [0, 1, 2, 4][descriptor & 3] as number;
    const flag = descriptor >> 6;
    const sizeSize = flag === 0 ? (single ? 1 : 0) : 1 << flag;
    const whole = 5 + (single ? 0 : 1) + dictionarySize + sizeSize;
    if (this.#fill < whole) {
      this.#want = whole;
      return;
    }
    if ((descriptor & 0x08) !== 0) throw this.#invalid(this.#offset, "a reserved bit of a frame is set");
    let at = 5;
    let windowSize = 0;
    if (!single) {
      const window = this.#field[at++] as number;
      const base = 2 ** (10 + (window >> 3));
      windowSize = base + (base / 8) * (window & 7);
    }
    const dictionary = this.#uint(at, dictionarySize);
    at += dictionarySize;
    if (dictionary !== 0) {
      throw ociErrors.error("compression-unsupported", "a zstd frame needs a dictionary that is not in it");
    }
    let contentSize: number | undefined;
    if (sizeSize > 0) {
      contentSize = this.#uint(at, sizeSize) + (sizeSize === 2 ? 256 : 0);
      if (!Number.isSafeInteger(contentSize)) throw this.#invalid(this.#offset, "a content size is absurd");
      if (single) windowSize = contentSize;
    }
    if (windowSize > this.#maxWindow) {
      throw ociErrors.error(
        "zstd-window",
        `a zstd frame wants a window of ${windowSize} bytes, ${this.#maxWindow} are allowed`,
      );
    }
    this.#checksum = (descriptor & 0x04) !== 0;
    this.#blocks = 0;
    this.#events.frame({ windowSize, ...(contentSize === undefined ? {} : { contentSize }) });
    this.#events.data(this.#field.slice(0, whole));
    this.#next("block", 3);
  }

  #takeBlock(): void {
    const header = this.#uint(0, 3);
    const type = (header >> 1) & 3;
    const size = header >> 3;
    if (type === BLOCK_RESERVED) throw this.#invalid(this.#offset - 3, "a block is of no type");
    if (size > BLOCK_MAX) throw this.#invalid(this.#offset - 3, "a block is too large");
    this.#last = (header & 1) !== 0;
    this.#blocks++;
    this.#events.data(this.#field.slice(0, 3));
    this.#remaining = type === BLOCK_RLE ? 1 : size;
    this.#next("block-data", 0);
    if (this.#remaining === 0) this.#afterRun();
  }

  #afterRun(): void {
    if (this.#state === "skip") this.#next("magic", 4);
    else if (!this.#last) this.#next("block", 3);
    else if (this.#checksum) this.#next("checksum", 4);
    else this.#endFrame();
  }

  #endFrame(): void {
    this.#events.frameEnd(this.#blocks * BLOCK_MAX);
    this.#next("magic", 4);
  }

  #uint(at: number, size: number): number {
    let value = 0;
    for (let index = size - 1; index >= 0; index--) value = value * 256 + (this.#field[at + index] as number);
    return value;
  }

  #invalid(offset: number, problem: string): Error {
    return ociErrors.error("compressed-invalid", `zstd data at ${offset}: ${problem}`, {
      context: { offset },
    });
  }
}
