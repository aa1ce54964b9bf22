// Simple signing: an OpenPGP message, signed but neither detached nor in clear text, around the payload.

import type * as OpenPgpModule from "openpgp";

import { ociErrors } from "../errors.ts";
import { parsePayload, type SignedPayload } from "./payload.ts";

const PAYLOAD_LIMIT = 4 << 20;

/** First bytes of the packets with which such a message can begin. */
const FIRST_BYTES = new Set([
  0xa0, 0xa1, 0xa2, 0xa3, 0xc8, 0x90, 0x91, 0x92, 0x3d, 0xc4, 0x88, 0x89, 0x8a, 0x8b, 0xc2,
]);

export interface VerifiedSimpleSignature {
  readonly payload: SignedPayload;
  /** Of the primary key, in upper-case hexadecimal. */
  readonly fingerprint: string;
}

/** The OpenPGP message in a stored signature; `undefined` if it is of another format. Throws `oci/signature-invalid`. */
export function simpleSignatureOf(blob: Uint8Array): Uint8Array | undefined {
  const [first] = blob;
  if (first === undefined) throw ociErrors.error("signature-invalid", "an empty signature");
  if (FIRST_BYTES.has(first)) return blob;
  if (first !== 0) throw ociErrors.error("signature-invalid", "a signature of no known format");
  const newline = blob.indexOf(0x0a);
  const format = Buffer.from(blob.subarray(1, newline < 0 ? 1 : Math.min(newline, 100))).toString("latin1");
  if (format === "simple-signing") return blob.subarray(newline + 1);
  if (newline < 0) throw ociErrors.error("signature-invalid", "a signature of no known format");
  return undefined;
}

/**
 * Verifies a signature by one of these keyrings, binary or armoured. Throws `oci/signature-invalid`,
 * `oci/signature-support-missing`.
 */
export async function verifySimpleSignature(
  blob: Uint8Array,
  keyrings: readonly Uint8Array[],
): Promise<VerifiedSimpleSignature> {
  const openpgp = await loadOpenPgp();
  const refuse = (problem: string, cause?: unknown): Error =>
    ociErrors.error("signature-invalid", `signature: ${problem}`, cause === undefined ? {} : { cause });
  const keys = (await Promise.all(keyrings.map((ring) => readKeyring(openpgp, ring)))).flat();
  let verified;
  try {
    const message = await openpgp.readMessage({
      binaryMessage: blob,
      config: { maxDecompressedMessageSize: PAYLOAD_LIMIT },
    });
    verified = await openpgp.verify({
      message,
      verificationKeys: keys,
      format: "binary",
      config: { maxDecompressedMessageSize: PAYLOAD_LIMIT },
    });
  } catch (error) {
    throw refuse("not a signed message of OpenPGP", error);
  }
  const [signature, ...others] = verified.signatures;
  if (signature === undefined || others.length > 0)
    throw refuse(`${verified.signatures.length} signatures, one is wanted`);
  try {
    await signature.verified;
  } catch (error) {
    throw refuse(error instanceof Error ? error.message : "it does not hold", error);
  }
  const key = keys.find((each) => each.getKeys(signature.keyID).length > 0);
  if (key === undefined) throw refuse("its key is not one of those that are trusted");
  try {
    // It held when it was made; it counts only as long as its key does.
    await key.getSigningKey(signature.keyID);
  } catch (error) {
    throw refuse(error instanceof Error ? error.message : "its key is not valid", error);
  }
  return {
    payload: parsePayload(verified.data, "atomic container signature"),
    fingerprint: key.getFingerprint().toUpperCase(),
  };
}

type OpenPgp = typeof OpenPgpModule;

async function loadOpenPgp(): Promise<OpenPgp> {
  try {
    return await import("openpgp");
  } catch (error) {
    if ((error as { code?: string }).code !== "ERR_MODULE_NOT_FOUND") throw error;
    throw ociErrors.error("signature-support-missing", "openpgp is not installed", { cause: error });
  }
}

async function readKeyring(openpgp: OpenPgp, bytes: Uint8Array): Promise<OpenPgpModule.Key[]> {
  const armoured = Buffer.from(bytes.subarray(0, 64))
    .toString("latin1")
    .trimStart()
    .startsWith("-----BEGIN PGP");
  try {
    if (armoured) return await openpgp.readKeys({ armoredKeys: Buffer.from(bytes).toString("utf8") });
    return await openpgp.readKeys({ binaryKeys: bytes });
  } catch (error) {
    throw ociErrors.error("policy-invalid", "a keyring of the policy cannot be read", { cause: error });
  }
}
