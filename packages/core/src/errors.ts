import { defineErrors } from "./error.ts";

/** Every error that this package throws. */
export const coreErrors = defineErrors("core", {
  "not-hex": { kind: "usage", meaning: "A text that should be hexadecimal is not." },
  "digest-invalid": {
    kind: "corrupt",
    meaning: "A digest is not of the form ALGORITHM:HEX, or has the wrong length.",
  },
  "digest-mismatch": { kind: "corrupt", meaning: "Content does not have the digest it was asked for by." },
  cancelled: { kind: "cancelled", meaning: "The operation was stopped by its signal." },
  "use-after-dispose": { kind: "bug", meaning: "Something was used after it was disposed of." },
  "data-truncated": { kind: "corrupt", meaning: "A structure goes on after its bytes have ended." },
  "data-trailing": { kind: "corrupt", meaning: "Bytes are left over after a structure has ended." },
  "data-invalid": { kind: "corrupt", meaning: "A field of a structure has a value that its format forbids." },
  "data-limit": {
    kind: "corrupt",
    meaning: "A structure is larger or deeper than the limit that was set for it.",
    hint: "If the data is trusted, raise the limit in the options.",
  },
  "value-range": { kind: "usage", meaning: "A value does not fit the field it is to be written to." },
  "struct-table": { kind: "bug", meaning: "A table of fields has a hole, an overlap or the wrong size." },
  "keyfile-syntax": {
    kind: "corrupt",
    meaning: "A line of a key file is neither a group, a key nor a comment.",
  },
  "keyfile-value": { kind: "corrupt", meaning: "A value of a key file is not of the wanted type." },
});
