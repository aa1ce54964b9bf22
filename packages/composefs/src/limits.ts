/** What a repository may make this program hold at once. */
export interface ComposefsLimits {
  /** Bytes of meta.json. */
  readonly meta: number;
  /** Bytes of the tables of a splitstream: references to streams and objects, and their names when decompressed. */
  readonly tables: number;
  /** Bytes of one inline run of a splitstream. */
  readonly inline: number;
  /** Bytes of a manifest or config. */
  readonly document: number;
}

export const COMPOSEFS_LIMITS: ComposefsLimits = {
  meta: 1 << 20,
  tables: 512 << 20,
  inline: 256 << 20,
  document: 64 << 20,
};
