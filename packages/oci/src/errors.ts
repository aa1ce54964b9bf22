import { defineErrors } from "@bootc-store/core";

/** Every error that this package throws. */
export const ociErrors = defineErrors("oci", {
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
  "content-size": { kind: "corrupt", meaning: "A content has more or fewer bytes than was said." },
  "segment-order": {
    kind: "usage",
    meaning: "A content was read after the next segment had been asked for.",
  },
});
