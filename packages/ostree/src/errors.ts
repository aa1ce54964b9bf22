import { defineErrors } from "@bootc-store/core";

/** Every error that this package throws. */
export const ostreeErrors = defineErrors("ostree", {
  "variant-type-invalid": { kind: "corrupt", meaning: "A text is not the type of a variant." },
  "variant-not-normal": { kind: "corrupt", meaning: "Bytes are not a variant of their type in normal form." },
  "variant-limit": { kind: "corrupt", meaning: "A variant is larger or deeper than its limit." },
  "variant-value-invalid": { kind: "usage", meaning: "A value is not of the type it is to be written as." },
});
