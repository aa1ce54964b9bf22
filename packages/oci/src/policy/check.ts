// Whether an image may be used, by the policy. Only the list of the nearest scope counts, and all of it has to agree.
// A refusal names the rule.

import { isStoreError, printDigest } from "@bootc-store/core";

import { ociErrors } from "../errors.ts";
import type { ExactDocument } from "../image/descriptor.ts";
import { type ImageReference, printImageReference } from "../reference/image-reference.ts";
import { DockerSource } from "../registry/docker-transport.ts";
import { type Host, readHostFileOptional } from "../transport/host.ts";
import type { ImageTransportSource } from "../transport/port.ts";
import { identityMatches } from "./identity.ts";
import type { SignedPayload } from "./payload.ts";
import type { KeySource, PolicyRequirement, SignaturePolicy, SignedIdentity } from "./policy.ts";
import { type RegistriesD, signaturePlaces } from "./registries-d.ts";
import { scopesOf } from "./scopes.ts";
import { fetchSigstoreSignatures, fetchSimpleSignatures } from "./signatures.ts";
import { readPublicKeys, type SigstoreSignature, verifySigstoreSignature } from "./sigstore.ts";
import { simpleSignatureOf, verifySimpleSignature } from "./simple-signing.ts";

const KEY_LIMIT = 4 << 20;

export interface PolicyCheckOptions {
  readonly host: Host;
  readonly policy: SignaturePolicy;
  /** What was asked for. */
  readonly reference: ImageReference;
  readonly source: ImageTransportSource;
  /** Where signatures of images in registries are. */
  readonly registriesD?: RegistriesD;
  readonly signal?: AbortSignal;
}

/** The list of requirements for a reference, and where in the policy it is. */
export function requirementsFor(
  policy: SignaturePolicy,
  reference: ImageReference,
  host: Host,
): { readonly rule: string; readonly requirements: readonly PolicyRequirement[] } {
  const { transport, scopes } = scopesOf(reference, host);
  const listed = policy.transports.get(transport);
  for (const scope of [...scopes, ""]) {
    const requirements = listed?.get(scope);
    if (requirements !== undefined) return { rule: `transports.${transport}["${scope}"]`, requirements };
  }
  return { rule: "default", requirements: policy.default };
}

/** What {@link checkPolicy} does for one image, to be handed to who reads its manifests. */
export function policyCheck(options: PolicyCheckOptions): (manifest: ExactDocument) => Promise<void> {
  return async (manifest) => await checkPolicy(manifest, options);
}

/** Throws `oci/policy-rejected` unless the policy allows the image with this manifest. */
export async function checkPolicy(manifest: ExactDocument, options: PolicyCheckOptions): Promise<void> {
  const { rule, requirements } = requirementsFor(options.policy, options.reference, options.host);
  const reject = (at: string, problem: string): Error =>
    ociErrors.error("policy-rejected", `${printImageReference(options.reference)}: ${at}: ${problem}`, {
      context: { rule: at, ref: printImageReference(options.reference) },
    });
  if (requirements.length === 0) throw reject(rule, "an empty list allows nothing");
  for (const [number, requirement] of requirements.entries()) {
    const problem = await evaluate(requirement, manifest, options);
    if (problem !== undefined) throw reject(`${rule}[${number}] ${requirement.type}`, problem);
  }
}

/** Why a requirement does not accept the image; `undefined` if it does. */
async function evaluate(
  requirement: PolicyRequirement,
  manifest: ExactDocument,
  options: PolicyCheckOptions,
): Promise<string | undefined> {
  switch (requirement.type) {
    case "insecureAcceptAnything":
      return undefined;
    case "reject":
      return "no image is allowed";
    case "signedBy": {
      const keyrings = readKeys(requirement.keys, options.host);
      const blobs = await simpleSignatures(manifest, options);
      return await anyHolds(blobs, requirement.identity, manifest, options, async (blob) => {
        const message = simpleSignatureOf(blob);
        return message === undefined ? undefined : (await verifySimpleSignature(message, keyrings)).payload;
      });
    }
    default: {
      if (requirement.keys === undefined) return "signatures by certificates cannot be checked here";
      const keys = readKeys(requirement.keys, options.host).flatMap(readPublicKeys);
      const rekorKeys =
        requirement.rekorKeys === undefined
          ? undefined
          : readKeys(requirement.rekorKeys, options.host).flatMap(readPublicKeys);
      const signatures = await sigstoreSignatures(manifest, options);
      return await anyHolds(signatures, requirement.identity, manifest, options, async (signature) =>
        verifySigstoreSignature(signature, keys, rekorKeys),
      );
    }
  }
}

/** Whether one of the signatures holds and is about this image; else the reasons of all of them. */
async function anyHolds<S>(
  signatures: readonly S[],
  identity: SignedIdentity,
  manifest: ExactDocument,
  options: PolicyCheckOptions,
  verify: (signature: S) => Promise<SignedPayload | undefined>,
): Promise<string | undefined> {
  if (signatures.length === 0) return "there is no signature";
  const reasons: string[] = [];
  for (const signature of signatures) {
    try {
      const payload = await verify(signature);
      if (payload === undefined) continue;
      const problem = payloadProblem(payload, identity, manifest, options);
      if (problem === undefined) return undefined;
      reasons.push(problem);
    } catch (error) {
      // One that does not hold says nothing against the others.
      if (!isStoreError(error, "oci/signature-invalid", "oci/json-invalid")) throw error;
      reasons.push(error.message);
    }
  }
  return reasons.length === 0 ? "there is no signature of this kind" : reasons.join("; ").slice(0, 1000);
}

function payloadProblem(
  payload: SignedPayload,
  identity: SignedIdentity,
  manifest: ExactDocument,
  { reference }: PolicyCheckOptions,
): string | undefined {
  if (payload.manifestDigest !== printDigest(manifest.digest)) return "a signature is for another manifest";
  const intended = reference.transport === "docker" ? reference.reference : undefined;
  return identityMatches(identity, intended, payload.dockerReference)
    ? undefined
    : `a signature is for the name "${payload.dockerReference.slice(0, 200)}"`;
}

async function simpleSignatures(
  manifest: ExactDocument,
  options: PolicyCheckOptions,
): Promise<readonly Uint8Array[]> {
  const { source, registriesD, host, signal } = options;
  if (!(source instanceof DockerSource)) return (await source.readSignatures?.(manifest.digest)) ?? [];
  const places = signaturePlaces(registriesD ?? NOWHERE, source.reference);
  return await fetchSimpleSignatures(source, manifest.digest, places, host, signal);
}

async function sigstoreSignatures(
  manifest: ExactDocument,
  { source, registriesD, signal }: PolicyCheckOptions,
): Promise<readonly SigstoreSignature[]> {
  if (!(source instanceof DockerSource)) return [];
  if (!signaturePlaces(registriesD ?? NOWHERE, source.reference).sigstoreAttachments) return [];
  return await fetchSigstoreSignatures(source, manifest.digest, signal);
}

const NOWHERE: RegistriesD = {
  fallback: {},
  scopes: new Map(),
  builtin: "file:///var/lib/containers/sigstore",
};

function readKeys({ paths, data }: KeySource, host: Host): Uint8Array[] {
  const files = paths.map((path) => {
    const bytes = readHostFileOptional(host, path, KEY_LIMIT);
    if (bytes !== undefined) return bytes;
    throw ociErrors.error("policy-invalid", `the key ${path} is not there`, { context: { path } });
  });
  return [...files, ...data];
}
