// How objects are called, and how links lead to them.

import type { Content } from "@bootc-store/backend";
import type { ByteString } from "@bootc-store/core";

import { type ComposefsAlgorithm, isObjectId } from "../algorithm.ts";

/** Of a link in `objects/` that is about to become an object; a program that was killed may leave one. */
export const LINK_PREFIX = ".link-";

/** Path of an object relative to the repository. */
export function objectPath(id: string): string {
  return `objects/${id.slice(0, 2)}/${id.slice(2)}`;
}

/** The object that a content of `ObjectStore.content` is; `undefined` for any other. */
export function objectOfContent(content: Content): string | undefined {
  return content.file === undefined ? undefined : content.file.name.slice("objects/".length).replace("/", "");
}

/** Text of a link to an object from `images/` or `streams/`. */
export function objectLink(id: string): string {
  return `../${objectPath(id)}`;
}

/** The object that such a link leads to, or `undefined` if its last two parts are no object's name. */
export function objectOfLink(target: ByteString, algorithm: ComposefsAlgorithm): string | undefined {
  const match = /(?:^|\/)([0-9a-f]{2})\/([0-9a-f]+)$/.exec(target);
  const id = `${match?.[1] ?? ""}${match?.[2] ?? ""}`;
  return isObjectId(id, algorithm) ? id : undefined;
}
