import type { ByteString } from "@bootc-store/core";
import type { Dir } from "@bootc-store/linux";

/**
 * The 256 directories of an `objects` directory, or of a staging directory laid out alike, opened as they are needed and
 * kept until disposed. They are all that can be in such a directory, so their number is bounded.
 */
export class Shards implements Disposable {
  readonly #dir: Dir;
  readonly #open = new Map<string, Dir>();
  readonly #absent: Set<string> | undefined;

  /**
   * @param dir stays the caller's.
   * @param remember whether one that was not there is taken to be not there ever after.
   */
  constructor(dir: Dir, remember = false) {
    this.#dir = dir;
    this.#absent = remember ? new Set() : undefined;
  }

  /** The directory of a checksum, if it is there. */
  find(checksum: string): Dir | undefined {
    const name = checksum.slice(0, 2) as ByteString;
    let shard = this.#open.get(name);
    if (shard === undefined && this.#absent?.has(name) !== true) {
      shard = this.#dir.openDirOptional(name);
      if (shard === undefined) this.#absent?.add(name);
      else this.#open.set(name, shard);
    }
    return shard;
  }

  /** The directory of a checksum, made if it is not there. */
  ensure(checksum: string): Dir {
    const found = this.find(checksum);
    if (found !== undefined) return found;
    this.#dir.ensureDir(checksum.slice(0, 2) as ByteString, { mode: 0o777 });
    return this.find(checksum) as Dir;
  }

  [Symbol.dispose](): void {
    for (const dir of this.#open.values()) dir[Symbol.dispose]();
    this.#open.clear();
  }
}
