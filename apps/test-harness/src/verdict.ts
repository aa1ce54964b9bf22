import type { FileSystemKind } from "@bootc-store/lab";

export type Verdict =
  | { kind: "pass" }
  | { kind: "fail"; message: string; stack?: string }
  | { kind: "skipped"; reason: string }
  /** This machine lacks a call; the code says which. */
  | { kind: "unsupported"; code: string; message: string };

/** One cell of the matrix after the run. */
export interface CellResult {
  id: string;
  title: string;
  backend: string;
  filesystem: FileSystemKind;
  verdict: Verdict;
  /** Steps in order, the last of a failed cell is where it failed. */
  steps: readonly string[];
  notes: readonly string[];
  /** Milliseconds. */
  ms: number;
}

export interface RunReport {
  /** ISO date. */
  startedAt: string;
  matrix: string;
  seed: number;
  machine: string;
  peers: Readonly<Record<string, string>>;
  cells: readonly CellResult[];
}

export interface Totals {
  passed: number;
  failed: number;
  skipped: number;
}

export function totals(cells: readonly CellResult[]): Totals {
  const count = (...kinds: Verdict["kind"][]): number =>
    cells.filter((cell) => kinds.includes(cell.verdict.kind)).length;
  return { passed: count("pass"), failed: count("fail"), skipped: count("skipped", "unsupported") };
}

export const totalsLine = ({ passed, failed, skipped }: Totals): string =>
  `${passed} passed, ${failed} failed, ${skipped} skipped`;

/** What an error thrown by a scenario means. */
export function verdictOf(error: unknown): Verdict {
  if (!(error instanceof Error)) return { kind: "fail", message: String(error) };
  const { code } = error as { code?: unknown };
  if (typeof code === "string" && code.endsWith("/unsupported"))
    return { kind: "unsupported", code, message: error.message };
  return {
    kind: "fail",
    message: error.message,
    ...(error.stack === undefined ? {} : { stack: error.stack }),
  };
}
