import { byteString, type ByteString, utf8 } from "@bootc-store/core";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import { Directory, emptyTree, inlineFile, metadataOf, special } from "./index.ts";

const pipe = () => special("fifo", metadataOf("fifo"));

describe("Directory", () => {
  test("iterates in byte order whatever the order of insertion", () => {
    const name = fc
      .uint8Array({ minLength: 1, maxLength: 6 })
      .map(byteString)
      .filter((text) => !/[\0/]/.test(text) && text !== "." && text !== "..");
    fc.assert(
      fc.property(fc.array(fc.tuple(name, fc.boolean())), (steps) => {
        const directory = new Directory(metadataOf("directory"));
        const model = new Set<string>();
        for (const [at, [step, remove]] of steps.entries()) {
          const found = remove && directory.delete(step);
          expect(found).toBe(remove && model.delete(step));
          if (remove) continue;
          directory.set(step, pipe());
          model.add(step);
          const seen = at % 3 === 0 ? [...directory.names()].length : directory.size;
          expect(seen).toBe(model.size);
        }
        const expected = [...model].sort((a, b) =>
          Buffer.compare(Buffer.from(a, "latin1"), Buffer.from(b, "latin1")),
        );
        expect([...directory.names()]).toEqual(expected);
        expect([...directory].map(([key]) => key)).toEqual(expected);
        expect(directory.size).toBe(expected.length);
      }),
    );
  });

  test.each(["", ".", "..", "a/b", "/", "a\0b", "x".repeat(256)])("refuses the name %j", (name) => {
    const { root } = emptyTree();
    expect(() => root.set(name as ByteString, pipe())).toThrow(
      expect.objectContaining({ code: "tree/name-invalid" }),
    );
    expect(root.size).toBe(0);
  });

  test("refuses a second entry of one name by add, and itself", () => {
    const { root } = emptyTree();
    root.add(utf8("a"), pipe());
    expect(() => root.add(utf8("a"), pipe())).toThrow(
      expect.objectContaining({ code: "tree/entry-duplicate" }),
    );
    expect(() => root.set(utf8("b"), root)).toThrow(expect.objectContaining({ code: "tree/entry-cycle" }));
  });

  test("takes no change once frozen", () => {
    const { root } = emptyTree();
    root.set(utf8("a"), inlineFile(metadataOf("file"), new Uint8Array(3)));
    root.freeze();
    for (const change of [
      () => root.set(utf8("b"), pipe()),
      () => root.delete(utf8("a")),
      () => root.clear(),
      () => (root.metadata = metadataOf("directory")),
    ]) {
      expect(change).toThrow(expect.objectContaining({ code: "tree/frozen" }));
    }
    expect(root.size).toBe(1);
  });
});
