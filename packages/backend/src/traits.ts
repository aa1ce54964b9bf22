import type { DigestAlgorithm } from "@bootc-store/core";

/** How a store differs from the others, as data. */
export interface BackendTraits {
  /** The algorithm by which objects are named. */
  readonly digest: DigestAlgorithm;
  /** What the store promises about fs-verity on its objects. */
  readonly verity: "required" | "tried" | "off";
  readonly readOnly: boolean;
  /** How content from outside can be taken without reading it, best first. */
  readonly adopts: readonly ("clone" | "link")[];
  /** Versions of the store's format that are read and written, in the store's own words. */
  readonly formats: { readonly read: readonly string[]; readonly written: string };
  /** Feature flags found in the store. */
  readonly features: readonly string[];
}
