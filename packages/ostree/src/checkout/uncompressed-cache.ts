import type { ByteString } from "@bootc-store/core";
import { Dir } from "@bootc-store/linux";

import type { Checksum } from "../format/checksum.ts";

const NAME = "uncompressed-objects-cache" as ByteString;

/** The directory of an archive in which checkouts in user mode keep what they have decompressed. */
export function openUncompressedCache(repo: Dir): Dir {
  repo.ensureDir(NAME, { mode: 0o775 });
  return repo.openDir(NAME);
}

/**
 * Files of an archive as a checkout in user mode has them, `XX/….file`, linked to every checkout that has them. Once no
 * checkout has one any more, the next that writes to its shard removes it.
 */
export class UncompressedCache {
  readonly #dir: Dir;

  constructor(descriptor: number) {
    this.#dir = Dir.borrow(descriptor, NAME);
  }

  shard(checksum: Checksum): Dir {
    const name = checksum.slice(0, 2) as ByteString;
    this.#dir.ensureDir(name, { mode: 0o775 });
    return this.#dir.openDir(name);
  }

  nameOf(checksum: Checksum): ByteString {
    return `${checksum.slice(2)}.file` as ByteString;
  }

  /** Removes files that only the cache has, from shards by their names of two digits. */
  collect(shards: Iterable<string>): void {
    for (const shard of shards) {
      using dir = this.#dir.openDirOptional(shard as ByteString);
      if (dir === undefined) continue;
      for (const { name } of dir.list()) {
        const stat = dir.statOptional(name);
        if (stat?.type === "regular" && stat.nlink === 1) dir.removeOptional(name);
      }
    }
  }
}
