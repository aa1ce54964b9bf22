// A body that goes on after its connection was cut. The caller's digest goes on over the join, so a server that sends
// other bytes the second time is found out.

import { ociErrors } from "../errors.ts";
import { isCut } from "./answer.ts";
import { type HttpResponse, shownUrl } from "./http.ts";
import { pause, type RetryOptions } from "./retry.ts";

export interface ResumeOptions {
  /** For messages. */
  readonly what: string;
  /** Bytes of the whole, which tell a cut from an end. */
  readonly size: number;
  readonly retry: RetryOptions;
  readonly signal?: AbortSignal;
}

/** A connection is made anew where this much came since the last time, or this long ago. */
const PROGRESS = 1 << 20;
const PROGRESS_MS = 60_000;

/** The bytes of an answer, asked for anew from where they ended too early. Throws `oci/registry-cut`. */
export async function* resumableBody(
  first: HttpResponse,
  ask: (offset: number) => Promise<HttpResponse>,
  options: ResumeOptions,
): AsyncGenerator<Uint8Array> {
  let response = first;
  let offset = 0;
  let skip = 0;
  let last: { readonly offset: number; readonly time: number } | undefined;
  for (;;) {
    let cut: unknown;
    try {
      for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
        const fresh = chunk.subarray(Math.min(skip, chunk.length));
        skip -= chunk.length - fresh.length;
        if (fresh.length === 0) continue;
        offset += fresh.length;
        yield fresh;
      }
      // A body without a length ends where the connection does, early or not.
      if (offset >= options.size || first.headers["content-length"] !== undefined) return;
      cut = new Error("it ended too early");
    } catch (error) {
      if (options.signal?.aborted === true || !isCut(error)) throw error;
      cut = error;
    } finally {
      response.body.destroy();
    }
    const progress =
      last === undefined || offset - last.offset >= PROGRESS || performance.now() - last.time >= PROGRESS_MS;
    if (!progress) {
      throw ociErrors.error(
        "registry-cut",
        `${options.what}: cut after ${offset} of ${options.size} bytes, again`,
        {
          context: { offset },
          cause: cut,
        },
      );
    }
    last = { offset, time: performance.now() };
    const wait = options.retry.resumeMs ?? 1000;
    await pause(wait + Math.random() * (wait / 10), options.signal);
    response = await ask(offset);
    skip = startOf(response, offset, options.what);
  }
}

/** How many bytes of the answer are known already. A server that does not know ranges sends all of it anew. */
function startOf(response: HttpResponse, offset: number, what: string): number {
  if (response.status === 200) return offset;
  const range = response.body.headersDistinct["content-range"] ?? [];
  const match = range.length === 1 ? /^bytes ([0-9]+)-([0-9]+)\/([0-9]+|\*)$/.exec(range[0] as string) : null;
  const fits =
    match !== null &&
    Number(match[1]) === offset &&
    (match[3] === "*" || Number(match[2]) + 1 === Number(match[3]));
  if (fits) return 0;
  response.body.destroy();
  throw ociErrors.error(
    "registry-answer",
    `${what}: ${shownUrl(response.url)} was asked for the bytes from ${offset} on and sends others`,
  );
}
