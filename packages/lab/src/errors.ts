/** What the lab can refuse with. The lab imports no workspace package, so it has an error class of its own. */
export type LabErrorCode =
  | "lab/needs-root"
  | "lab/needs-linux"
  | "lab/missing-program"
  | "lab/not-installed"
  | "lab/no-mirror"
  | "lab/command-failed"
  | "lab/timed-out"
  | "lab/output-too-large"
  | "lab/lock"
  | "lab/enclosure"
  | "lab/file-system"
  | "lab/fault"
  | "lab/virtual-machine"
  | "lab/image"
  | "lab/bad-argument";

export interface LabErrorOptions {
  /** What the error is about: the command, the directory, the file system. */
  context?: Readonly<Record<string, unknown>>;
  /** What a person can do about it. */
  hint?: string;
  cause?: unknown;
}

export class LabError extends Error {
  override readonly name = "LabError";
  readonly code: LabErrorCode;
  readonly context: Readonly<Record<string, unknown>>;
  readonly hint: string | undefined;

  constructor(code: LabErrorCode, message: string, options: LabErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.context = options.context ?? {};
    this.hint = options.hint;
  }
}
