/* oxlint-disable typescript/await-thenable -- the linter does not know of async disposal in test files */
import { describe, expect, it } from "vitest";
import { b, codeOfAsync, onLinux, scratch } from "../tests/helpers.ts";
import { copyDescriptor, createPool, syncDescriptor } from "./index.ts";

describe.skipIf(!onLinux).each([0, 1])("long calls on a pool of %i", (size) => {
  it("sync and copy by descriptors that stay the caller's", async () => {
    using s = scratch();
    await using pool = createPool({ size });
    const content = Buffer.alloc(3_000_000, "0123456789");
    s.dir.atomicWrite(b("f"), content, { sync: "none" });
    using from = s.dir.openFile(b("f"));
    using to = s.dir.createNew(b("g"));
    expect(await pool.run(copyDescriptor, { from: from.fd, to: to.fd, clone: false })).toBe("copied");
    expect(s.dir.readFile(b("g")).equals(content)).toBe(true);
    for (const what of ["file", "data", "file-system"] as const) {
      expect(await pool.run(syncDescriptor, { fd: to.fd, what })).toBeUndefined();
    }
    expect(await codeOfAsync(pool.run(syncDescriptor, { fd: 99_999, what: "file" }))).toBe(
      "linux/call-failed",
    );
    expect(to.stat().size).toBe(content.length);
  });
});
