import { expect, test } from "vitest";

import * as names from "./index.ts";

test("the public names change on purpose only", () => {
  expect(Object.keys(names).sort()).toMatchInlineSnapshot(`
    [
      "C_DEFAULT_FORMAT",
      "checkImage",
      "erofsErrors",
      "escapeField",
      "imageObjects",
      "imageOfTree",
      "imageTables",
      "isDirectory",
      "makeDevice",
      "parseDumpC",
      "parseDumpRs",
      "printDump",
      "printDumpLine",
      "readImage",
      "settleNames",
      "splitDevice",
      "treeOfImage",
      "writeImage",
    ]
  `);
});
