import type { Checksum } from "../format/checksum.ts";
import type { FileInfo } from "../format/file-info.ts";

/** Contents whose object is known, by the content's key and the metadata that it was stored with. */
export class KnownContents {
  readonly #known = new Map<string, Checksum>();

  get(key: string, info: FileInfo): Checksum | undefined {
    return this.#known.get(signature(key, info));
  }

  set(key: string, info: FileInfo, checksum: Checksum): void {
    this.#known.set(signature(key, info), checksum);
  }
}

function signature(key: string, { mode, uid, gid, xattrs }: FileInfo): string {
  const base = `${mode} ${uid} ${gid} ${key}`;
  return xattrs.size === 0
    ? base
    : `${base}\0${Array.from(xattrs, ([name, value]) => `${name}\0${value.length}\0${value}`).join("\0")}`;
}
