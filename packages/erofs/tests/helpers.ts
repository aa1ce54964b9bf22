import { createHash } from "node:crypto";

/** The fs-verity digest of a file with blocks of 4096 bytes and no salt, as the kernel computes it. */
export function fsVerity(bytes: Uint8Array, algorithm: "sha256" | "sha512"): string {
  const hash = (block: Uint8Array): Buffer => createHash(algorithm).update(block).digest();
  const digestSize = algorithm === "sha256" ? 32 : 64;
  let level: Uint8Array = bytes;
  let root: Uint8Array = new Uint8Array(digestSize);
  while (bytes.length > 0) {
    const digests: Buffer[] = [];
    for (let at = 0; at < level.length; at += 4096) {
      const block = Buffer.alloc(4096);
      block.set(level.subarray(at, at + 4096));
      digests.push(hash(block));
    }
    if (digests.length === 1) {
      root = digests[0] ?? root;
      break;
    }
    level = Buffer.concat(digests);
  }
  const descriptor = Buffer.alloc(256);
  descriptor[0] = 1;
  descriptor[1] = algorithm === "sha256" ? 1 : 2;
  descriptor[2] = 12;
  descriptor.writeBigUInt64LE(BigInt(bytes.length), 8);
  descriptor.set(root, 16);
  return hash(descriptor).toString("hex");
}
