import { styleText } from "node:util";

import type { Column, Output } from "@bootc-store/backend/command";

import { standardOutput, write } from "./streams.ts";
import { tableLines } from "./table.ts";

/** Results on standard output, for a person or as JSON. */
export class TerminalOutput implements Output {
  readonly json: boolean;

  constructor(json: boolean) {
    this.json = json;
  }

  /** How many lines of a status are on the terminal. */
  #shown = 0;

  get status(): ((lines: readonly string[]) => void) | undefined {
    if (!process.stderr.isTTY) return undefined;
    return (lines) => {
      // Up over what is there, then each line to its end anew, then what is left of the old ones.
      const up = this.#shown === 0 ? "" : `\u001b[${this.#shown}A\r`;
      // A terminal that does not know its width says 0.
      const columns = process.stderr.columns;
      const width = (columns > 0 ? columns : 80) - 1;
      const text = lines.map((line) => `${line.slice(0, width)}\u001b[K\n`).join("");
      process.stderr.write(`${up}${text}\u001b[J`);
      this.#shown = lines.length;
    };
  }

  get width(): number {
    return standardOutput().columns ?? 120;
  }

  line(text = ""): void {
    if (!this.json) standardOutput().write(`${text}\n`);
  }

  value(value: unknown): void {
    if (this.json) standardOutput().write(`${JSON.stringify(value, undefined, 2)}\n`);
  }

  table<R>(rows: readonly R[], columns: readonly Column<R>[]): void {
    if (this.json) return;
    const [titles = "", ...lines] = tableLines(rows, columns);
    this.line(styleText("bold", titles, { stream: standardOutput() }));
    for (const line of lines) this.line(line);
  }

  note(text: string): void {
    process.stderr.write(`${text}\n`);
  }

  async bytes(bytes: Uint8Array): Promise<void> {
    await write("stdout", bytes);
  }
}
