// What a signature is over: which manifest, under which name (containers-signature(5)). Read only when the signature
// has held, and strictly, so that two readers cannot see two things in it.

import { isStoreError } from "@bootc-store/core";

import { ociErrors } from "../errors.ts";
import { Fields } from "../json/fields.ts";
import { type JsonValue, parseJson } from "../json/parse.ts";

export interface SignedPayload {
  /** As text; it is compared, never used to find anything. */
  readonly manifestDigest: string;
  readonly dockerReference: string;
}

/** Throws `oci/signature-invalid`. */
export function parsePayload(
  bytes: Uint8Array,
  type: "atomic container signature" | "cosign container image signature",
): SignedPayload {
  const refuse = (problem: string): Error =>
    ociErrors.error("signature-invalid", `payload of a signature: ${problem}`);
  let value: JsonValue;
  try {
    value = parseJson(bytes, { what: "payload", caseless: true });
  } catch (error) {
    if (isStoreError(error, "oci/json-invalid")) throw refuse(error.message);
    throw error;
  }
  const fields = Fields.of(value, "", refuse).only("critical", "optional");
  const critical = fields.fields("critical").only("type", "image", "identity");
  if (critical.string("type") !== type) throw critical.invalid("type", `not "${type}"`);
  const optional = fields.fieldsOptional("optional");
  optional?.stringOptional("creator");
  const time = optional?.get("timestamp");
  if (time !== undefined && !Number.isInteger(time)) throw refuse("optional.timestamp: not a whole number");
  return {
    manifestDigest: critical.fields("image").only("docker-manifest-digest").string("docker-manifest-digest"),
    dockerReference: critical.fields("identity").only("docker-reference").string("docker-reference"),
  };
}
