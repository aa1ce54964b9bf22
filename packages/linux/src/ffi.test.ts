import { closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { onLinux } from "../tests/helpers.ts";
import { declareCalls, lastErrno, libc, syscall } from "./ffi.ts";

describe.skipIf(!onLinux)("the errno of a call", () => {
  const native = declareCalls<{
    mkdir(path: Uint8Array, mode: number): number;
    close(fd: number): number;
    futex(word: Uint8Array, operation: number, value: number, timeout: null): number;
    statx(dir: number, path: Uint8Array, flags: number, mask: number, out: Uint8Array): number;
  }>({
    mkdir: libc("mkdir", "const void *, uint"),
    close: libc("close", "int"),
    // FUTEX_WAIT for a value that is not there is EAGAIN.
    futex: syscall({ x64: 202, arm64: 98 }, "void *, int, uint, const void *"),
    statx: syscall({ x64: 332, arm64: 291 }, "int, const void *, int, uint, void *"),
  });

  it("is the last failure's, whatever was called since that did not fail", () => {
    const top = mkdtempSync(join(tmpdir(), "errno-"));
    try {
      const path = Buffer.from(`${top}\0`);
      expect([native.mkdir(path, 0o755), lastErrno()]).toEqual([-1, 17]);
      expect([native.statx(-100, path, 0, 1, Buffer.alloc(256)), lastErrno()]).toEqual([0, 17]);
      expect([
        native.statx(-100, Buffer.from(`${top}/none\0`), 0, 1, Buffer.alloc(256)),
        lastErrno(),
      ]).toEqual([-1, 2]);
    } finally {
      rmSync(top, { recursive: true });
    }
  });

  it("stays EAGAIN where that is what the call says", () => {
    expect([native.futex(Buffer.alloc(4), 128, 1, null), lastErrno()]).toEqual([-1, 11]);
  });

  it("is ENOENT for each of many lookups while the heap is collected", () => {
    const path = Buffer.from("/proc/none\0");
    const out = Buffer.alloc(256);
    const seen = new Set<number>();
    const kept: unknown[] = [];
    for (let round = 0; round < 100_000; round++) {
      if (native.statx(-100, path, 0, 1, out) === -1) seen.add(lastErrno());
      kept[round % 1000] = { text: `${round}`, list: Array.from({ length: 20 }, (_, at) => at) };
    }
    expect([...seen]).toEqual([2]);
  });

  it("a descriptor is closed once", () => {
    const fd = openSync("/", "r");
    expect(native.close(fd)).toBe(0);
    expect([native.close(fd), lastErrno()]).toEqual([-1, 9]);
    const again = openSync("/", "r");
    closeSync(again);
  });
});
