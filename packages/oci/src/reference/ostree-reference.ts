// How bootc and ostree-ext spell an image together with who is to vouch for it. Their image reference has a grammar
// of its own, close to containers/image's: `registry:NAME` beside `docker://NAME`, and a name that is not looked at.

import { ociErrors } from "../errors.ts";
import { type ImageReference, parseImageReference } from "./image-reference.ts";

export const BOOTC_TRANSPORTS = [
  "registry",
  "oci",
  "oci-archive",
  "docker-archive",
  "containers-storage",
  "dir",
  "docker-daemon",
] as const;

export type BootcTransport = (typeof BOOTC_TRANSPORTS)[number];

/** `TRANSPORT:NAME`. The name is kept as it is. */
export interface BootcImageReference {
  readonly transport: BootcTransport;
  readonly name: string;
}

/** Who vouches for an image. */
export type SignatureSource =
  /** The signature policy of the host, which must not accept everything by default. */
  | { readonly kind: "container-policy" }
  /** The signature policy of the host, whatever it says. */
  | { readonly kind: "container-policy-allow-insecure" }
  /** The keys of an ostree remote sign the commit in it. */
  | { readonly kind: "ostree-remote"; readonly remote: string };

export interface OstreeImageReference {
  readonly signatures: SignatureSource;
  readonly image: BootcImageReference;
}

/** Throws `oci/reference-invalid`, `oci/transport-unknown`. */
export function parseBootcReference(text: string): BootcImageReference {
  const colon = text.indexOf(":");
  if (colon < 0) throw refuse(text, "it does not begin with a transport and a colon");
  const word = text.slice(0, colon);
  let name = text.slice(colon + 1);
  let transport = BOOTC_TRANSPORTS.find((each) => each === word);
  if (word === "docker") {
    if (!name.startsWith("//")) throw refuse(text, "docker: is followed by //");
    transport = "registry";
    name = name.slice(2);
  }
  if (transport === undefined) {
    throw ociErrors.error(
      "transport-unknown",
      `"${text.slice(0, 300)}": no transport "${word.slice(0, 40)}"`,
    );
  }
  if (name === "") throw refuse(text, "its name is empty");
  return { transport, name };
}

/** `registry:` is written as `docker://`, all others as they are read. */
export function printBootcReference({ transport, name }: BootcImageReference): string {
  return transport === "registry" ? `docker://${name}` : `${transport}:${name}`;
}

/** Where the image is, in containers/image's words, with its name checked. */
export function imageReferenceOf(reference: BootcImageReference): ImageReference {
  return parseImageReference(printBootcReference(reference));
}

/** Throws `oci/reference-invalid`, `oci/transport-unknown`. */
export function parseOstreeReference(text: string): OstreeImageReference {
  const colon = text.indexOf(":");
  const word = text.slice(0, Math.max(colon, 0));
  const rest = text.slice(colon + 1);
  switch (word) {
    case "ostree-image-signed":
      return { signatures: { kind: "container-policy" }, image: parseBootcReference(rest) };
    case "ostree-unverified-image":
      return { signatures: { kind: "container-policy-allow-insecure" }, image: parseBootcReference(rest) };
    case "ostree-unverified-registry":
      return {
        signatures: { kind: "container-policy-allow-insecure" },
        image: parseBootcReference(`registry:${rest}`),
      };
    case "ostree-remote-image":
    case "ostree-remote-registry": {
      const split = rest.indexOf(":");
      const remote = rest.slice(0, Math.max(split, 0));
      if (remote === "") throw refuse(text, "the name of an ostree remote and a colon are missing");
      const name = rest.slice(split + 1);
      return {
        signatures: { kind: "ostree-remote", remote },
        image: parseBootcReference(word === "ostree-remote-image" ? name : `registry:${name}`),
      };
    }
    default:
      throw refuse(text, "it does not begin with one of ostree's words for who vouches for an image");
  }
}

/** As ostree-ext prints it: short for an unverified image in a registry, long for all others. */
export function printOstreeReference({ signatures, image }: OstreeImageReference): string {
  const printed = printBootcReference(image);
  if (signatures.kind === "container-policy") return `ostree-image-signed:${printed}`;
  if (signatures.kind === "ostree-remote") return `ostree-remote-image:${signatures.remote}:${printed}`;
  return image.transport === "registry"
    ? `ostree-unverified-registry:${image.name}`
    : `ostree-unverified-image:${printed}`;
}

function refuse(text: string, problem: string): Error {
  return ociErrors.error("reference-invalid", `"${text.slice(0, 300)}": ${problem}`);
}
