import type { BackendKind, OperationOptions } from "@bootc-store/core";

/** Something that keeps content of a store alive. */
export interface Root {
  readonly backend: BackendKind;
  /** What it is: "ref", "tag", "deployment", "image", "container". */
  readonly kind: string;
  /** Its name in the store. */
  readonly name: string;
  /** The id of what it keeps: a commit's checksum, an image's id, a stream's name. */
  readonly target: string;
}

export type RootsOptions = OperationOptions;
