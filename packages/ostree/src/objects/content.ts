import type { FileObject } from "./reader.ts";
import { inflateFile } from "./deflate.ts";

const CHUNK = 1 << 18;

/**
 * The bytes of a content object's content; none for a symlink. The object stays open until they are read. Throws
 * `ostree/object-invalid` where what is stored is damaged.
 */
export async function* readContent(
  object: FileObject,
  format = "content object",
): AsyncGenerator<Uint8Array> {
  const { stored, size } = object;
  if (stored.kind === "symlink") return;
  if (stored.kind === "deflate") {
    yield* inflateFile(stored.file, stored.offset, size, format);
    return;
  }
  for (let at = 0; at < size;) {
    const buffer = Buffer.allocUnsafeSlow(Math.min(CHUNK, size - at));
    const count = stored.file.readFull(buffer, at);
    if (count === 0) return;
    yield buffer.subarray(0, count);
    at += count;
  }
}
