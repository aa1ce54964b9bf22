import type { BackendKind, Finding } from "@bootc-store/core";

export function isDamage({ severity }: Finding): boolean {
  return severity === "error";
}

/** What is damaged of a store. */
export function damageOf<F extends Finding>(kind: BackendKind, findings: readonly F[]): F[] {
  return findings.filter((each) => each.subject.backend === kind && isDamage(each));
}

export async function collect<T>(values: AsyncIterable<T> | undefined): Promise<T[]> {
  const found: T[] = [];
  if (values !== undefined) for await (const value of values) found.push(value);
  return found;
}
