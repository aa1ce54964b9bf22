// What every store must do, whatever it is. A backend runs these beside its own scenarios, by saying how to
// make one, fill it, damage it and leave garbage in it.

import assert from "node:assert/strict";

import type { Backend, Garbage, GcPlan } from "@bootc-store/backend";
import { type Finding, isStoreError } from "@bootc-store/core";

import type { Needs, Scenario, ScenarioContext } from "../scenario.ts";

/** A store for one scenario. */
export interface ContractStore extends AsyncDisposable {
  readonly backend: Backend;
  /** Puts something named into the store, so that there is a root with content. */
  fill(): Promise<void>;
  /** Damages content that is reachable; `verify` must find it. Returns ids that a finding may name. */
  damage(): Promise<readonly string[]>;
  /** Leaves something unreachable. */
  leaveGarbage(): Promise<void>;
  /** Makes what {@link leaveGarbage} left reachable again, as another program would in between. */
  revive(): Promise<void>;
  /** A fingerprint of everything in the store, to see that nothing was changed. */
  fingerprint(): Promise<string>;
}

/** The contract's scenarios for one kind of store. */
export function contractScenarios(
  prefix: string,
  needs: Needs,
  make: (t: ScenarioContext) => Promise<ContractStore>,
): Scenario[] {
  const scenario = (
    id: string,
    title: string,
    run: (store: ContractStore, t: ScenarioContext) => Promise<void>,
  ): Scenario => ({
    id: `${prefix}/contract/${id}`,
    title,
    needs,
    async run(t) {
      await using store = await make(t);
      await run(store, t);
    },
  });

  return [
    scenario(
      "inspect-changes-nothing",
      "looking writes nothing",
      async ({ backend, fill, fingerprint }, t) => {
        await fill();
        const before = await fingerprint();
        await t.step("inspect", () => backend.inspect());
        await t.step("roots", () => drain(backend.roots()));
        await t.step("verify", () => drain(backend.verify()));
        await t.step("usage", () => backend.usage({ extents: true }));
        await t.step("planGc", () => backend.planGc());
        assert.equal(await fingerprint(), before);
      },
    ),

    scenario(
      "inspect-says-what-is-there",
      "a filled store has counts and a root",
      async ({ backend, fill }) => {
        const empty = await backend.inspect();
        await fill();
        const full = await backend.inspect();
        assert.equal(full.kind, backend.kind);
        assert.equal(full.readOnly, backend.traits.readOnly);
        assert.notDeepEqual(full.counts, empty.counts);
        assert.ok((await drain(backend.roots())).length > 0);
      },
    ),

    scenario(
      "inspect-survives-damage",
      "a damaged store can be looked at",
      async ({ backend, fill, damage }) => {
        await fill();
        await damage();
        assert.equal((await backend.inspect()).kind, backend.kind);
        await backend.usage();
      },
    ),

    scenario("verify-clean", "a sound store has no findings of severity error", async ({ backend, fill }) => {
      await fill();
      for (const depth of ["structure", "references", "content"] as const) {
        assert.deepEqual(errorsOf(await drain(backend.verify({ depth }))), []);
      }
    }),

    scenario(
      "verify-finds-damage",
      "damage is found, named, and in the same order twice",
      async ({ backend, fill, damage }) => {
        await fill();
        const ids = await damage();
        const findings = await drain(backend.verify());
        const errors = errorsOf(findings);
        assert.ok(errors.length > 0, "nothing was found");
        assert.ok(
          errors.some((finding) =>
            ids.some((id) => finding.subject.id.includes(id) || finding.subject.path?.includes(id) === true),
          ),
          `no finding names ${ids.join(", ")}: ${JSON.stringify(errors)}`,
        );
        for (const finding of findings) assert.match(finding.code, /^[a-z-]+\/[a-z0-9-]+$/);
        assert.deepEqual(await drain(backend.verify()), findings);
      },
    ),

    scenario(
      "usage-adds-up",
      "the parts of a store's usage add up to the whole",
      async ({ backend, fill }) => {
        await fill();
        const usage = await backend.usage();
        assert.ok(usage.apparentBytes > 0);
        assert.equal(sum(usage.parts.map((part) => part.apparentBytes)), usage.apparentBytes);
        assert.equal(sum(usage.parts.map((part) => part.inodes)), usage.inodes);
      },
    ),

    scenario(
      "gc-keeps-what-is-alive",
      "a collection of a store without garbage removes nothing",
      async ({ backend, fill, fingerprint }) => {
        await fill();
        const before = await fingerprint();
        const plan = await backend.planGc();
        assert.deepEqual(plan.garbage, []);
        assert.deepEqual((await backend.applyGc(plan)).removed, []);
        assert.equal(await fingerprint(), before);
      },
    ),

    scenario(
      "gc-removes-garbage",
      "garbage is planned, removed, and then gone",
      async ({ backend, fill, leaveGarbage }) => {
        await fill();
        await leaveGarbage();
        const plan = await backend.planGc();
        assert.ok(plan.garbage.length > 0);
        assert.equal(plan.bytes, bytesOf(plan.garbage));
        const result = await backend.applyGc(plan);
        assert.deepEqual(names(result.removed), names(plan.garbage));
        assert.equal(result.bytes, bytesOf(result.removed));
        assert.deepEqual((await backend.planGc()).garbage, []);
        assert.deepEqual(errorsOf(await drain(backend.verify())), []);
      },
    ),

    scenario(
      "gc-keeps-extra-roots",
      "what the caller wants kept is kept",
      async ({ backend, fill, leaveGarbage }) => {
        await fill();
        await leaveGarbage();
        const plan = await backend.planGc();
        const first = plan.garbage.find((each) => each.kind !== "object") ?? plan.garbage[0];
        assert.ok(first !== undefined);
        const keep = {
          backend: backend.kind,
          kind: first.kind,
          name: "kept by the caller",
          target: first.id,
        };
        const kept: GcPlan = await backend.planGc({ keep: [keep] });
        assert.ok(!names(kept.garbage).includes(`${first.kind} ${first.id}`));
        await backend.applyGc(kept);
        assert.ok(
          names((await backend.planGc()).garbage).includes(`${first.kind} ${first.id}`),
          "it was removed all the same",
        );
      },
    ),

    scenario(
      "gc-marks-again",
      "what became reachable after the plan is kept",
      async ({ backend, fill, leaveGarbage, revive }) => {
        await fill();
        await leaveGarbage();
        const plan = await backend.planGc();
        await revive();
        const result = await backend.applyGc(plan);
        assert.deepEqual(result.removed, []);
        assert.deepEqual(names(result.kept), names(plan.garbage));
        assert.deepEqual(errorsOf(await drain(backend.verify())), []);
      },
    ),

    scenario(
      "cancel",
      "a fired signal stops every method and changes nothing",
      async ({ backend, fill, leaveGarbage, fingerprint }) => {
        await fill();
        await leaveGarbage();
        const plan = await backend.planGc();
        const before = await fingerprint();
        const signal = AbortSignal.abort();
        const attempts: [string, () => Promise<unknown>][] = [
          ["inspect", () => backend.inspect({ signal })],
          ["roots", () => drain(backend.roots({ signal }))],
          ["verify", () => drain(backend.verify({ signal }))],
          ["usage", () => backend.usage({ signal })],
          ["planGc", () => backend.planGc({ signal })],
          ["applyGc", () => backend.applyGc(plan, { signal })],
        ];
        for (const [name, attempt] of attempts) await rejectsWith(attempt(), "core/cancelled", name);
        assert.equal(await fingerprint(), before);
      },
    ),

    scenario(
      "dispose",
      "disposing twice is fine, using afterwards is an error of its own",
      async ({ backend }) => {
        await backend[Symbol.asyncDispose]();
        await backend[Symbol.asyncDispose]();
        const attempts: [string, () => Promise<unknown>][] = [
          ["inspect", () => backend.inspect()],
          ["roots", () => drain(backend.roots())],
          ["verify", () => drain(backend.verify())],
          ["usage", () => backend.usage()],
          ["planGc", () => backend.planGc()],
        ];
        for (const [name, attempt] of attempts) await rejectsWith(attempt(), "core/use-after-dispose", name);
      },
    ),
  ];
}

async function drain<T>(values: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const value of values) all.push(value);
  return all;
}

async function rejectsWith(attempt: Promise<unknown>, code: string, name: string): Promise<void> {
  await assert.rejects(
    attempt,
    (error) => {
      assert.ok(isStoreError(error, code), `${name} failed with ${String(error)} instead of ${code}`);
      return true;
    },
    `${name} did not fail`,
  );
}

function errorsOf(findings: readonly Finding[]): Finding[] {
  return findings.filter((finding) => finding.severity === "error");
}

function names(garbage: readonly Garbage[]): string[] {
  return garbage.map((each) => `${each.kind} ${each.id}`).sort();
}

function bytesOf(garbage: readonly Garbage[]): number {
  return sum(garbage.map((each) => each.bytes));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
