// The order in which GLib's hash tables give their entries back. Dictionaries that ostree has built with a GVariantDict
// are stored in it, and so it is part of their checksum.

import { utf8 } from "@bootc-store/core";

import type { Dict } from "./value.ts";

const PRIMES = [1, 2, 3, 7, 13, 31, 61, 127, 251, 509, 1021, 2039, 4093, 8191];
const MIN_SHIFT = 3;

/** `g_str_hash`, kept away from the two values that mark empty and removed places. */
function hashOf(key: string): number {
  let hash = 5381;
  for (const character of utf8(key)) {
    const byte = character.charCodeAt(0);
    // Bytes are signed here.
    hash = (Math.imul(hash, 33) + (byte > 127 ? byte - 256 : byte)) >>> 0;
  }
  return hash < 2 ? 2 : hash;
}

interface Entry {
  readonly key: string;
  readonly hash: number;
}

class HashOrder {
  #slots: (Entry | undefined)[] = Array.from({ length: 8 });
  #shift = MIN_SHIFT;
  #count = 0;

  add(key: string): void {
    const hash = hashOf(key);
    let at = this.#first(hash);
    for (let step = 1; this.#slots[at] !== undefined; step++) at = (at + step) & (this.#slots.length - 1);
    this.#slots[at] = { key, hash };
    this.#count++;
    if (this.#slots.length <= this.#count + Math.floor(this.#count / 16)) this.#grow();
  }

  #first(hash: number): number {
    return (Math.imul(hash, 11) >>> 0) % (PRIMES[this.#shift] as number);
  }

  /** The table is enlarged in place: each entry is moved, and one that it pushes out is moved next. */
  #grow(): void {
    this.#shift = Math.max(MIN_SHIFT, Math.floor(this.#count * 1.333).toString(2).length);
    const size = 2 ** this.#shift;
    const before = this.#slots.length;
    const slots = this.#slots;
    slots.length = Math.max(size, before);
    const placed = new Set<number>();
    for (let start = 0; start < before; start++) {
      let entry = slots[start];
      if (entry === undefined || placed.has(start)) continue;
      slots[start] = undefined;
      while (entry !== undefined) {
        let at = this.#first(entry.hash);
        for (let step = 1; placed.has(at); step++) at = (at + step) & (size - 1);
        placed.add(at);
        const displaced: Entry | undefined = slots[at];
        slots[at] = entry;
        entry = displaced;
      }
    }
    slots.length = size;
  }

  keys(): string[] {
    return this.#slots.filter((entry) => entry !== undefined).map(({ key }) => key);
  }
}

/** The entries of a dictionary, of each key the last, in the order of a GVariantDict into which they were put. */
export function inHashOrder(dict: Dict): Dict {
  const values = new Map(dict);
  const order = new HashOrder();
  for (const key of values.keys()) order.add(key);
  return order.keys().map((key) => [key, values.get(key) as Dict[number][1]]);
}
