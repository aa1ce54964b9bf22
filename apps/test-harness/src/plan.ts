import { type FileSystemKind, isFileSystemKind, isPeerName, type Lab, type PeerName } from "@bootc-store/lab";
import type { Matrix } from "./matrix/matrices.ts";
import type { HarnessScenario } from "./scenario.ts";

export interface PlannedCell {
  scenario: HarnessScenario;
  filesystem: FileSystemKind;
  seed: number;
  /** Why it cannot run here; undefined when it can. */
  reason: string | undefined;
}

export interface PlanOptions {
  matrix: Matrix;
  seed: number;
  /** Ids to run, `*` standing for anything; all unless given. */
  ids?: readonly string[];
  backends?: readonly string[];
  /** Instead of the matrix's. */
  filesystems?: readonly FileSystemKind[];
}

export const backendOf = (id: string): string => id.split("/")[0] ?? id;

function matches(id: string, pattern: string): boolean {
  const escaped = pattern.replaceAll(/[.+?^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*");
  return new RegExp(`^${escaped}$`).test(id);
}

/** Every cell of the matrix, those that cannot run with their reason. */
export function plan(scenarios: readonly HarnessScenario[], lab: Lab, options: PlanOptions): PlannedCell[] {
  const cells: PlannedCell[] = [];
  for (const scenario of scenarios) {
    if (options.ids && !options.ids.some((pattern) => matches(scenario.id, pattern))) continue;
    if (options.backends && !options.backends.includes(backendOf(scenario.id))) continue;
    for (const filesystem of filesystemsOf(scenario, options))
      for (let n = 0; n < options.matrix.seeds; n++)
        cells.push({
          scenario,
          filesystem,
          seed: options.seed + n,
          reason: whyNot(scenario, filesystem, lab),
        });
  }
  return cells;
}

/** A scenario that names file systems runs on those, the small and the read-only ones included. */
function filesystemsOf(scenario: HarnessScenario, options: PlanOptions): FileSystemKind[] {
  const named = scenario.needs.filesystems;
  if (named)
    return named.filter(isFileSystemKind).filter((kind) => options.filesystems?.includes(kind) ?? true);
  return [...(options.filesystems ?? options.matrix.filesystems)];
}

function whyNot(scenario: HarnessScenario, filesystem: FileSystemKind, lab: Lab): string | undefined {
  const peers: PeerName[] = [];
  for (const name of scenario.needs.peers ?? []) {
    if (!isPeerName(name)) return `no peer is called ${name}`;
    peers.push(name);
  }
  const { root } = scenario.needs;
  return lab.missing({ peers, filesystems: [filesystem], ...(root === undefined ? {} : { root }) });
}
