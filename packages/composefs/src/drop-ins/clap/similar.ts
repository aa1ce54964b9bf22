// Which known name somebody may have meant: by the similarity of Jaro, as clap does it.

const ENOUGH = 0.7;

/** Known names that are like a text, the least alike first. */
export function similarNames(text: string, known: readonly string[]): string[] {
  return known
    .map((name) => ({ name, score: jaro(text, name) }))
    .filter(({ score }) => score > ENOUGH)
    .sort((a, b) => a.score - b.score)
    .map(({ name }) => name);
}

function jaro(a: string, b: string): number {
  if (a === b) return 1;
  const reach = Math.max(0, Math.floor(Math.max(a.length, b.length) / 2) - 1);
  const taken = new Set<number>();
  const matched: string[] = [];
  for (let at = 0; at < a.length; at++) {
    for (let other = Math.max(0, at - reach); other <= Math.min(b.length - 1, at + reach); other++) {
      if (a[at] !== b[other] || taken.has(other)) continue;
      taken.add(other);
      matched.push(a[at] ?? "");
      break;
    }
  }
  if (matched.length === 0) return 0;
  const there = [...taken].sort((x, y) => x - y).map((at) => b[at]);
  const moved = matched.filter((char, at) => char !== there[at]).length / 2;
  const { length } = matched;
  return (length / a.length + length / b.length + (length - moved) / length) / 3;
}
