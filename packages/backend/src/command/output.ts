/** One column of a table. */
export interface Column<R> {
  readonly title: string;
  readonly value: (row: R) => string;
  readonly align?: "left" | "right";
}

/**
 * Where a command's results go. Results are on standard output, all else on standard error; JSON does not
 * change with the terminal.
 */
export interface Output {
  /** True if results are wanted as JSON. */
  readonly json: boolean;
  /** Columns of the terminal, or what is taken for them. */
  readonly width: number;
  /** A line for a person. Names must have gone through `displayName`. */
  line(text?: string): void;
  /** The result, printed only when JSON is wanted. */
  value(value: unknown): void;
  table<R>(rows: readonly R[], columns: readonly Column<R>[]): void;
  /** Says something beside the result, on standard error. */
  note(text: string): void;
  /**
   * Lines on a terminal's standard error that the next call replaces; none takes them away. Absent where there is no terminal.
   */
  readonly status?: ((lines: readonly string[]) => void) | undefined;
  /** Bytes as they are, for commands whose result is a file. */
  bytes(bytes: Uint8Array): Promise<void>;
}
