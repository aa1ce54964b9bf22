import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";
import { LabError } from "../errors.ts";

/** What was changed, and the way back. */
export interface Damage {
  path: string;
  /** Byte offset of the change. */
  offset: number;
  /** Puts the old bytes back. */
  undo(): void;
}

function withFile<T>(path: string, act: (fd: number, size: number) => T): T {
  const fd = openSync(path, "r+");
  try {
    return act(fd, fstatSync(fd).size);
  } finally {
    closeSync(fd);
  }
}

function writeAll(fd: number, bytes: Uint8Array, offset: number): void {
  for (let done = 0; done < bytes.length;)
    done += writeSync(fd, bytes, done, bytes.length - done, offset + done);
}

/**
 * Changes one byte of a file in place: it is combined with `mask` by exclusive or (0x01 unless given). A negative offset counts
 * from the end. Other links of the file change too; its times do as well.
 */
export function flipByte(path: string, offset: number, mask = 0x01): Damage {
  if (!Number.isInteger(mask) || mask < 1 || mask > 0xff)
    throw new LabError("lab/bad-argument", `a mask that changes a byte is 1 to 255, not ${mask}`, {
      context: { mask },
    });
  return withFile(path, (fd, size) => {
    const at = offset < 0 ? size + offset : offset;
    if (!Number.isInteger(at) || at < 0 || at >= size)
      throw new LabError("lab/bad-argument", `${path} has no byte ${offset}: it has ${size}`, {
        context: { path, offset, size },
      });
    const byte = Buffer.alloc(1);
    readSync(fd, byte, 0, 1, at);
    const old = Buffer.from(byte);
    byte[0] = (byte[0] ?? 0) ^ mask;
    writeAll(fd, byte, at);
    return { path, offset: at, undo: () => withFile(path, (again) => writeAll(again, old, at)) };
  });
}

/** Cuts a file to `length` bytes; a negative one is what is taken off the end. */
export function cutFile(path: string, length: number): Damage {
  return withFile(path, (fd, size) => {
    const to = length < 0 ? size + length : length;
    if (!Number.isInteger(to) || to < 0 || to >= size)
      throw new LabError("lab/bad-argument", `${path} cannot be cut to ${length}: it has ${size} bytes`, {
        context: { path, length, size },
      });
    const tail = Buffer.alloc(size - to);
    for (let done = 0; done < tail.length;) {
      const read = readSync(fd, tail, done, tail.length - done, to + done);
      if (read === 0)
        throw new LabError("lab/fault", `${path} shrinks while it is read`, { context: { path } });
      done += read;
    }
    ftruncateSync(fd, to);
    return { path, offset: to, undo: () => withFile(path, (again) => writeAll(again, tail, to)) };
  });
}
