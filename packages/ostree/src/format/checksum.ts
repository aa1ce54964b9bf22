import { createHash, hash } from "node:crypto";
import { fromHex, toHex } from "@bootc-store/core";

import { ostreeErrors } from "../errors.ts";

/** SHA-256 as 64 lower-case hexadecimal digits, by which every object is named. */
export type Checksum = string;

export function isChecksum(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text);
}

/** Throws `ostree/checksum-invalid` unless it is one. */
export function checkChecksum(text: string): Checksum {
  if (!isChecksum(text)) {
    throw ostreeErrors.error("checksum-invalid", `not a checksum: "${text.slice(0, 100)}"`);
  }
  return text;
}

/** The 32 bytes by which objects refer to one another. */
export function checksumBytes(checksum: Checksum): Uint8Array {
  return fromHex(checkChecksum(checksum));
}

/** Throws `ostree/object-invalid` unless there are 32 bytes. */
export function checksumOf(bytes: Uint8Array, field: string): Checksum {
  if (bytes.length !== 32) {
    throw ostreeErrors.error("object-invalid", `${field}: a checksum has 32 bytes, not ${bytes.length}`, {
      context: { field },
    });
  }
  return toHex(bytes);
}

export function sha256(...parts: readonly Uint8Array[]): Checksum {
  if (parts.length === 1) return hash("sha256", parts[0] as Uint8Array, "hex");
  const state = createHash("sha256");
  for (const part of parts) state.update(part);
  return state.digest("hex");
}
