import type { OperationOptions } from "@bootc-store/core";

/**
 * What a check pays for: names and links only, what refers to what, or every byte of content.
 */
export type VerifyDepth = "structure" | "references" | "content";

export interface VerifyOptions extends OperationOptions {
  /** `content` unless said otherwise. */
  readonly depth?: VerifyDepth;
}
