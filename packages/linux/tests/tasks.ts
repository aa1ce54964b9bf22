// Tasks of the pool's tests. They are in a module of their own, since a worker imports it.
import { linuxErrors } from "../src/errors.ts";
import { defineTask } from "../src/pool/task.ts";

export const double = defineTask(import.meta.url, "double", (input: number) => input * 2);

export const sum = defineTask(import.meta.url, "sum", async (input: { readonly values: Float64Array }) => {
  await new Promise((resolve) => setTimeout(resolve, input.values.length % 3));
  return input.values.reduce((total, value) => total + value, 0);
});

/** Hands its memory back, and tells where it ran by what it changed. */
export const fill = defineTask(
  import.meta.url,
  "fill",
  (input: { readonly data: Uint8Array<ArrayBuffer> }, context) => {
    input.data.fill(7);
    context.transfer(input.data.buffer);
    return input.data;
  },
);

export const fail = defineTask(import.meta.url, "fail", (input: "store" | "type" | "text") => {
  if (input === "store") {
    throw linuxErrors.error("not-found", "gone", {
      context: { path: "a/b", errno: 2 },
      hint: "look elsewhere",
      cause: new Error("inner"),
    });
  }
  if (input === "type") throw new TypeError("wrong");
  // oxlint-disable-next-line no-throw-literal, typescript/only-throw-error -- what a careless task may do
  throw "text";
});

export const die = defineTask(import.meta.url, "die", async (how: "exit" | "throw" | "memory" | "reject") => {
  if (how === "exit") process.exit(3);
  if (how === "throw") {
    setTimeout(() => {
      throw new Error("stray");
    });
  }
  if (how === "reject") void Promise.reject(new Error("stray"));
  if (how === "memory") {
    const kept: number[][] = [];
    for (;;) kept.push(Array.from({ length: 100_000 }, (_, at) => at));
  }
  await new Promise((resolve) => setTimeout(resolve, 60_000));
});

/** Works until it is told to stop; then says so in shared memory. */
export const spin = defineTask(
  import.meta.url,
  "spin",
  (input: { readonly shared: Int32Array<SharedArrayBuffer> }, { signal }) => {
    Atomics.store(input.shared, 0, 1);
    Atomics.notify(input.shared, 0);
    const end = Date.now() + 20_000;
    while (!signal.aborted) if (Date.now() > end) return "never told";
    Atomics.store(input.shared, 0, 2);
    return "told";
  },
);

export const unclonable = defineTask(import.meta.url, "unclonable", () => () => 1);

/** The task itself is not exported, only a copy: a worker finds it by where it was defined. */
const hidden = defineTask(import.meta.url, "hidden", () => 1);
export const hiddenTask = { ...hidden };
