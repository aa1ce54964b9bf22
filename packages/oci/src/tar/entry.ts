import type { ByteString } from "@bootc-store/core";

/** What kind of thing an entry is. Contiguous files are files; `other` are types with a meaning of their own. */
export type TarEntryType =
  | "file"
  | "hardlink"
  | "symlink"
  | "char"
  | "block"
  | "directory"
  | "fifo"
  | "sparse"
  /** A pax global header: it is kept, and applied to nothing. */
  | "global"
  | "other";

export type TarFormat = "v7" | "ustar" | "pax" | "gnu" | "star";

/** A piece of a sparse file that is stored. The pieces are stored one after another. */
export interface SparsePiece {
  /** Bytes, in the file. */
  readonly offset: number;
  readonly size: number;
}

/** An entry of a tar with all of its extended headers applied. Names and values are bytes as they are. */
export interface TarEntry {
  readonly type: TarEntryType;
  /** The byte that says the type. */
  readonly typeflag: number;
  readonly format: TarFormat;
  /** As written: a leading `./` or `/` and a trailing `/` are kept. */
  readonly name: ByteString;
  readonly linkName: ByteString;
  /** Twelve permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly uname: ByteString;
  readonly gname: ByteString;
  /** Bytes of the file, holes included. 0 for what has no content, whatever the header says. */
  readonly size: number;
  /** Bytes of content that follow the header. */
  readonly storedSize: number;
  /** What the header says the size is, extended headers applied, for readers that care. */
  readonly headerSize: number;
  readonly mtime: { readonly sec: number; readonly nsec: number };
  readonly devMajor: number;
  readonly devMinor: number;
  /** `SCHILY.xattr.*`, and `LIBARCHIVE.xattr.*` where the former has no such name. In order of appearance. */
  readonly xattrs: ReadonlyMap<ByteString, ByteString>;
  /** All pax records that apply to this entry. */
  readonly pax: ReadonlyMap<ByteString, ByteString>;
  /** Stored pieces of a sparse file; for form 1.0 they begin after the map in the content, which is `sparseMapSize` bytes. */
  readonly sparse?: readonly SparsePiece[];
}
