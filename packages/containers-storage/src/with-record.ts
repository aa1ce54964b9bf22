interface Named {
  readonly id: string;
  readonly names: readonly string[];
}

/** The records with this one in its place or at the end, and its names taken from all others. */
export function withRecord<T extends Named>(records: readonly T[], record: T): T[] {
  const others = records.map((each) => {
    if (each.id === record.id) return record;
    const names = each.names.filter((name) => !record.names.includes(name));
    return names.length === each.names.length ? each : { ...each, names };
  });
  return others.includes(record) ? others : [...others, record];
}
