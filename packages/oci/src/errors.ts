import { defineErrors } from "@bootc-store/core";

/** Every error that this package throws. */
export const ociErrors = defineErrors("oci", {
  // References
  "reference-invalid": { kind: "usage", meaning: "A text is no reference to an image." },
  "transport-unknown": {
    kind: "usage",
    meaning: "A reference begins with a transport that is not known, or that cannot be used here.",
    hint: "Known are docker://, oci:, oci-archive:, docker-archive: and dir:.",
  },

  // Documents
  "json-invalid": {
    kind: "corrupt",
    meaning: "A document is no JSON, has a key twice, or goes on after its end.",
  },
  "document-invalid": {
    kind: "corrupt",
    meaning: "A manifest, index or configuration has a field that its format forbids, or lacks one.",
  },
  "manifest-ambiguous": {
    kind: "corrupt",
    meaning: "A manifest has key fields of two kinds of documents, so that two readers could see two images.",
  },
  "document-too-large": {
    kind: "corrupt",
    meaning: "A document or answer is larger than the limit that was set for it.",
    hint: "If the source is trusted, raise the limit in the options.",
  },
  "schema1-unsupported": {
    kind: "unsupported",
    meaning: "A manifest is of Docker's schema 1, which has no digest over its bytes.",
    hint: "Push the image again with a current tool.",
  },
  "image-not-found": { kind: "not-found", meaning: "There is no image of that name." },
  "image-not-unique": {
    kind: "usage",
    meaning: "A reference names no image, and there is more than one.",
    hint: "Add its name, or @ and its number.",
  },
  "platform-not-found": {
    kind: "not-found",
    meaning: "An index has no image for the wanted operating system and architecture.",
  },
  "layer-count": {
    kind: "corrupt",
    meaning: "A manifest has not as many layers as its configuration has diff ids.",
  },
  "layer-type-unsupported": {
    kind: "unsupported",
    meaning: "A layer has a media type that is no tar, so its files cannot be read.",
  },

  // Content
  "digest-mismatch": { kind: "corrupt", meaning: "Content does not have the digest it was asked for by." },
  "diff-id-mismatch": {
    kind: "corrupt",
    meaning: "A layer's uncompressed bytes do not have the diff id that the configuration says.",
  },
  "content-size": { kind: "corrupt", meaning: "A content has more or fewer bytes than was said." },
  "blob-not-found": { kind: "not-found", meaning: "A blob that an image names is not there." },
  "segment-order": {
    kind: "usage",
    meaning: "A content was read after the next segment had been asked for.",
  },

  // Decompression
  "compressed-invalid": { kind: "corrupt", meaning: "Compressed data is malformed or damaged." },
  "compressed-truncated": { kind: "corrupt", meaning: "Compressed data ends too early." },
  "compression-unsupported": {
    kind: "unsupported",
    meaning: "Data is compressed in a way that is not supported.",
  },
  "decompressed-too-large": {
    kind: "corrupt",
    meaning: "Compressed data is far larger when decompressed than its size lets one expect.",
    hint: "If the data is trusted, raise maxRatio or maxSize in the options.",
  },
  "zstd-window": {
    kind: "corrupt",
    meaning: "A zstd frame wants a larger window than is allowed.",
  },

  // Tar
  "tar-header-invalid": {
    kind: "corrupt",
    meaning: "A header of a tar has a wrong checksum or a field that is no value.",
  },
  "tar-extended-invalid": { kind: "corrupt", meaning: "An extended header of a tar is malformed." },
  "tar-sparse-invalid": { kind: "corrupt", meaning: "The map of a sparse file in a tar is malformed." },
  "tar-truncated": { kind: "corrupt", meaning: "A tar ends in the middle of an entry." },
  "tar-end-invalid": { kind: "corrupt", meaning: "A block of zeros in a tar is followed by something else." },
  "tar-limit": {
    kind: "corrupt",
    meaning: "A header of a tar is larger than the limit that was set for it.",
    hint: "If the tar is trusted, raise the limit in the options.",
  },
  "tar-value-unencodable": {
    kind: "usage",
    meaning: "A value cannot be written into a tar of the wanted format.",
  },
  "tar-entry-unsupported": {
    kind: "unsupported",
    meaning: "An entry of a tar is of a type that a layer cannot have.",
  },
  "tar-duplicate": {
    kind: "corrupt",
    meaning: "A tar has two entries of one name where that was not allowed.",
  },
  "tar-device": { kind: "corrupt", meaning: "A tar has a device node where that was not allowed." },

  // Layouts and archives
  "layout-invalid": {
    kind: "corrupt",
    meaning: "A directory or archive is no image layout of a known version.",
  },
  "archive-invalid": { kind: "corrupt", meaning: "An archive of images is malformed." },
  "destination-conflict": {
    kind: "conflict",
    meaning: "What is at the destination already cannot be added to.",
  },
  "destination-unsupported": {
    kind: "unsupported",
    meaning: "The destination cannot hold what is to be written to it.",
  },

  // Registries
  "proxy-invalid": {
    kind: "usage",
    meaning: "A variable that names a proxy has no address of an http or https proxy.",
    hint: "Mend or unset HTTP_PROXY and HTTPS_PROXY.",
  },
  "registry-unreachable": { kind: "io", meaning: "A registry could not be reached." },
  "registry-cut": { kind: "io", meaning: "A connection to a registry was cut, and could not be resumed." },
  "registry-unauthorized": {
    kind: "usage",
    meaning: "A registry wants credentials, or refuses those that were given.",
    hint: "Log in, for instance by podman login, or name an authentication file.",
  },
  "registry-denied": { kind: "usage", meaning: "A registry does not allow what was asked of it." },
  "registry-not-found": { kind: "not-found", meaning: "A registry does not have what was asked for." },
  "registry-rate-limited": {
    kind: "io",
    meaning: "A registry refuses more requests for now, and went on doing so.",
    hint: "Wait, or log in for a higher limit.",
  },
  "registry-redirects": { kind: "corrupt", meaning: "A registry redirects without an end, or to nowhere." },
  "registry-answer": {
    kind: "corrupt",
    meaning: "A registry's answer is not one that the protocol has.",
  },
  "registry-error": { kind: "io", meaning: "A registry answered with an error." },
  "registry-blocked": { kind: "usage", meaning: "The configuration blocks this registry." },
  "registry-insecure": {
    kind: "usage",
    meaning: "Credentials would be sent without encryption.",
    hint: "Mark the registry as insecure in registries.conf if that is meant.",
  },
  "push-failed": { kind: "io", meaning: "A registry did not accept what was pushed to it." },

  // Configuration and policy
  "config-invalid": { kind: "corrupt", meaning: "A configuration file of the host is malformed." },
  "policy-rejected": { kind: "usage", meaning: "The signature policy does not allow this image." },
  "policy-invalid": { kind: "corrupt", meaning: "The signature policy is malformed." },
  "policy-missing": {
    kind: "not-found",
    meaning: "There is no signature policy.",
    hint: "Install /etc/containers/policy.json, or say that none is wanted (--insecure-policy).",
  },
  "signature-invalid": { kind: "corrupt", meaning: "A signature is malformed or does not verify." },
  "signature-support-missing": {
    kind: "unsupported",
    meaning: "Checking this signature needs the package openpgp, which is not installed.",
    hint: "Install openpgp beside this package.",
  },

  // Tables of contents
  "toc-invalid": { kind: "corrupt", meaning: "A layer's table of contents is malformed." },
  "toc-mismatch": {
    kind: "corrupt",
    meaning: "A layer's table of contents does not agree with the layer or with its annotations.",
  },
});
