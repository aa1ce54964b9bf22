// When to try again, and how long to wait before it.

import { setTimeout as sleep } from "node:timers/promises";

import { cancelled } from "@bootc-store/core";

export interface RetryOptions {
  /** Tries in all; 5 unless given. */
  readonly attempts?: number;
  /** Milliseconds before the second try; each later wait is twice the one before. 2 000 unless given. */
  readonly firstMs?: number;
  /** Milliseconds of one wait at most, whatever the server says; 60 000 unless given. */
  readonly capMs?: number;
  /** Milliseconds before a cut body is asked for anew; 1 000 unless given. */
  readonly resumeMs?: number;
}

/** Milliseconds to wait before try number `attempt` + 1 (from 1), by `Retry-After` where the server sent one. */
export function retryDelay(attempt: number, retryAfter: string | undefined, options: RetryOptions): number {
  const { firstMs = 2000, capMs = 60_000 } = options;
  const said = parseRetryAfter(retryAfter);
  return Math.min(capMs, said ?? firstMs * 2 ** (attempt - 1));
}

/** Seconds or a date (RFC 9110, 10.2.3) as milliseconds from now; dates that are past do not count. */
export function parseRetryAfter(text: string | undefined, now = Date.now()): number | undefined {
  if (text === undefined) return undefined;
  if (/^[0-9]{1,9}$/.test(text.trim())) return Number(text) * 1000;
  const date = Date.parse(text);
  return Number.isNaN(date) || date <= now ? undefined : date - now;
}

export async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(ms, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    if (signal?.aborted === true) throw cancelled(signal);
    throw error;
  }
}
