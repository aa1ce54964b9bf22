import type { Checksum } from "../format/checksum.ts";

/** Whether blocks of the source may, must or must not be shared. */
export type CloneChoice = "require" | "allow" | "never";

/** What became of a content. */
export interface WrittenFile {
  readonly checksum: Checksum;
  readonly how: "reused" | "cloned" | "copied" | "adopted";
  /** Bytes of the content. */
  readonly size: number;
  /** Bytes that the object takes; 0 if it was there. */
  readonly storedSize: number;
}
