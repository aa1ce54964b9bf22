/**
 * One step of an operation's progress. Packages narrow `task` to their own names in their `events.ts`;
 * renderers, which live in apps, need only this shape.
 */
export interface Progress<Task extends string = string> {
  readonly type: "started" | "advanced" | "skipped" | "done";
  readonly task: Task;
  /** Stable for one piece of work, so that a renderer can keep a line for it. */
  readonly id: string;
  readonly unit: "bytes" | "items";
  readonly done: number;
  /** Absent where it cannot be known beforehand. */
  readonly total?: number;
  /** What became of the content: nothing was done, or how it was put in place. */
  readonly how?: "reused" | "cloned" | "linked" | "copied" | "fetched";
}

export type OnProgress<P extends Progress = Progress> = (progress: P) => void;

/** What every option type of a long operation has. */
export interface OperationOptions<P extends Progress = Progress> {
  readonly signal?: AbortSignal;
  readonly onProgress?: OnProgress<P>;
}

/** The signal alone, as options for an operation whose progress is of another kind. */
export function signalOf({ signal }: Pick<OperationOptions, "signal">): { readonly signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}
