// Sigstore signatures as cosign attaches them: a payload, a signature over it by a key, and sometimes the promise of
// Rekor that both are in its log. Verified offline, with Node's own cryptography.

import { createPublicKey, hash, type KeyObject, verify } from "node:crypto";

import { ociErrors } from "../errors.ts";
import { Fields } from "../json/fields.ts";
import { isObject } from "../json/fields.ts";
import { type JsonValue, parseJson } from "../json/parse.ts";
import { parsePayload, type SignedPayload } from "./payload.ts";

export const SIGNATURE_ANNOTATION = "dev.cosignproject.cosign/signature";
export const BUNDLE_ANNOTATION = "dev.sigstore.cosign/bundle";

export interface SigstoreSignature {
  readonly payload: Uint8Array;
  readonly annotations: Readonly<Record<string, string>>;
}

const refuse = (problem: string): Error =>
  ociErrors.error("signature-invalid", `sigstore signature: ${problem}`);

/** Keys in PEM, several in one file allowed. Throws `oci/policy-invalid`. */
export function readPublicKeys(bytes: Uint8Array): KeyObject[] {
  const text = Buffer.from(bytes).toString("utf8");
  const blocks = text.match(/-----BEGIN [A-Z ]+-----[\s\S]*?-----END [A-Z ]+-----/g) ?? [];
  try {
    const keys = blocks.map((block) => createPublicKey(block));
    if (keys.length > 0) return keys;
  } catch (error) {
    throw ociErrors.error("policy-invalid", "a public key of the policy cannot be read", { cause: error });
  }
  throw ociErrors.error("policy-invalid", "a file of public keys has none in it");
}

/** Verifies a signature by one of these keys; with `rekorKeys` its entry in the log too. Throws `oci/signature-invalid`. */
export function verifySigstoreSignature(
  signature: SigstoreSignature,
  keys: readonly KeyObject[],
  rekorKeys?: readonly KeyObject[],
): SignedPayload {
  const text = signature.annotations[SIGNATURE_ANNOTATION];
  if (text === undefined || text === "") throw refuse("it is missing");
  const bytes = decodeBase64(text, "the signature");
  const key = keys.find((each) => holds(each, signature.payload, bytes));
  if (key === undefined) throw refuse("it does not hold by any of the keys");
  if (rekorKeys !== undefined) verifyLogEntry(signature, text, key, rekorKeys);
  return parsePayload(signature.payload, "cosign container image signature");
}

function holds(key: KeyObject, data: Uint8Array, signature: Uint8Array): boolean {
  switch (key.asymmetricKeyType) {
    case "ed25519":
      return verify(null, data, key, signature);
    case "ec":
    case "rsa":
      return verify("sha256", data, key, signature);
    default:
      return false;
  }
}

/** The signed entry timestamp, and that the entry is about this signature, payload and key. */
function verifyLogEntry(
  signature: SigstoreSignature,
  signatureText: string,
  key: KeyObject,
  rekorKeys: readonly KeyObject[],
): void {
  const bundle = signature.annotations[BUNDLE_ANNOTATION];
  if (bundle === undefined) throw refuse("it has no entry in the log");
  const fields = Fields.of(parseJson(bundle, { what: "bundle", caseless: true }), "bundle", refuse);
  fields.only("SignedEntryTimestamp", "Payload");
  const timestamp = decodeBase64(fields.string("SignedEntryTimestamp"), "its entry in the log");
  const entry = fields.fields("Payload").only("body", "integratedTime", "logIndex", "logID");
  const signed = Buffer.from(canonicalJson(entry.object));
  if (
    !rekorKeys.some((each) => each.asymmetricKeyType === "ec" && verify("sha256", signed, each, timestamp))
  ) {
    throw refuse("its entry in the log does not hold by any of the log's keys");
  }
  const body = Fields.of(
    parseJson(decodeBase64(entry.string("body"), "body"), { what: "log entry" }),
    "entry",
    refuse,
  );
  if (body.string("kind") !== "hashedrekord" || body.string("apiVersion") !== "0.0.1") {
    throw refuse("its entry in the log is of another kind");
  }
  const spec = body.fields("spec");
  const logged = spec.fields("signature");
  const digest = spec.fields("data").fields("hash");
  const same =
    decodeBase64(logged.string("content"), "entry").equals(decodeBase64(signatureText, "signature")) &&
    digest.string("algorithm") === "sha256" &&
    digest.string("value") === hash("sha256", signature.payload, "hex") &&
    sameKey(decodeBase64(logged.fields("publicKey").string("content"), "key"), key);
  if (!same) throw refuse("its entry in the log is about something else");
}

function sameKey(pem: Uint8Array, key: KeyObject): boolean {
  try {
    return createPublicKey(Buffer.from(pem)).equals(key);
  } catch (error) {
    throw ociErrors.error(
      "signature-invalid",
      "sigstore signature: the key of its log entry cannot be read",
      {
        cause: error,
      },
    );
  }
}

/** RFC 8785, for documents of texts and whole numbers. */
export function canonicalJson(value: JsonValue): string {
  if (Array.isArray(value)) return `[${(value as JsonValue[]).map(canonicalJson).join(",")}]`;
  if (!isObject(value)) return JSON.stringify(value);
  const keys = Object.keys(value).sort();
  return `{${keys.map((key) => `${JSON.stringify(key)}:${canonicalJson(value[key] as JsonValue)}`).join(",")}}`;
}

function decodeBase64(text: string, what: string): Buffer {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text.trim())) throw refuse(`${what} is not base64`);
  return Buffer.from(text.trim(), "base64");
}
