import type { ByteString } from "@bootc-store/core";
import type { TarEntry } from "@bootc-store/oci";
import { OPAQUE_NAME, WHITEOUT_PREFIX } from "@bootc-store/tree";

import { containersStorageErrors } from "../errors.ts";
import type { Crc64State } from "../format/crc64.ts";

/** Seconds and nanoseconds, of access and of modification. */
export interface EntryTimes {
  readonly atime: readonly [sec: number, nsec: number];
  readonly mtime: readonly [sec: number, nsec: number];
}

interface EntryOwner {
  readonly uid: number;
  readonly gid: number;
}

interface EntryMetadata extends EntryOwner {
  readonly mode: number;
  readonly times: EntryTimes;
  readonly xattrs: readonly (readonly [name: ByteString, value: ByteString])[];
}

/** A piece of a file's content: where it is in the batch's bytes. The last piece brings the metadata. */
export interface EntryPiece {
  readonly at: number;
  readonly length: number;
  /** Where in the file the piece goes; 0 makes the file. */
  readonly offset: number;
  readonly last: boolean;
  readonly clone?: CloneFrom;
}

/** A file of exactly this content, whose blocks may be shared: a descriptor of its directory, and its name. */
export interface CloneFrom {
  readonly dir: number;
  readonly name: ByteString;
  readonly size: number;
}

/** One thing to be done in a layer's directory. Paths are cleaned: relative, without dots. */
export type ApplyEntry =
  | ({ readonly kind: "file"; readonly path: ByteString; readonly piece: EntryPiece } & EntryMetadata)
  | ({ readonly kind: "directory" | "fifo"; readonly path: ByteString } & EntryMetadata)
  | ({
      readonly kind: "symlink" | "hardlink";
      readonly path: ByteString;
      readonly target: ByteString;
    } & EntryMetadata)
  | ({
      readonly kind: "char" | "block";
      readonly path: ByteString;
      readonly major: number;
      readonly minor: number;
    } & EntryMetadata)
  | ({ readonly kind: "whiteout"; readonly path: ByteString } & EntryOwner)
  | { readonly kind: "opaque"; readonly path: ByteString }
  /** The second pass: times of a directory, when everything is in it. */
  | { readonly kind: "times"; readonly path: ByteString; readonly times: EntryTimes };

export interface ApplyBatch {
  /** The directory that becomes the layer's `diff`. */
  readonly dir: number;
  readonly label: string;
  readonly entries: readonly ApplyEntry[];
  readonly data: Uint8Array<ArrayBuffer>;
  /** The checksum so far of a file that began in an earlier batch. */
  readonly carry?: Crc64State;
}

export interface ApplyResult {
  /** State of the checksum after each piece of a file, in the order of the batch. */
  readonly crcs: readonly Crc64State[];
  readonly cloned: { readonly files: number; readonly bytes: number };
  readonly copied: { readonly files: number; readonly bytes: number };
  /** The batch's memory, to be filled again. */
  readonly data: Uint8Array<ArrayBuffer>;
}

const SCHILY = "SCHILY.xattr.";
const SELINUX = "security.selinux";

/**
 * What is to be done for an entry that is not a file with content: the kind by its type and name, as the real library
 * decides it. `undefined`: nothing (the root, a global header). Throws for what that library refuses too.
 */
export function plainEntry(entry: TarEntry, path: ByteString): ApplyEntry | undefined {
  if (path === "" || entry.type === "global") return undefined;
  const slash = path.lastIndexOf("/");
  const name = path.slice(slash + 1) as ByteString;
  if (name.startsWith(WHITEOUT_PREFIX)) {
    if (name === OPAQUE_NAME)
      return { kind: "opaque", path: path.slice(0, Math.max(slash, 0)) as ByteString };
    const hidden = name.slice(WHITEOUT_PREFIX.length);
    if (hidden === "" || hidden === "." || hidden === "..") throw invalid(path, "a whiteout of no name");
    return {
      kind: "whiteout",
      path: `${path.slice(0, slash + 1)}${hidden}` as ByteString,
      uid: entry.uid,
      gid: entry.gid,
    };
  }
  const metadata = metadataOf(entry);
  switch (entry.type) {
    case "directory":
    case "fifo":
      return { kind: entry.type, path, ...metadata };
    case "symlink":
      if (entry.linkName === "") throw invalid(path, "a symbolic link without a target");
      return { kind: "symlink", path, target: entry.linkName, ...metadata };
    case "hardlink":
      return { kind: "hardlink", path, target: entry.linkName, ...metadata };
    case "char":
    case "block":
      return { kind: entry.type, path, major: entry.devMajor, minor: entry.devMinor, ...metadata };
    case "file":
      // A contiguous file is one that the real library does not extract.
      if (entry.typeflag === 0x37) throw unsupported(path, entry);
      if (entry.sparse !== undefined) throw unsupported(path, entry);
      return {
        kind: "file",
        path,
        piece: { at: 0, length: 0, offset: 0, last: true },
        ...metadata,
      };
    default:
      throw unsupported(path, entry);
  }
}

function metadataOf(entry: TarEntry): EntryMetadata {
  const xattrs: [ByteString, ByteString][] = [];
  for (const [key, value] of entry.pax) {
    if (!key.startsWith(SCHILY)) continue;
    const name = key.slice(SCHILY.length) as ByteString;
    // Labels are given by mounts, and belong to no layer.
    if (name !== "" && name !== SELINUX) xattrs.push([name, value]);
  }
  // A time before 1970 becomes the beginning of it.
  const mtime = entry.mtime.sec < 0 ? EPOCH : ([entry.mtime.sec, entry.mtime.nsec] as const);
  const said = accessTime(entry);
  const isDirectory = entry.type === "directory";
  const atime = isDirectory || later(said, mtime) ? said : mtime;
  return { mode: entry.mode, uid: entry.uid, gid: entry.gid, times: { atime, mtime }, xattrs };
}

const EPOCH = [0, 0] as const;

/** The time of access that a header has, or the epoch. */
function accessTime(entry: TarEntry): readonly [number, number] {
  const match = /^(-?\d{1,15})(?:\.(\d{1,9})\d*)?$/.exec(entry.pax.get("atime" as ByteString) ?? "");
  if (match === null || match[1]?.startsWith("-") === true) return EPOCH;
  return [Number(match[1]), Number((match[2] ?? "").padEnd(9, "0"))];
}

function later(a: readonly [number, number], b: readonly [number, number]): boolean {
  return a[0] > b[0] || (a[0] === b[0] && a[1] > b[1]);
}

function invalid(path: ByteString, problem: string): Error {
  return containersStorageErrors.error("layer-entry-invalid", `"${path}": ${problem}`, { context: { path } });
}

function unsupported(path: ByteString, entry: TarEntry): Error {
  const what = entry.sparse === undefined ? `type ${entry.typeflag}` : "a sparse file";
  return containersStorageErrors.error("layer-entry-unsupported", `"${path}": ${what}`, {
    context: { path },
  });
}
