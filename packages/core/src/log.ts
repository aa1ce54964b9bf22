export type LogLevel = "error" | "warn" | "info" | "debug";

export type LogFields = { readonly [key: string]: string | number | bigint | boolean | undefined };

/** Where a library says what it noticed. Apps decide what becomes of it; the default is {@link silentLog}. */
export interface Log {
  log(level: LogLevel, message: string, fields?: LogFields): void;
}

export const silentLog: Log = { log() {} };
