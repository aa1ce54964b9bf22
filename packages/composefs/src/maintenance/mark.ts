// What is alive: from the refs of images/ and streams/, over streams and what they name, to objects.

import type { Root } from "@bootc-store/backend";
import { displayName, parseDigestOptional, throwIfAborted } from "@bootc-store/core";

import { composefsErrors } from "../errors.ts";
import { documentStreamName } from "../oci/documents.ts";
import { layerStreamName } from "../oci/layer.ts";
import type { Repository } from "../repository/repository.ts";
import { type LinkFolder, listObjectLinks, listRefs } from "../streams/links.ts";
import { decodeTag } from "../streams/tags.ts";
import { objectsOfImage, referencesOfStream } from "./references.ts";

/** Names and objects that are reachable. */
export interface Marked {
  readonly objects: ReadonlySet<string>;
  readonly images: ReadonlySet<string>;
  readonly streams: ReadonlySet<string>;
}

/** Refs of both folders. A target is the name of an entry, not its path. */
export function* rootsOf(repository: Repository): Generator<Root> {
  for (const folder of ["images", "streams"] as const) {
    for (const { path, target } of listRefs(repository, folder)) {
      if (target === undefined) continue;
      const tag = folder === "streams" && path.startsWith("oci/");
      const name = tag ? decodeTag(path.slice("oci/".length)) : path;
      yield {
        backend: "composefs",
        kind: tag ? "tag" : `${folder.slice(0, -1)}-ref`,
        name: displayName(name as typeof path),
        target: displayName(target),
      };
    }
  }
}

/**
 * Marks from these entries. Anything live that cannot be read ends it with an error: a collection must not guess. Throws
 * `composefs/link-invalid` for a root that leads nowhere.
 */
export async function mark(
  repository: Repository,
  targets: Iterable<string>,
  signal?: AbortSignal,
): Promise<Marked> {
  const entries = { images: entriesOf(repository, "images"), streams: entriesOf(repository, "streams") };
  const streamsByObject = new Map<string, string>();
  for (const [name, object] of entries.streams)
    if (!streamsByObject.has(object)) streamsByObject.set(object, name);
  const marked = { objects: new Set<string>(), images: new Set<string>(), streams: new Set<string>() };

  const markImage = (name: string, object: string): void => {
    if (marked.images.has(name)) return;
    marked.images.add(name);
    marked.objects.add(object);
    for (const each of objectsOfImage(repository, object)) marked.objects.add(each);
  };
  const markStream = async (first: string, firstObject: string): Promise<void> => {
    const queue: [string, string][] = [[first, firstObject]];
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      throwIfAborted(signal);
      const [name, object] = next;
      if (marked.streams.has(name)) continue;
      marked.streams.add(name);
      marked.objects.add(object);
      const { objects, named } = await referencesOfStream(repository, name, object);
      for (const each of objects) marked.objects.add(each);
      for (const [reference, id] of named) {
        marked.objects.add(id);
        // Also by its name: the stream of a configuration is written anew when images are attached to it, and a manifest
        // that others share it with may still name what it was.
        const current = streamNamed(reference);
        const target = current === undefined ? undefined : entries.streams.get(current);
        if (current !== undefined && target !== undefined) queue.push([current, target]);
        const stream = streamsByObject.get(id);
        if (stream !== undefined) queue.push([stream, id]);
        else if (entries.images.has(id)) markImage(id, id);
      }
    }
  };

  for (const target of targets) {
    throwIfAborted(signal);
    const stream = entries.streams.get(target);
    const image = entries.images.get(target);
    if (stream !== undefined) await markStream(target, stream);
    if (image !== undefined) markImage(target, image);
    if (stream === undefined && image === undefined) {
      throw composefsErrors.error(
        "link-invalid",
        `a ref leads to ${target}, which is neither an image nor a stream`,
        {
          context: { ref: target },
          hint: "Remove the ref, or fetch what it names again, before collecting.",
        },
      );
    }
  }
  return marked;
}

/** The stream that a reference of an image names by a digest, under the name that it has now. */
function streamNamed(reference: string): string | undefined {
  const config = reference.startsWith("config:");
  const digest = parseDigestOptional(config ? reference.slice("config:".length) : reference);
  if (digest === undefined) return undefined;
  return config ? documentStreamName("config", digest) : layerStreamName(digest);
}

function entriesOf(repository: Repository, folder: LinkFolder): Map<string, string> {
  const entries = new Map<string, string>();
  for (const { name, object, link } of listObjectLinks(repository, folder)) {
    if (!link || object === undefined) {
      throw composefsErrors.error("link-invalid", `${folder}/${displayName(name)} is no link to an object`, {
        context: { path: `${folder}/${displayName(name)}` },
      });
    }
    entries.set(name, object);
  }
  return entries;
}
