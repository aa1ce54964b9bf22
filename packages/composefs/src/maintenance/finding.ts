import type { Finding } from "@bootc-store/core";

/** A finding of a check of a repository. */
export function finding(problem: string, kind: string, id: string, path: string, message: string): Finding {
  return {
    code: `composefs/${problem}`,
    severity: "error",
    subject: { backend: "composefs", kind, id, path },
    message: `${path}: ${message}`,
    repair: kind === "object" ? "refetch" : "remove",
  };
}
