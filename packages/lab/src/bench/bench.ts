import type { Command } from "../exec.ts";
import { type Cost, measure } from "./measure.ts";

/** One program doing the work. */
export interface Contender {
  name: string;
  /** The command of a round; called after `before`. */
  command: (round: number) => Command | Promise<Command>;
  /** Makes the round's starting state, outside the measured time. */
  before?: (round: number) => Promise<void> | void;
  /** Cleans up after a round, outside the measured time. */
  after?: (round: number) => Promise<void> | void;
  cwd?: string;
  env?: Readonly<Record<string, string | undefined>>;
}

export interface Comparison {
  /** What is done, such as "hash every file of os". */
  name: string;
  ours?: Contender;
  peers: readonly Contender[];
  /** Measured rounds; 5 unless given. */
  rounds?: number;
  /** Rounds before, not counted; 1 unless given. */
  warmup?: number;
}

export interface Spread {
  median: number;
  min: number;
  max: number;
}

export interface Measured {
  name: string;
  rounds: number;
  wall: Spread;
  user: Spread;
  system: Spread;
  resident: Spread;
  /** Ours divided by this one, wall clock and processor time, round by round; absent for ours itself. */
  ratio?: { wall: Spread; cpu: Spread };
}

export interface ComparisonResult {
  name: string;
  rows: readonly Measured[];
}

export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const at = (index: number): number => sorted[index] ?? Number.NaN;
  const median = Number.isInteger(middle) ? (at(middle - 1) + at(middle)) / 2 : at(Math.floor(middle));
  return { median, min: at(0), max: at(sorted.length - 1) };
}

/**
 * Runs ours and each peer in turn, round by round in one go, so that what else the machine does meets all alike; ratios are taken
 * within a round. `log` gets one line a round.
 */
export async function compare(
  comparison: Comparison,
  log: (line: string) => void = () => undefined,
): Promise<ComparisonResult> {
  const { rounds = 5, warmup = 1 } = comparison;
  const all = [...(comparison.ours ? [comparison.ours] : []), ...comparison.peers];
  const costs = new Map<Contender, Cost[]>(all.map((one) => [one, []]));
  for (let round = -warmup; round < rounds; round++) {
    // Each goes first in its turn.
    for (let turn = 0; turn < all.length; turn++) {
      const one = all[(((turn + round) % all.length) + all.length) % all.length];
      if (!one) continue;
      await one.before?.(round);
      const cost = await measure(await one.command(round), {
        ...(one.cwd === undefined ? {} : { cwd: one.cwd }),
        ...(one.env === undefined ? {} : { env: one.env }),
      });
      await one.after?.(round);
      log(`${comparison.name}: ${one.name}${round < 0 ? " (warm-up)" : ""} ${cost.wall.toFixed(3)} s`);
      if (round >= 0) costs.get(one)?.push(cost);
    }
  }
  const ours = comparison.ours ? costs.get(comparison.ours) : undefined;
  const rows = all.map((one): Measured => {
    const own = costs.get(one) ?? [];
    const row: Measured = {
      name: one.name,
      rounds,
      wall: spread(own.map((cost) => cost.wall)),
      user: spread(own.map((cost) => cost.user)),
      system: spread(own.map((cost) => cost.system)),
      resident: spread(own.map((cost) => cost.resident)),
    };
    if (!ours || one === comparison.ours) return row;
    const ratios = (of: (cost: Cost) => number): Spread =>
      spread(own.flatMap((cost, round) => (ours[round] ? [of(ours[round]) / of(cost)] : [])));
    row.ratio = { wall: ratios((cost) => cost.wall), cpu: ratios((cost) => cost.user + cost.system) };
    return row;
  });
  return { name: comparison.name, rows };
}
