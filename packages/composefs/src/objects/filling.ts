// An object on its way into the store, piece by piece.

import { type TempFile, VerityHasher } from "@bootc-store/linux";

import type { ComposefsAlgorithm } from "../algorithm.ts";
import { composefsErrors } from "../errors.ts";
import type { StoredObject } from "./store.ts";

/** What an object that is being filled needs of its store. */
interface Filler {
  readonly open: () => TempFile;
  readonly put: (bytes: Uint8Array) => StoredObject;
  readonly publish: (temporary: TempFile, id: string) => StoredObject;
}

/** Contents of up to this many bytes are put together in memory, so that one that is there already is not written. */
const SMALL = 1 << 18;
let room: Buffer | undefined;
/** Whether the room is somebody's; another one is then made. */
let taken = false;

/** An object on its way into the store. Pieces may be written over as soon as they were taken. */
export class ObjectFilling implements Disposable {
  readonly #size: number;
  readonly #algorithm: ComposefsAlgorithm;
  readonly #filler: Filler;
  #written = 0;
  #small: Buffer | undefined;
  #shared = false;
  /** A first piece that is all there is. */
  #whole: StoredObject | undefined;
  #temporary: TempFile | undefined;
  #hasher: VerityHasher | undefined;

  constructor(size: number, algorithm: ComposefsAlgorithm, filler: Filler) {
    this.#size = size;
    this.#algorithm = algorithm;
    this.#filler = filler;
  }

  /** Whether it has room for another piece. */
  fits(chunk: Uint8Array): boolean {
    return this.#written + chunk.length <= this.#size || this.#excess(chunk.length);
  }

  /** Remembers that there is more than was said. */
  #excess(length: number): false {
    this.#written += length;
    return false;
  }

  write(chunk: Uint8Array): void {
    const at = this.#written;
    this.#written += chunk.length;
    if (this.#size > SMALL) {
      this.#temporary ??= this.#filler.open();
      this.#hasher ??= new VerityHasher({ algorithm: this.#algorithm });
      this.#hasher.update(chunk);
      this.#temporary.file.write(chunk);
    } else if (at === 0 && chunk.length === this.#size) this.#whole = this.#filler.put(chunk);
    else (this.#small ??= this.#take()).set(chunk, at);
  }

  /** Throws `composefs/content-size`. */
  finish(): StoredObject {
    checkSize(this.#written, this.#size);
    if (this.#whole !== undefined) return this.#whole;
    if (this.#temporary === undefined || this.#hasher === undefined)
      return this.#filler.put(this.#small?.subarray(0, this.#size) ?? new Uint8Array(0));
    return this.#filler.publish(this.#temporary, this.#hasher.finish().toString("hex"));
  }

  [Symbol.dispose](): void {
    this.#temporary?.[Symbol.dispose]();
    if (this.#shared) taken = false;
    this.#shared = false;
  }

  #take(): Buffer {
    if (taken) return Buffer.allocUnsafe(this.#size);
    taken = true;
    this.#shared = true;
    return (room ??= Buffer.allocUnsafeSlow(SMALL));
  }
}

/** Throws `composefs/content-size` unless they are the same. */
export function checkSize(found: number, wanted: number): void {
  if (found === wanted) return;
  const how = found > wanted ? "more" : `only ${found}`;
  throw composefsErrors.error("content-size", `a content of ${wanted} bytes has ${how}`);
}
