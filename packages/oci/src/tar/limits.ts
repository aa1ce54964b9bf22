/** What a tar may make the reader hold in memory at once, and how much a sparse file may make of little. */
export interface TarLimits {
  /** Bytes of one extended header: pax records, GNU long name. Go takes as many. */
  readonly extended: number;
  /** Pieces of one sparse file. */
  readonly sparse: number;
  /** Extended headers before one entry, all of their bytes together. */
  readonly prelude: number;
  /** Bytes of one sparse file, holes included, when it is read with its holes. */
  readonly expanded: number;
}

export const TAR_LIMITS: TarLimits = {
  extended: 1 << 20,
  sparse: 10_000,
  prelude: 4 << 20,
  expanded: 2 ** 36,
};
