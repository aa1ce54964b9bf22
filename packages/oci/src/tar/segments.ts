import type { ByteString } from "@bootc-store/core";

// A layer as segments: the exact bytes of a tar as a sequence of inline bytes and of file contents. Laid end
// to end the segments are the tar, so its digest (the diff id) holds on both sides of every move. A blob can
// be read as segments; so can a layer of containers-storage, from its tar-split and its diff directory; a
// splitstream is a stored form of them.

/**
 * Somewhere on disk that holds exactly the bytes of a content and nothing else, so that they can be cloned
 * without passing through the program. `D` is the platform's directory capability; this package needs to
 * know nothing of it.
 */
export interface ContentFile<D = unknown> {
  readonly dir: D;
  /** Relative to `dir`, not leaving it, no symlink on the way. */
  readonly name: ByteString;
}

/** The content of one file of a layer. */
export interface SegmentContent<D = unknown> {
  /** Bytes. What is read must be exactly as many. */
  readonly size: number;
  /**
   * The bytes, once: from a tar that is being read there is no second time, and the next segment may be
   * asked for only when this one has been read to its end (or was never begun: then it is passed over).
   */
  read(): AsyncIterable<Uint8Array>;
  /** Where the bytes lie as a file of their own, if they do. */
  readonly file?: ContentFile<D>;
  /** SHA-256 of the bytes in hexadecimal, where it is known already. */
  readonly sha256?: string;
}

/** Bytes of the tar that are kept as they are: headers, extended headers, padding, the end, small files. */
export interface InlineSegment {
  readonly kind: "inline";
  readonly bytes: Uint8Array;
}

/** The content of a regular file, without the padding that follows it. */
export interface ContentSegment<D = unknown> {
  readonly kind: "content";
  readonly content: SegmentContent<D>;
}

export type TarSegment<D = unknown> = InlineSegment | ContentSegment<D>;

/** The bytes of the tar that the segments make up. */
export async function* segmentBytes(segments: AsyncIterable<TarSegment>): AsyncGenerator<Uint8Array> {
  for await (const segment of segments) {
    if (segment.kind === "inline") yield segment.bytes;
    else yield* segment.content.read();
  }
}
