import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isStoreError, utf8, type ByteString } from "@bootc-store/core";
import { expect } from "vitest";
import { Dir } from "../src/index.ts";

/** Whether native calls can be made at all; what needs them skips by name elsewhere. */
export const onLinux = process.platform === "linux";
export const isRoot = process.getuid?.() === 0;

export interface Scratch extends Disposable {
  readonly path: string;
  readonly dir: Dir;
}

/** A new directory in the system's place for temporary files (or in `base`), removed with all in it. */
export function scratch(base = tmpdir()): Scratch {
  const path = mkdtempSync(join(base, "linux-"));
  const dir = Dir.openHost(utf8(path));
  return {
    path,
    dir,
    [Symbol.dispose]() {
      dir[Symbol.dispose]();
      rmSync(path, { recursive: true, force: true });
    },
  };
}

/** The code of the error that `work` throws; anything but an error of ours fails the test. */
export function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (isStoreError(error)) return error.code;
    throw error;
  }
  return "no error";
}

export async function codeOfAsync(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    if (isStoreError(error)) return error.code;
    throw error;
  }
  return "no error";
}

export function b(text: string): ByteString {
  return text as ByteString;
}

/** The descriptors that are open now: compare before and after, to see that none is left. */
export function openDescriptors(): number {
  return readdirSync("/proc/self/fd").length;
}

export function expectNoLeak(work: () => void): void {
  work();
  const before = openDescriptors();
  work();
  expect(openDescriptors()).toBe(before);
}
