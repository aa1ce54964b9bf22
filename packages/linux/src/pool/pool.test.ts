/* oxlint-disable typescript/await-thenable -- the linter does not know of async disposal in test files */
import { execFileSync } from "node:child_process";
import { availableParallelism } from "node:os";
import { isStoreError, StoreError } from "@bootc-store/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { codeOfAsync } from "../../tests/helpers.ts";
import { die, double, fail, fill, hiddenTask, spin, sum, unclonable } from "../../tests/tasks.ts";
import { createPool, defineTask } from "../index.ts";

const SIZES = [0, 1, 2];

async function all<T>(values: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const value of values) found.push(value);
  return found;
}

async function started(shared: Int32Array<SharedArrayBuffer>): Promise<void> {
  while (Atomics.load(shared, 0) === 0) await new Promise((resolve) => setTimeout(resolve, 1));
}

describe("a pool", () => {
  it("gives the same results in the same order, whatever its size and the mix of inputs", async () => {
    await using none = createPool({ size: 0 });
    await using one = createPool({ size: 1 });
    await using two = createPool({ size: 2 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(fc.integer(), { maxLength: 30 }), { maxLength: 40 }),
        fc.nat({ max: 5 }),
        async (lists, ahead) => {
          const inputs = lists.map((list) => ({ values: Float64Array.from(list) }));
          const expected = lists.map((list) => list.reduce((total, value) => total + value, 0));
          for (const pool of [none, one, two]) {
            expect(await all(pool.map(sum, inputs, { ahead }))).toEqual(expected);
          }
        },
      ),
      { numRuns: 25 },
    );
  });

  describe.each(SIZES)("of size %i", (size) => {
    it("goes on after a rest", async () => {
      await using pool = createPool({ size });
      await pool.rest();
      expect(await pool.run(double, 2)).toBe(4);
      const running = pool.run(double, 3);
      await pool.rest();
      expect(await running).toBe(6);
      await pool.rest();
      expect(await Promise.all([1, 2, 3, 4].map((each) => pool.run(double, each)))).toEqual([2, 4, 6, 8]);
    });

    it("runs many at once", async () => {
      await using pool = createPool({ size });
      const results = await Promise.all(Array.from({ length: 100 }, (_, at) => pool.run(double, at)));
      expect(results).toEqual(Array.from({ length: 100 }, (_, at) => at * 2));
    });

    it("clones its input, or takes its memory where told", async () => {
      await using pool = createPool({ size });
      const data = new Uint8Array(10);
      expect(await pool.run(fill, { data })).toEqual(new Uint8Array(10).fill(7));
      expect(data).toEqual(new Uint8Array(10));
      expect(await pool.run(fill, { data }, { transfer: [data.buffer] })).toEqual(new Uint8Array(10).fill(7));
      expect(data.length).toBe(0);
    });

    it("keeps class, code, context, hint and cause of an error", async () => {
      await using pool = createPool({ size });
      const error = await pool.run(fail, "store").catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(StoreError);
      expect(error).toMatchObject({
        code: "linux/not-found",
        kind: "not-found",
        message: "gone",
        hint: "look elsewhere",
        context: { path: "a/b", errno: 2 },
        cause: { message: "inner" },
      });
      await expect(pool.run(fail, "type")).rejects.toMatchObject({ name: "TypeError", message: "wrong" });
      await expect(pool.run(fail, "text")).rejects.toMatchObject({ message: "text" });
      await expect(pool.run(unclonable, undefined)).rejects.toThrow(/could not be cloned/);
      expect(await pool.run(double, 4)).toBe(8);
    });

    it("ends a map at the first failure, in order, and takes no more inputs", async () => {
      await using pool = createPool({ size });
      let taken = 0;
      function* inputs(): Generator<"store" | "type"> {
        for (; taken < 1000; taken++) yield taken === 3 ? "type" : "store";
      }
      const error = await all(pool.map(fail, inputs())).catch((thrown: unknown) => thrown);
      expect(isStoreError(error, "linux/not-found")).toBe(true);
      expect(taken).toBeLessThan(10);
      expect(await pool.run(double, 1)).toBe(2);
    });

    it("takes inputs no faster than outputs are taken", async () => {
      await using pool = createPool({ size });
      let taken = 0;
      async function* inputs(): AsyncGenerator<number> {
        for (; taken < 100; taken++) yield taken;
      }
      let seen = 0;
      for await (const output of pool.map(double, inputs(), { ahead: 1 })) {
        expect(output).toBe(seen * 2);
        seen++;
        expect(taken - seen).toBeLessThanOrEqual(size + 1);
      }
      expect(seen).toBe(100);
    });

    it("refuses work that is cancelled before it starts, and work after its end", async () => {
      const pool = createPool({ size });
      expect(await codeOfAsync(pool.run(double, 1, { signal: AbortSignal.abort() }))).toBe("core/cancelled");
      await pool[Symbol.asyncDispose]();
      await pool[Symbol.asyncDispose]();
      expect(await codeOfAsync(pool.run(double, 1))).toBe("core/use-after-dispose");
    });
  });

  it.each([1, 2])("of size %i tells a running task to stop, and drops those that wait", async (size) => {
    await using pool = createPool({ size });
    const controller = new AbortController();
    const shared = Array.from({ length: size }, () => new Int32Array(new SharedArrayBuffer(4)));
    const running = shared.map((each) =>
      codeOfAsync(pool.run(spin, { shared: each }, { signal: controller.signal })),
    );
    const waiting = codeOfAsync(pool.run(double, 1, { signal: controller.signal }));
    for (const each of shared) await started(each);
    controller.abort();
    expect(await waiting).toBe("core/cancelled");
    expect(await Promise.all(running)).toEqual(shared.map(() => "core/cancelled"));
    // The promise ended only after the task had.
    expect(shared.map((each) => each[0])).toEqual(shared.map(() => 2));
    expect(await pool.run(double, 2)).toBe(4);
  });

  it("tells its tasks to stop when it is disposed of, and waits for them", async () => {
    const pool = createPool({ size: 1 });
    const shared = new Int32Array(new SharedArrayBuffer(4));
    const running = codeOfAsync(pool.run(spin, { shared }));
    const waiting = codeOfAsync(pool.run(double, 1));
    await started(shared);
    await pool[Symbol.asyncDispose]();
    expect(shared[0]).toBe(2);
    expect([await running, await waiting]).toEqual(["core/cancelled", "core/cancelled"]);
  });

  it.each(["exit", "throw", "reject", "memory"] as const)(
    "survives a worker that dies by %s",
    async (how) => {
      await using pool = createPool({ size: 1, maxHeapMb: 64 });
      const dying = pool.run(die, how).catch((thrown: unknown) => thrown);
      const behind = pool.run(double, 21);
      expect(await dying).toMatchObject({ code: "linux/worker-died", context: { task: "die" } });
      expect(await behind).toBe(42);
      expect(await pool.run(double, 3)).toBe(6);
    },
  );

  it("says that a module has no such task, or cannot be loaded", async () => {
    await using pool = createPool({ size: 1 });
    expect(await codeOfAsync(pool.run({ ...double, name: "none" }, 1))).toBe("linux/task-unknown");
    expect(await pool.run(hiddenTask, undefined)).toBe(1);
    const missing = defineTask("file:///none/where.ts", "x", () => 1);
    await expect(pool.run(missing, undefined)).rejects.toThrow(/Cannot find module/);
  });

  it("uses as many threads as there are cores unless told", async () => {
    await using pool = createPool();
    expect(pool.size).toBe(availableParallelism());
  });

  it("does not keep the process alive while it is idle, and does while it works", () => {
    const program = `
      import { createPool } from ${JSON.stringify(new URL("../index.ts", import.meta.url).href)};
      import { sum } from ${JSON.stringify(new URL("../../tests/tasks.ts", import.meta.url).href)};
      const pool = createPool({ size: 2 });
      pool.run(sum, { values: Float64Array.of(1, 2) }).then((value) => console.log(value));
    `;
    const flags = ["--conditions=@bootc-store/source", "--input-type=module", "-e", program];
    expect(execFileSync(process.execPath, flags, { encoding: "utf8", timeout: 20_000 })).toBe("3\n");
  });
});
