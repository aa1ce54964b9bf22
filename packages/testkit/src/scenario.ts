// A scenario is a value: vitest runs it beside the code, the harness runs it across file systems, peers and
// faults. It asserts with `node:assert`, which both understand.

import { describe, test } from "vitest";

/** What a scenario cannot do without. */
export interface Needs {
  readonly root?: boolean;
  /** File systems that it makes sense on; any, if absent. */
  readonly filesystems?: readonly string[];
  /** Real tools that it asks. */
  readonly peers?: readonly string[];
}

export interface ScenarioContext {
  readonly signal: AbortSignal;
  /** From which everything random is made, so that a failure can be seen again. */
  readonly seed: number;
  /** An empty directory of its own, as a path. */
  readonly scratch: string;
  /** Does and names one step; a failure says in which step it was. */
  step<T>(title: string, work: () => T | Promise<T>): Promise<T>;
  /** Ends the scenario as skipped. */
  skip(reason: string): never;
}

export interface Scenario {
  /** `backend/what/which`, stable. */
  readonly id: string;
  readonly title: string;
  readonly needs: Needs;
  run(t: ScenarioContext): Promise<void>;
}

/** How vitest provides what a scenario is given. */
export interface VitestScenarios {
  /** Why this scenario cannot run here, or `undefined` if it can. */
  missing?(needs: Needs): string | undefined;
  /** Makes a scratch directory and returns it with how to remove it. */
  scratch(): Promise<{ path: string } & AsyncDisposable>;
  readonly seed?: number;
}

/** Registers scenarios as vitest tests. */
export function describeScenarios(title: string, scenarios: readonly Scenario[], how: VitestScenarios): void {
  describe(title, () => {
    for (const scenario of scenarios) {
      test(`${scenario.id}: ${scenario.title}`, async (context) => {
        const missing = how.missing?.(scenario.needs);
        if (missing !== undefined) context.skip(missing);
        await using scratch = await how.scratch();
        await scenario.run({
          signal: context.signal,
          seed: how.seed ?? 1,
          scratch: scratch.path,
          async step(name, work) {
            try {
              return await work();
            } catch (error) {
              if (error instanceof Error && !error.message.includes(`in step "${name}"`)) {
                error.message = `${error.message} (in step "${name}")`;
              }
              throw error;
            }
          },
          skip: (reason) => context.skip(reason),
        });
      });
    }
  });
}
