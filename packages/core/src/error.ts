import { printable } from "./byte-string.ts";

/**
 * What an error means to whoever runs the program; apps turn it into an exit code. Only a `bug` is
 * shown with its stack.
 */
export type ErrorKind =
  | "usage"
  | "not-found"
  | "corrupt"
  | "conflict"
  | "read-only"
  | "unsupported"
  | "cancelled"
  | "io"
  | "bug";

/** What is known about where an error happened. Paths are relative to the directory they were opened in. */
export interface ErrorContext {
  /** What was being done, as a phrase: "open repository". */
  readonly op?: string;
  readonly path?: string;
  readonly digest?: string;
  readonly offset?: number | bigint;
  readonly ref?: string;
  /** The system call that failed, and how. */
  readonly call?: string;
  readonly errno?: number;
  readonly errnoName?: string;
  readonly [key: string]: string | number | bigint | boolean | undefined;
}

export interface StoreErrorOptions {
  readonly kind: ErrorKind;
  readonly context?: ErrorContext;
  readonly hint?: string;
  readonly cause?: unknown;
}

/** An error as it crosses a thread or process boundary. */
export interface StoreErrorJson {
  readonly code: string;
  readonly kind: ErrorKind;
  readonly message: string;
  readonly context: { readonly [key: string]: string | number | boolean };
  readonly trail: readonly { readonly [key: string]: string | number | boolean }[];
  readonly hint?: string;
  readonly cause?: StoreErrorJson | { readonly message: string };
  readonly stack?: string;
}

/** The one error class of every package. `code` is `package/noun-problem` and, once published, stays. */
export class StoreError<C extends string = string> extends Error {
  override readonly name = "StoreError";
  readonly code: C;
  readonly kind: ErrorKind;
  readonly context: ErrorContext;
  readonly hint?: string;
  /** Contexts added by the layers the error passed through, innermost first. */
  readonly trail: ErrorContext[] = [];

  constructor(code: C, message: string, options: StoreErrorOptions) {
    super(printable(message), options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.kind = options.kind;
    this.context = options.context ?? {};
    if (options.hint !== undefined) this.hint = options.hint;
  }

  toJSON(): StoreErrorJson {
    return {
      code: this.code,
      kind: this.kind,
      message: this.message,
      context: plainContext(this.context),
      trail: this.trail.map(plainContext),
      ...(this.hint === undefined ? {} : { hint: this.hint }),
      ...(this.cause === undefined ? {} : { cause: causeJson(this.cause) }),
      ...(this.stack === undefined ? {} : { stack: this.stack }),
    };
  }

  /** The error that {@link StoreError.toJSON} described; class, code and context survive the crossing. */
  static fromJSON(json: StoreErrorJson): StoreError {
    const cause = json.cause;
    const error = new StoreError(json.code, json.message, {
      kind: json.kind,
      context: json.context,
      ...(json.hint === undefined ? {} : { hint: json.hint }),
      ...(cause === undefined
        ? {}
        : { cause: "code" in cause ? StoreError.fromJSON(cause) : new Error(cause.message) }),
    });
    error.trail.push(...json.trail);
    if (json.stack !== undefined) error.stack = json.stack;
    return error;
  }
}

/** True for an error of ours, optionally with one of these codes. */
export function isStoreError<C extends string>(error: unknown, ...codes: C[]): error is StoreError<C> {
  return error instanceof StoreError && (codes.length === 0 || codes.includes(error.code as C));
}

/** One row of a package's error table. */
export interface ErrorRow {
  readonly kind: ErrorKind;
  /** What it means, for the generated list of errors. */
  readonly meaning: string;
  /** What a person can try. */
  readonly hint?: string;
}

export interface MakeErrorOptions {
  readonly context?: ErrorContext;
  readonly cause?: unknown;
  /** Replaces the hint of the table. */
  readonly hint?: string;
}

export interface ErrorTable<P extends string, R extends { readonly [key: string]: ErrorRow }> {
  readonly package: P;
  readonly rows: R;
  /** Makes (does not throw) the error `P/key`. */
  error<K extends keyof R & string>(
    key: K,
    message: string,
    options?: MakeErrorOptions,
  ): StoreError<`${P}/${K}`>;
}

/** A package's closed list of error codes, from which the types and the documentation follow. */
export function defineErrors<const P extends string, const R extends { readonly [key: string]: ErrorRow }>(
  packageName: P,
  rows: R,
): ErrorTable<P, R> {
  return {
    package: packageName,
    rows,
    error(key, message, options = {}) {
      const row = rows[key] as ErrorRow;
      const hint = options.hint ?? row.hint;
      return new StoreError(`${packageName}/${key}`, message, {
        kind: row.kind,
        ...(options.context === undefined ? {} : { context: options.context }),
        ...(options.cause === undefined ? {} : { cause: options.cause }),
        ...(hint === undefined ? {} : { hint }),
      });
    },
  };
}

/**
 * Runs `work` and adds `context` to an error of ours that leaves it. Add context once per layer, where
 * something is known that the layer below did not know.
 */
export async function withContext<T>(context: ErrorContext, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw addContext(error, context);
  }
}

/** {@link withContext} for synchronous work. */
export function withContextSync<T>(context: ErrorContext, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw addContext(error, context);
  }
}

function addContext(error: unknown, context: ErrorContext): unknown {
  if (error instanceof StoreError) error.trail.push(context);
  return error;
}

/** One line for a person, outside in: `open repository: read meta.json: not JSON (composefs/metadata-invalid)`. */
export function renderError(error: unknown): string {
  if (!(error instanceof StoreError)) {
    return error instanceof Error ? printable(error.message) : printable(String(error));
  }
  const trail = [...error.trail].reverse().map(renderContext);
  const own = error.context.op === undefined ? [] : [error.context.op];
  const cause = error.cause === undefined ? "" : `: ${renderCause(error.cause)}`;
  return `${[...trail, ...own, error.message].filter((part) => part !== "").join(": ")}${cause} (${error.code})`;
}

function renderCause(cause: unknown): string {
  return cause instanceof Error ? printable(cause.message) : printable(String(cause));
}

function renderContext(context: ErrorContext): string {
  const subject = context.path ?? context.ref ?? context.digest;
  return printable([context.op, subject].filter((part) => part !== undefined).join(" "));
}

function plainContext(context: ErrorContext): { [key: string]: string | number | boolean } {
  const plain: { [key: string]: string | number | boolean } = {};
  for (const [key, value] of Object.entries(context)) {
    if (value !== undefined) plain[key] = typeof value === "bigint" ? value.toString() : value;
  }
  return plain;
}

function causeJson(cause: unknown): StoreErrorJson | { message: string } {
  if (cause instanceof StoreError) return cause.toJSON();
  return { message: cause instanceof Error ? cause.message : String(cause) };
}
