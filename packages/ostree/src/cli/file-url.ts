import { OstreeFailure } from "./failure.ts";

/** The path that a `file:` URL names. */
export function fromUrl(url: string): string {
  const match = /^file:\/\/(?:localhost)?(\/.*)$/.exec(url);
  if (match === null) throw new OstreeFailure("This stand-in pulls from file:// only so far");
  try {
    return decodeURIComponent(match[1] as string);
  } catch {
    throw new OstreeFailure(`Invalid URI ${url}`);
  }
}
