/** Places that the same owners have. */
export interface Combination {
  /** In ascending order, each once. */
  readonly owners: readonly number[];
  readonly length: number;
}

/**
 * Adds up ranges that have an owner each and may overlap in any way, by one sweep: what is covered, each place once, by who
 * covers it.
 * @param ranges pairs of beginning and end, in any order
 * @param owners the owner of each pair: a number below `count`
 */
export function combinationsOf(
  ranges: Float64Array,
  owners: Uint32Array,
  count: number,
): readonly Combination[] {
  const order = new Uint32Array(ranges.length);
  let used = 0;
  for (let at = 0; at < ranges.length; at += 2) {
    if (!((ranges[at] as number) < (ranges[at + 1] as number))) continue;
    order[used++] = at;
    order[used++] = at + 1;
  }
  const events = order.subarray(0, used).sort((a, b) => (ranges[a] as number) - (ranges[b] as number));
  const open = new Uint32Array(count);
  const active: number[] = [];
  const found = new Map<string, { readonly owners: number[]; length: number }>();
  let current: { readonly owners: number[]; length: number } | undefined;
  let before = 0;
  for (const at of events) {
    const place = ranges[at] as number;
    const length = place - before;
    if (length > 0 && active.length > 0) {
      if (current === undefined) {
        const key = active.join();
        current = found.get(key) ?? { owners: [...active], length: 0 };
        found.set(key, current);
      }
      current.length += length;
    }
    before = place;
    const owner = owners[at >> 1] as number;
    const many = (open[owner] as number) + ((at & 1) === 0 ? 1 : -1);
    open[owner] = many;
    // What one owner has twice changes nothing.
    if ((at & 1) === 0 ? many > 1 : many > 0) continue;
    current = undefined;
    if (many > 0) {
      const next = active.findIndex((other) => other > owner);
      active.splice(next < 0 ? active.length : next, 0, owner);
    } else {
      active.splice(active.indexOf(owner), 1);
    }
  }
  return [...found.values()];
}
