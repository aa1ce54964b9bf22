// How cfsctl ends: what failed, what that was a part of, and what the system said.

import { isStoreError } from "@bootc-store/core";

import { reasonOf } from "../fail.ts";

/** Ends the program with exit code 1. Messages from the outermost to the cause. */
export class Failure extends Error {
  override readonly name = "Failure";
  readonly messages: readonly string[];

  constructor(messages: readonly string[], options?: ErrorOptions) {
    super(messages.join(": "), options);
    this.messages = messages;
  }

  get text(): string {
    const [first = "", ...causes] = this.messages;
    if (causes.length === 0) return `Error: ${first}\n`;
    const one = causes.length === 1;
    const lines = causes.map((each, at) => (one ? `    ${each}` : `    ${at}: ${each}`));
    return `Error: ${first}\n\nCaused by:\n${lines.join("\n")}\n`;
  }
}

export function fail(...messages: string[]): Failure {
  return new Failure(messages);
}

/** Messages of any error that says something to a person; anything else is thrown as it is. */
export function messagesOf(error: unknown): readonly string[] {
  if (error instanceof Failure) return error.messages;
  if (!isStoreError(error) || error.kind === "bug" || error.kind === "cancelled") throw error;
  return [systemMessage(error) ?? error.message];
}

/** `No such file or directory (os error 2)` of an error of a call of the system. */
function systemMessage(error: unknown): string | undefined {
  if (!isStoreError(error)) return undefined;
  const { errno } = error.context;
  if (typeof errno === "number") return `${reasonOf(error) ?? error.message} (os error ${errno})`;
  return error.code === "linux/not-a-directory" ? "Not a directory (os error 20)" : undefined;
}

/** Runs a part of something; its errors are those of the whole. */
export async function within<T>(message: string | readonly string[], work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const outer = typeof message === "string" ? [message] : message;
    throw new Failure([...outer, ...messagesOf(error)], { cause: error });
  }
}
