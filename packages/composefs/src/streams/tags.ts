// Tags of OCI images: links in streams/refs/oci to manifest streams. A name is one component, `%` and `/` encoded.

import { utf8 } from "@bootc-store/core";

import { composefsErrors } from "../errors.ts";
import type { Repository } from "../repository/repository.ts";
import { linkResolves, listRefs, readRef, removeRef, writeRef } from "./links.ts";

const FOLDER = "oci";

export interface Tag {
  readonly name: string;
  /** Name of the manifest's stream. */
  readonly stream: string;
}

/** A tag's name as on disk. Throws `composefs/stream-name-invalid` for names that cannot be looked up again. */
export function encodeTag(name: string): string {
  if (name === "" || name === "." || name === ".." || name.startsWith("@") || name.includes("\0")) {
    throw composefsErrors.error(
      "stream-name-invalid",
      `"${name}" cannot be a tag: it is empty, a dot, or begins with @`,
    );
  }
  return name.replaceAll("%", "%25").replaceAll("/", "%2F");
}

export function decodeTag(name: string): string {
  return name.replaceAll(/%(25|2F)/gi, (_, digits: string) => (digits === "25" ? "%" : "/"));
}

/** Points a tag at a manifest's stream, which must be there: a tag that leads nowhere would stop every collection. */
export function writeTag(repository: Repository, name: string, stream: string): void {
  if (!linkResolves(repository, utf8(`streams/${stream}`))) {
    throw composefsErrors.error("stream-missing", `there is no stream ${stream} to tag`, {
      context: { ref: name },
    });
  }
  writeRef(repository, "streams", `${FOLDER}/${encodeTag(name)}`, stream);
}

export function readTag(repository: Repository, name: string): string | undefined {
  return readRef(repository, "streams", `${FOLDER}/${encodeTag(name)}`);
}

export function removeTag(repository: Repository, name: string): boolean {
  return removeRef(repository, "streams", `${FOLDER}/${encodeTag(name)}`);
}

/** All tags in byte order of their names on disk. */
export function listTags(repository: Repository): Tag[] {
  return listRefs(repository, "streams").flatMap(({ path, target }) => {
    const [folder, name, ...more] = path.split("/");
    if (folder !== FOLDER || name === undefined || more.length > 0 || target === undefined) return [];
    return [{ name: decodeTag(name), stream: target }];
  });
}
