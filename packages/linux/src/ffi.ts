// The only door to native code. Nothing is loaded until the first call is made, so importing costs nothing
// and works on every platform; a call that cannot be made refuses and says which one it was.

import { createRequire } from "node:module";
import type Koffi from "koffi";
import { linuxErrors } from "./errors.ts";

/** What may be passed: integers, buffers (the kernel reads or writes them in place), or no pointer. */
export type NativeArgument = number | bigint | Uint8Array | null;

/** A bound call. Returns what the C function returned; -1 means failure, and {@link lastErrno} says which. */
export type NativeCall = (...args: NativeArgument[]) => number;

/** A libc function by its C prototype without the name, or a system call by number. */
export type CallSpec =
  | { readonly libc: string; readonly returns: "int" | "long"; readonly takes: string }
  | { readonly x64: number; readonly arm64: number; readonly takes: string };

/** A libc function that returns int. `takes` are koffi's types: `int, const void *, uint, long, ulong`. */
export function libc(name: string, takes: string): CallSpec {
  return { libc: name, returns: "int", takes };
}

/** A libc function that returns long or ssize_t. */
export function libcLong(name: string, takes: string): CallSpec {
  return { libc: name, returns: "long", takes };
}

/**
 * A call by number, for those that a libc may lack. From 424 on the numbers of x64 and arm64 are the same;
 * below, they are given one by one.
 */
export function syscall(number: number | { x64: number; arm64: number }, takes: string): CallSpec {
  return typeof number === "number" ? { x64: number, arm64: number, takes } : { ...number, takes };
}

type KoffiModule = typeof Koffi;

let loaded: { koffi: KoffiModule; library: ReturnType<KoffiModule["load"]> } | undefined;

function load(call: string): NonNullable<typeof loaded> {
  if (loaded !== undefined) return loaded;
  if (process.platform !== "linux" || (process.arch !== "x64" && process.arch !== "arm64")) {
    throw unsupported(call, `there is no such call on ${process.platform} ${process.arch}`);
  }
  try {
    const koffi = createRequire(import.meta.url)("koffi") as KoffiModule;
    // null: the C library that this process already runs on, be it glibc or musl.
    loaded = { koffi, library: koffi.load(null) };
    return loaded;
  } catch (cause) {
    throw unsupported(call, "the native library could not be loaded", cause);
  }
}

function unsupported(call: string, reason: string, cause?: unknown): Error {
  return linuxErrors.error("unsupported", `${call}: ${reason}`, { context: { call }, cause });
}

/** Whether this thread has the library already, so that a call costs nothing but itself. */
export function nativeLoaded(): boolean {
  return loaded !== undefined;
}

/** Whether native calls can be made at all, and if not, why. Loads the library. */
export function nativeAvailable():
  | { readonly available: true }
  | { readonly available: false; reason: string } {
  try {
    load("probe");
    return { available: true };
  } catch (error) {
    return { available: false, reason: error instanceof Error ? error.message : String(error) };
  }
}

/** Of the last call of this thread that failed. */
let errno = 0;

/** The errno of the call just made. Must be read before anything else is called. */
export function lastErrno(): number {
  return errno;
}

const EAGAIN = 11;
const ETIMEDOUT = 110;

/**
 * Keeps the errno of a call that has failed. Says whether it may be another's: the engine takes locks of its own on this
 * thread between the call and here, and waiting for one leaves EAGAIN or ETIMEDOUT (or nothing) in the place of ours. A call
 * that failed has done nothing, so it is made once more; if it says the same again, it is its own.
 */
function isDoubtful(): boolean {
  errno = (loaded as NonNullable<typeof loaded>).koffi.errno();
  return errno === EAGAIN || errno === ETIMEDOUT || errno === 0;
}

/** Calls of one argument that are another thing when they are made again: they have an effect though they failed. */
const ONCE: ReadonlySet<string> = new Set(["close", "fsync", "fdatasync", "syncfs"]);

function once(call: NativeCall): NativeCall {
  return (a: NativeArgument) => {
    const result = call(a);
    if (result === -1) isDoubtful();
    return result;
  };
}

/** Reads the errno at once. Fixed arities, because spreading arguments costs more than the call itself. */
function settled(call: NativeCall, arity: number): NativeCall {
  type A = NativeArgument;
  const again = (result: number): number => {
    if (result === -1) errno = (loaded as NonNullable<typeof loaded>).koffi.errno();
    return result;
  };
  switch (arity) {
    case 1:
      return (a: A) => {
        const result = call(a);
        return result === -1 && isDoubtful() ? again(call(a)) : result;
      };
    case 2:
      return (a: A, b: A) => {
        const result = call(a, b);
        return result === -1 && isDoubtful() ? again(call(a, b)) : result;
      };
    case 3:
      return (a: A, b: A, c: A) => {
        const result = call(a, b, c);
        return result === -1 && isDoubtful() ? again(call(a, b, c)) : result;
      };
    case 4:
      return (a: A, b: A, c: A, d: A) => {
        const result = call(a, b, c, d);
        return result === -1 && isDoubtful() ? again(call(a, b, c, d)) : result;
      };
    case 5:
      return (a: A, b: A, c: A, d: A, e: A) => {
        const result = call(a, b, c, d, e);
        return result === -1 && isDoubtful() ? again(call(a, b, c, d, e)) : result;
      };
    case 6:
      return (a: A, b: A, c: A, d: A, e: A, f: A) => {
        const result = call(a, b, c, d, e, f);
        return result === -1 && isDoubtful() ? again(call(a, b, c, d, e, f)) : result;
      };
    default:
      throw new RangeError(`a call of ${arity} arguments`);
  }
}

/** The address of a buffer, for the few structures that hold pointers. The buffer must be kept alive by the caller. */
export function addressOf(buffer: Uint8Array): bigint {
  return load("address").koffi.address(buffer);
}

function bind(name: string, spec: CallSpec): NativeCall {
  const { library } = load(name);
  try {
    if ("libc" in spec) {
      const call: NativeCall = library.func(`${spec.returns} ${spec.libc}(${spec.takes})`);
      return ONCE.has(spec.libc) ? once(call) : settled(call, spec.takes.split(",").length);
    }
    const arity = spec.takes.split(",").length;
    const call: NativeCall = library.func(`long syscall(long, ${spec.takes})`);
    return settled(numbered(call, process.arch === "arm64" ? spec.arm64 : spec.x64, arity), arity);
  } catch (cause) {
    throw unsupported(name, "the C library does not have it", cause);
  }
}

/** Fixed arities, because spreading arguments costs more than the call itself. */
function numbered(call: NativeCall, nr: number, arity: number): NativeCall {
  type A = NativeArgument;
  switch (arity) {
    case 1:
      return (a: A) => call(nr, a);
    case 2:
      return (a: A, b: A) => call(nr, a, b);
    case 3:
      return (a: A, b: A, c: A) => call(nr, a, b, c);
    case 4:
      return (a: A, b: A, c: A, d: A) => call(nr, a, b, c, d);
    case 5:
      return (a: A, b: A, c: A, d: A, e: A) => call(nr, a, b, c, d, e);
    default:
      return (a: A, b: A, c: A, d: A, e: A, f: A) => call(nr, a, b, c, d, e, f);
  }
}

/**
 * A table of calls, each bound on first use. `T` gives their TypeScript types; every call returns a number.
 */
export function declareCalls<T extends { readonly [K in keyof T]: (...args: never[]) => number }>(specs: {
  readonly [K in keyof T]: CallSpec;
}): T {
  const table = {} as { [name: string]: unknown };
  for (const [name, spec] of Object.entries<CallSpec>(specs)) {
    Object.defineProperty(table, name, {
      configurable: true,
      enumerable: true,
      get() {
        const value = bind(name, spec);
        Object.defineProperty(table, name, { value, enumerable: true });
        return value;
      },
    });
  }
  return table as T;
}
