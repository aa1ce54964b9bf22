import type { ByteString } from "@bootc-store/core";

import type { LinkUnit } from "./link-walk.ts";

/** Numbers at the start of the shared memory. */
const AT = {
  /** What is in the box. */
  box: 0,
  /** Threads that wait for something to do. */
  hungry: 1,
  /** Units that are given to somebody and not done. */
  open: 2,
  stop: 3,
  /** Bytes of the text in the box. */
  length: 4,
} as const;
const NUMBERS = 8;

/** States of the box. */
const EMPTY = 0;
const FILLING = 1;
const FULL = 2;
const TAKING = 3;

/** As long as any path with its checksums. */
const TEXT = 1 << 14;

export type ExchangeMemory = SharedArrayBuffer;

/**
 * How threads share the work of one walk: a box in shared memory that holds one unit. Who has nothing to do waits at the box;
 * who has looks now and then whether somebody waits, and puts a directory into it. The walk is over when nothing is open.
 */
export class LinkExchange {
  readonly memory: ExchangeMemory;
  readonly #numbers: Int32Array<SharedArrayBuffer>;
  readonly #text: Uint8Array<SharedArrayBuffer>;

  /** @param memory that of another thread; without it a new exchange, with one unit open that its maker works on. */
  constructor(memory?: ExchangeMemory) {
    this.memory = memory ?? new SharedArrayBuffer(4 * NUMBERS + TEXT);
    this.#numbers = new Int32Array(this.memory, 0, NUMBERS);
    this.#text = new Uint8Array(this.memory, 4 * NUMBERS);
    if (memory === undefined) this.#numbers[AT.open] = 1;
  }

  get stopped(): boolean {
    return Atomics.load(this.#numbers, AT.stop) !== 0;
  }

  /** Lets everybody end as soon as they look. */
  stop(): void {
    Atomics.store(this.#numbers, AT.stop, 1);
    Atomics.notify(this.#numbers, AT.box);
  }

  /** Gives one unit away if somebody waits for one; `take` says which, and `undefined` if there is none to give. */
  feed(take: () => LinkUnit | undefined): void {
    const numbers = this.#numbers;
    if (Atomics.load(numbers, AT.hungry) === 0) return;
    if (Atomics.compareExchange(numbers, AT.box, EMPTY, FILLING) !== EMPTY) return;
    let unit: LinkUnit | undefined;
    try {
      unit = take();
      if (unit === undefined) return;
      const text = Buffer.from(`${unit.tree} ${unit.meta ?? ""} ${unit.path}`, "latin1");
      this.#text.set(text);
      numbers[AT.length] = text.length;
      Atomics.add(numbers, AT.open, 1);
    } finally {
      Atomics.store(numbers, AT.box, unit === undefined ? EMPTY : FULL);
    }
    Atomics.notify(numbers, AT.box);
  }

  /** A unit is done. */
  done(): void {
    if (Atomics.sub(this.#numbers, AT.open, 1) === 1) Atomics.notify(this.#numbers, AT.box);
  }

  /** Waits for a unit, at most this long; `"over"` when there will be none, `"none"` when the time is up. */
  wait(milliseconds: number): LinkUnit | "over" | "none" {
    const numbers = this.#numbers;
    Atomics.add(numbers, AT.hungry, 1);
    try {
      const end = performance.now() + milliseconds;
      for (;;) {
        if (this.stopped || Atomics.load(numbers, AT.open) === 0) return "over";
        const box = Atomics.compareExchange(numbers, AT.box, FULL, TAKING);
        if (box === FULL) return this.#take();
        const left = end - performance.now();
        if (left <= 0) return "none";
        // Nobody notifies of what is no unit, so it is looked again after a while.
        Atomics.wait(numbers, AT.box, box, Math.min(left, 5));
      }
    } finally {
      Atomics.sub(numbers, AT.hungry, 1);
    }
  }

  #take(): LinkUnit {
    const text = Buffer.from(this.#text.slice(0, this.#numbers[AT.length])).toString("latin1");
    Atomics.store(this.#numbers, AT.box, EMPTY);
    const meta = text.slice(65, text.indexOf(" ", 65));
    const path = text.slice(65 + meta.length + 1) as ByteString;
    return { path, tree: text.slice(0, 64), meta: meta === "" ? undefined : meta };
  }
}
