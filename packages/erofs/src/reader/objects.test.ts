import { toHex, utf8 } from "@bootc-store/core";
import * as fc from "fast-check";
import { expect, test } from "vitest";

import { trees } from "../../tests/arbitrary.ts";
import { type ImageNode, imageObjects, imageOfTree, parseDumpC, readImage, writeImage } from "../index.ts";

const V1 = { writer: "composefs-rs", version: 1 } as const;

function objectsByReading(bytes: Uint8Array): Set<string> {
  const objects = new Set<string>();
  const visit = (node: ImageNode): void => {
    const { digest, payload } = node.external ?? {};
    if (digest !== undefined) objects.add(toHex(digest));
    else if (payload !== undefined) objects.add(payload.replaceAll("/", ""));
    for (const { node: child } of node.children?.values() ?? []) visit(child);
  };
  visit(readImage(bytes).root);
  return objects;
}

const outcome = <T>(work: () => T): { readonly value: T } | { readonly message: string } => {
  try {
    return { value: work() };
  } catch (error) {
    return { message: (error as Error).message };
  }
};

test("the objects of an image are those of its tree, and what cannot be read is refused alike", () => {
  let refused = 0;
  fc.assert(
    fc.property(
      trees({ algorithm: "sha512", maxInline: 5000, maxTarget: 4095, whiteouts: true }),
      fc.array(fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(255)), { maxLength: 3 }),
      (tree, edits) => {
        const image = writeImage(imageOfTree(tree), V1);
        expect([...imageObjects(image)].toSorted()).toEqual([...objectsByReading(image)].toSorted());
        for (const [where, value] of edits) image[1024 + Math.floor(where * (image.length - 1025))] = value;
        const wanted = outcome(() => [...objectsByReading(image)].toSorted());
        if ("message" in wanted) refused++;
        expect(outcome(() => [...imageObjects(image)].toSorted())).toEqual(wanted);
      },
    ),
    { numRuns: 300 },
  );
  expect(refused).toBeGreaterThan(5);
});

test("the objects come in the order of a walk, each once", () => {
  const digests = ["c", "a", "b"].map((digit) => digit.repeat(64));
  const line = (path: string, digest: string): string =>
    `${path} 9 100644 1 0 0 0 0.0 ${digest.slice(0, 2)}/${digest.slice(2)} - ${digest}\n`;
  const [c = "", a = "", b = ""] = digests;
  const text = `/ 0 40755 3 0 0 0 0.0 - - -\n/d 0 40755 2 0 0 0 0.0 - - -\n${line("/d/x", c)}${line("/e", a)}${line("/f", b)}${line("/g", c)}`;
  expect([...imageObjects(writeImage(parseDumpC(utf8(text)), V1))]).toEqual(digests);
});
