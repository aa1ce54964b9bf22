/** What several sets of ranges cover of one line, in the same unit as the ranges. */
export interface Overlap {
  /** What at least one set covers. */
  readonly total: number;
  /** Of each set: what it covers, each place once, and what no other set does. */
  readonly sets: readonly { readonly covered: number; readonly exclusive: number }[];
}

/**
 * Adds up ranges of several sets, which may overlap in any way, by one sweep. Each set is pairs of beginning and end, in
 * any order. At most 32 sets.
 */
export function overlapOf(sets: readonly Float64Array[]): Overlap {
  const count = sets.reduce((sum, set) => sum + set.length, 0);
  const places = new Float64Array(count);
  /** Which set an event is of: `2 × set` where a range begins, one more where it ends. */
  const kinds = new Uint8Array(count);
  let used = 0;
  for (const [set, ranges] of sets.entries()) {
    for (let at = 0; at < ranges.length; at += 2) {
      const [from, to] = [ranges[at] as number, ranges[at + 1] as number];
      if (!(from < to)) continue;
      places[used] = from;
      kinds[used++] = set * 2;
      places[used] = to;
      kinds[used++] = set * 2 + 1;
    }
  }
  const order = new Uint32Array(used).map((_, at) => at);
  order.sort((a, b) => (places[a] as number) - (places[b] as number));
  const open = new Uint32Array(sets.length);
  const covered = new Float64Array(sets.length);
  const exclusive = new Float64Array(sets.length);
  let total = 0;
  let before = 0;
  for (const at of order) {
    const place = places[at] as number;
    const length = place - before;
    if (length > 0) {
      let only = -1;
      let owners = 0;
      for (let set = 0; set < open.length; set++) {
        if ((open[set] as number) === 0) continue;
        covered[set] = (covered[set] as number) + length;
        owners++;
        only = set;
      }
      if (owners > 0) total += length;
      if (owners === 1) exclusive[only] = (exclusive[only] as number) + length;
    }
    before = place;
    const kind = kinds[at] as number;
    const set = kind >> 1;
    open[set] = (open[set] as number) + ((kind & 1) === 0 ? 1 : -1);
  }
  return {
    total,
    sets: sets.map((_, set) => ({ covered: covered[set] as number, exclusive: exclusive[set] as number })),
  };
}
