// A push parser over the bytes of one tar. It calls back synchronously and copies no content, so that one pass
// over the data can hash, split and list it; every byte that goes in comes out again as `inline` or `data`, in
// order, so that what it reports can be laid end to end to the same tar.

import type { ByteString } from "@bootc-store/core";

import { ociErrors } from "../errors.ts";
import type { SparsePiece, TarEntry, TarEntryType } from "./entry.ts";
import { BLOCK, isZeroBlock, parseHeader, type RawHeader } from "./header.ts";
import { latin1 } from "./latin1.ts";
import { TAR_LIMITS, type TarLimits } from "./limits.ts";
import { parsePax, parsePaxNumber, parsePaxTime } from "./pax.ts";
import { checkPieces, gnuRealSize, parseGnuSparse, type PaxSparse, paxSparse } from "./sparse.ts";
import { xattrsOf } from "./xattrs.ts";

export interface TarEvents {
  /** Bytes that belong to no content: padding, the end, what follows it. */
  inline(bytes: Uint8Array): void;
  /**
   * An entry, and all of its header blocks as they are, in memory that the next entry is put together in. Its content
   * follows as `data`, if it has any.
   */
  entry(entry: TarEntry, header: Uint8Array): void;
  /** The next bytes of the content of the last entry. Views of what was pushed, not copies. */
  data(bytes: Uint8Array): void;
  /** The content is complete. Called once for each entry, also for one without content. */
  entryEnd(): void;
}

type State = "header" | "extended" | "sparse-map" | "data" | "padding" | "after-zero" | "trailing";

const TYPES: ReadonlyMap<number, TarEntryType> = new Map([
  [0x00, "file"],
  [0x30, "file"],
  [0x31, "hardlink"],
  [0x32, "symlink"],
  [0x33, "char"],
  [0x34, "block"],
  [0x35, "directory"],
  [0x36, "fifo"],
  [0x37, "file"],
  [0x53, "sparse"],
  [0x67, "global"],
] as const);

const TYPE_PAX = 0x78;
const TYPE_PAX_GLOBAL = 0x67;
const TYPE_LONG_NAME = 0x4c;
const TYPE_LONG_LINK = 0x4b;

/** Memory for headers at first: what those of nearly every entry need. */
const PRELUDE = 2048;
/** What is not kept for the next entry when one needed more. */
const PRELUDE_KEPT = 1 << 16;

/** Types that never have content, whatever the size says; so containers read them, and so does Go. */
const WITHOUT_CONTENT: ReadonlySet<TarEntryType> = new Set([
  "hardlink",
  "symlink",
  "char",
  "block",
  "directory",
  "fifo",
]);

export class TarParser {
  readonly #events: TarEvents;
  readonly #limits: TarLimits;
  #state: State = "header";
  /** Where in the tar the next byte to be looked at lies. */
  #offset = 0;
  /** A block that is not complete yet. */
  readonly #block = new Uint8Array(BLOCK);
  #blockFill = 0;
  /** Header blocks of the entry that is being put together. */
  #prelude = new Uint8Array(PRELUDE);
  #preludeSize = 0;
  /** Where in them the content of an extended header begins. */
  #extendedAt = 0;
  /** Bytes of content, of an extended header or of padding that are still to come. */
  #remaining = 0;
  #padding = 0;
  #extendedType = 0;
  #pax: [ByteString, ByteString][] = [];
  #longName: ByteString | undefined;
  #longLink: ByteString | undefined;
  #raw: RawHeader | undefined;
  #gnuPieces: SparsePiece[] = [];
  #gnuSize = 0;

  constructor(events: TarEvents, limits: TarLimits = TAR_LIMITS) {
    this.#events = events;
    this.#limits = limits;
  }

  /** True once the end of the archive has been seen; what follows is inline. */
  get ended(): boolean {
    return this.#state === "trailing";
  }

  push(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      switch (this.#state) {
        case "data": {
          const size = Math.min(this.#remaining, chunk.length - at);
          this.#events.data(chunk.subarray(at, at + size));
          at += this.#advance(size);
          if (this.#remaining === 0) this.#endContent();
          break;
        }
        case "padding": {
          const size = Math.min(this.#remaining, chunk.length - at);
          this.#events.inline(chunk.subarray(at, at + size));
          at += this.#advance(size);
          if (this.#remaining === 0) this.#state = "header";
          break;
        }
        case "extended": {
          const size = Math.min(this.#remaining, chunk.length - at);
          this.#keep(chunk.subarray(at, at + size));
          at += this.#advance(size);
          if (this.#remaining === 0) this.#endExtended();
          break;
        }
        case "trailing":
          this.#events.inline(at === 0 ? chunk : chunk.subarray(at));
          this.#offset += chunk.length - at;
          return;
        default:
          at += this.#takeBlock(chunk, at);
      }
    }
  }

  /**
   * Passes over what is left of the content of the entry that came last, for who can seek: that many bytes, its
   * padding included, are not to be pushed.
   */
  passOver(): number {
    let passed = this.passContent();
    if (this.#state === "padding") {
      passed += this.#advance(this.#remaining);
      this.#state = "header";
    }
    return passed;
  }

  /** {@link TarParser.passOver} without the padding, which is then to be pushed. */
  passContent(): number {
    if (this.#state !== "data") return 0;
    const passed = this.#advance(this.#remaining);
    this.#endContent();
    return passed;
  }

  /** Says that there are no more bytes. Throws `oci/tar-truncated` in the middle of an entry. */
  end(): void {
    const clean = this.#blockFill === 0 && this.#preludeSize === 0;
    if (clean && (this.#state === "header" || this.#state === "after-zero" || this.#state === "trailing"))
      return;
    throw ociErrors.error(
      "tar-truncated",
      `the tar ends at ${this.#offset + this.#blockFill}, in the middle of an entry`,
      {
        context: { offset: this.#offset + this.#blockFill },
      },
    );
  }

  #advance(size: number): number {
    this.#remaining -= size;
    this.#offset += size;
    return size;
  }

  /** Completes a block from the chunk and looks at it; returns how many bytes were taken. */
  #takeBlock(chunk: Uint8Array, at: number): number {
    if (this.#blockFill === 0 && chunk.length - at >= BLOCK) {
      this.#look(chunk.subarray(at, at + BLOCK));
      return BLOCK;
    }
    const size = Math.min(BLOCK - this.#blockFill, chunk.length - at);
    this.#block.set(chunk.subarray(at, at + size), this.#blockFill);
    this.#blockFill += size;
    if (this.#blockFill === BLOCK) {
      this.#blockFill = 0;
      this.#look(this.#block.slice());
    }
    return size;
  }

  #look(block: Uint8Array): void {
    if (this.#state === "sparse-map") {
      this.#keep(block);
      this.#offset += BLOCK;
      this.#gnuMap(block, true);
      return;
    }
    if (isZeroBlock(block)) {
      if (this.#preludeSize > 0) throw this.#extendedInvalid("an extended header is followed by no entry");
      this.#state = this.#state === "after-zero" ? "trailing" : "after-zero";
      this.#offset += BLOCK;
      this.#events.inline(block);
      return;
    }
    if (this.#state === "after-zero") {
      throw ociErrors.error(
        "tar-end-invalid",
        `one block of zeros, and then something else at ${this.#offset}`,
        {
          context: { offset: this.#offset },
        },
      );
    }
    const raw = parseHeader(block, this.#offset);
    this.#keep(block);
    this.#offset += BLOCK;
    if (raw.typeflag === TYPE_PAX || raw.typeflag === TYPE_LONG_NAME || raw.typeflag === TYPE_LONG_LINK) {
      this.#startExtended(raw);
      return;
    }
    this.#raw = raw;
    if (TYPES.get(raw.typeflag) === "sparse") {
      this.#gnuPieces = [];
      this.#gnuSize = gnuRealSize(block);
      this.#gnuMap(block, false);
      return;
    }
    this.#startEntry();
  }

  #keep(bytes: Uint8Array): void {
    const size = this.#preludeSize + bytes.length;
    if (size > this.#limits.prelude) {
      throw ociErrors.error(
        "tar-limit",
        `more than ${this.#limits.prelude} bytes of headers before an entry at ${this.#offset}`,
      );
    }
    if (size > this.#prelude.length) {
      const larger = new Uint8Array(2 * size);
      larger.set(this.#prelude.subarray(0, this.#preludeSize));
      this.#prelude = larger;
    }
    this.#prelude.set(bytes, this.#preludeSize);
    this.#preludeSize = size;
  }

  #startExtended(raw: RawHeader): void {
    if (raw.size > this.#limits.extended) {
      throw ociErrors.error("tar-limit", `an extended header of ${raw.size} bytes at ${this.#offset}`, {
        context: { offset: this.#offset },
      });
    }
    this.#extendedType = raw.typeflag;
    this.#extendedAt = this.#preludeSize;
    this.#padding = paddingOf(raw.size);
    this.#remaining = raw.size + this.#padding;
    this.#state = "extended";
    if (this.#remaining === 0) this.#endExtended();
  }

  #endExtended(): void {
    const bytes = this.#prelude.subarray(this.#extendedAt, this.#preludeSize - this.#padding);
    this.#state = "header";
    // Of two extended headers of one type the later one counts, whole, as in Go.
    if (this.#extendedType === TYPE_PAX) this.#pax = parsePax(bytes);
    else if (this.#extendedType === TYPE_LONG_NAME) this.#longName = untilNul(bytes);
    else this.#longLink = untilNul(bytes);
  }

  #gnuMap(block: Uint8Array, extension: boolean): void {
    const { pieces, more } = parseGnuSparse(block, extension);
    this.#gnuPieces.push(...pieces);
    if (this.#gnuPieces.length > this.#limits.sparse) {
      throw ociErrors.error(
        "tar-limit",
        `a sparse file of more than ${this.#limits.sparse} pieces at ${this.#offset}`,
      );
    }
    this.#state = more ? "sparse-map" : "header";
    if (!more) this.#startEntry();
  }

  #startEntry(): void {
    const entry = this.#makeEntry(this.#raw as RawHeader);
    const header = this.#prelude.subarray(0, this.#preludeSize);
    this.#raw = undefined;
    if (this.#prelude.length > PRELUDE_KEPT) this.#prelude = new Uint8Array(PRELUDE);
    this.#preludeSize = 0;
    this.#pax = [];
    this.#longName = undefined;
    this.#longLink = undefined;
    this.#remaining = entry.storedSize;
    this.#padding = paddingOf(entry.storedSize);
    this.#state = "data";
    this.#events.entry(entry, header);
    if (this.#remaining === 0) this.#endContent();
  }

  #endContent(): void {
    this.#events.entryEnd();
    this.#remaining = this.#padding;
    this.#state = this.#remaining === 0 ? "header" : "padding";
  }

  #makeEntry(raw: RawHeader): TarEntry {
    const global = raw.typeflag === TYPE_PAX_GLOBAL;
    const pax = new Map(global ? [] : this.#pax);
    // An empty value means: as in the header.
    for (const [key, value] of pax) if (value === "") pax.delete(key);
    const sparse = global ? undefined : paxSparse(this.#pax);
    const headerSize = this.#paxNumber(pax, "size") ?? raw.size;
    const name = sparse?.name ?? this.#longName ?? pax.get("path" as ByteString) ?? raw.name;
    let type = TYPES.get(raw.typeflag) ?? "other";
    if (type === "file" && raw.typeflag === 0 && name.endsWith("/")) type = "directory";
    const storedSize = WITHOUT_CONTENT.has(type) ? 0 : headerSize;
    return {
      type,
      typeflag: raw.typeflag,
      format: pax.size > 0 && raw.format === "ustar" ? "pax" : raw.format,
      name,
      linkName: this.#longLink ?? pax.get("linkpath" as ByteString) ?? raw.linkName,
      mode: raw.mode & 0o7777,
      uid: this.#paxNumber(pax, "uid") ?? raw.uid,
      gid: this.#paxNumber(pax, "gid") ?? raw.gid,
      uname: pax.get("uname" as ByteString) ?? raw.uname,
      gname: pax.get("gname" as ByteString) ?? raw.gname,
      headerSize,
      storedSize,
      mtime: this.#paxTime(pax) ?? { sec: raw.mtime, nsec: 0 },
      devMajor: raw.devMajor,
      devMinor: raw.devMinor,
      xattrs: xattrsOf(pax),
      pax,
      ...this.#sparsePart(type, storedSize, sparse),
    };
  }

  #sparsePart(
    type: TarEntryType,
    storedSize: number,
    sparse: PaxSparse | undefined,
  ): { size: number; sparse?: readonly SparsePiece[] } {
    if (type === "sparse") {
      checkPieces(this.#gnuPieces, this.#gnuSize, storedSize, this.#limits.sparse);
      return { size: this.#gnuSize, sparse: this.#gnuPieces };
    }
    if (sparse === undefined || type !== "file") return { size: storedSize };
    if (sparse.pieces !== undefined) checkPieces(sparse.pieces, sparse.size, storedSize, this.#limits.sparse);
    // The map of form 1.0 is at the beginning of the content; who expands the file reads it there.
    return { size: sparse.size, sparse: sparse.pieces ?? [] };
  }

  #paxNumber(pax: ReadonlyMap<ByteString, ByteString>, key: string): number | undefined {
    const text = pax.get(key as ByteString);
    if (text === undefined) return undefined;
    const value = parsePaxNumber(text);
    if (value === undefined || value < 0)
      throw this.#extendedInvalid(`${key} is not a number that a file can have`);
    return value;
  }

  #paxTime(pax: ReadonlyMap<ByteString, ByteString>): { sec: number; nsec: number } | undefined {
    const text = pax.get("mtime" as ByteString);
    if (text === undefined) return undefined;
    const time = parsePaxTime(text);
    if (time === undefined) throw this.#extendedInvalid("mtime is not a time");
    return time;
  }

  #extendedInvalid(problem: string): Error {
    return ociErrors.error("tar-extended-invalid", `tar entry at ${this.#offset}: ${problem}`, {
      context: { offset: this.#offset },
    });
  }
}

function paddingOf(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}

function untilNul(bytes: Uint8Array): ByteString {
  const nul = bytes.indexOf(0);
  return latin1(bytes, 0, nul < 0 ? bytes.length : nul);
}
