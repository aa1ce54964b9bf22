// Contents are read once: into memory where they are small, else piece by piece into a copy.
import { type File, Hasher } from "@bootc-store/linux";

import { ostreeErrors } from "../errors.ts";
import type { Checksum } from "../format/checksum.ts";

/** Contents up to this size are read into memory, so that what is there already costs no temporary file. */
export const IN_MEMORY = 1 << 20;
const CHUNK = 1 << 18;

/** One buffer a thread; whoever fills it is done with it before it gives way to anybody else. */
export const scratch = Buffer.allocUnsafeSlow(IN_MEMORY);

/** Copies a file and hashes it on the way. */
export function copyAndHash(source: File, to: File, prefix: Uint8Array, size: number): Checksum {
  const hasher = new Hasher({ ostree: { algorithm: "sha256", prefix } });
  const buffer = scratch.subarray(0, CHUNK);
  while (hasher.size < size) {
    const count = source.readFull(buffer, hasher.size);
    if (count === 0) throw changed(source);
    const data = buffer.subarray(0, count);
    to.write(data, hasher.size);
    hasher.update(data);
  }
  return hasher.finish().ostree;
}

export function sameTime(
  a: { seconds: number; nanoseconds: number },
  b: { seconds: number; nanoseconds: number },
): boolean {
  return a.seconds === b.seconds && a.nanoseconds === b.nanoseconds;
}

export function changed(source: File): Error {
  return ostreeErrors.error("content-changed", `${source.label}: changed while it was being read`, {
    context: { path: source.label },
  });
}
