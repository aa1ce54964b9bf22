import { type ErrorKind, StoreError } from "@bootc-store/core";

/** Exit codes of our own commands; stand-ins return what their tool returns. */
export const EXIT = {
  done: 0,
  /** A check found something. */
  findings: 1,
  usage: 2,
  failed: 3,
  unsupported: 4,
  interrupted: 130,
} as const;

const BY_KIND: Readonly<Record<ErrorKind, number>> = {
  usage: EXIT.usage,
  "not-found": EXIT.failed,
  corrupt: EXIT.failed,
  conflict: EXIT.failed,
  "read-only": EXIT.failed,
  unsupported: EXIT.unsupported,
  cancelled: EXIT.interrupted,
  io: EXIT.failed,
  bug: EXIT.failed,
};

/** The exit code with which a program ends on this error. */
export function exitCodeOf(error: unknown): number {
  return error instanceof StoreError ? BY_KIND[error.kind] : EXIT.failed;
}
