import { type ByteString, utf8 } from "@bootc-store/core";

import { containersStorageErrors } from "../errors.ts";

/**
 * The name of the file that holds a big data item: the key itself if it has only `a` to `z`, `0` to `9` and `.`, else
 * `=` and the key's base64. A key whose only other character is its last one is used as it is: the real library stops
 * looking there.
 */
export function bigDataFileName(key: string): ByteString {
  // In code points, as the real library counts: what is odd, and something after it.
  const encoded = /^[a-z0-9.]*[^a-z0-9.]./su.test(key);
  const name = !encoded ? key : `=${Buffer.from(key, "utf8").toString("base64")}`;
  if (name === "" || name === "." || name === ".." || name.includes("/") || name.includes("\0")) {
    throw containersStorageErrors.error("big-data-name-invalid", `not a name of a big data item: "${key}"`);
  }
  return utf8(name);
}
