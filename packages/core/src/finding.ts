/** The three stores, and what lies around them. */
export type BackendKind = "ostree" | "composefs" | "containers-storage";

export type Severity = "error" | "warning" | "note";

/** What could be done about a finding, from nothing to making the thing anew. */
export type Repair = "none" | "remove" | "refetch" | "rebuild";

/**
 * Something wrong that a check saw. It is not an error: damage is what a check is for, so it is reported,
 * a thousand times if need be, and the check goes on.
 */
export interface Finding {
  /** `package/noun-problem`, like an error's code. */
  readonly code: string;
  readonly severity: Severity;
  readonly subject: {
    readonly backend?: BackendKind;
    /** What it is: "object", "commit", "layer", "link". */
    readonly kind: string;
    /** Digest, name or id. */
    readonly id: string;
    /** Relative to the physical root or to the store, whichever was checked. */
    readonly path?: string;
  };
  /** One sentence for a person. */
  readonly message: string;
  readonly expected?: string;
  readonly actual?: string;
  readonly repair: Repair;
}
