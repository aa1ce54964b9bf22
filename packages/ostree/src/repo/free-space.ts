import type { FileSystemStat } from "@bootc-store/linux";

import { ostreeErrors } from "../errors.ts";
import { formatSize } from "../format/size.ts";
import type { MinFreeSpace } from "./config.ts";

/** Counts what content takes of the space that may be used, in blocks of the file system. */
export class FreeSpace {
  readonly #rule: MinFreeSpace;
  readonly #blockSize: number;
  #left: number;

  /** @param root whether blocks that are kept for root may be used. */
  constructor(rule: MinFreeSpace, info: FileSystemStat, root: boolean) {
    this.#rule = rule;
    this.#blockSize = Math.max(1, info.blockSize);
    const reserved =
      rule.bytes > 0
        ? Math.floor(rule.bytes / this.#blockSize)
        : Math.floor((info.blocks * rule.percent) / 100);
    const free = root ? info.blocksFree : info.blocksAvailable;
    this.#left =
      rule.bytes === 0 && rule.percent === 0
        ? Number.POSITIVE_INFINITY
        : free > reserved
          ? free - reserved
          : 0;
  }

  /** Throws `ostree/free-space-reserved` if a content of that many bytes is too much. */
  take(bytes: number): void {
    const blocks = Math.floor(bytes / this.#blockSize) + 1;
    if (blocks <= this.#left) {
      this.#left -= blocks;
      return;
    }
    const rule =
      this.#rule.bytes > 0
        ? `min-free-space-size ${this.#rule.sizeText}`
        : `min-free-space-percent '${this.#rule.percent}%'`;
    const missing = (blocks - this.#left) * this.#blockSize;
    throw ostreeErrors.error(
      "free-space-reserved",
      `${rule} would be exceeded, at least ${formatSize(missing)} requested`,
      { context: { missing } },
    );
  }
}
