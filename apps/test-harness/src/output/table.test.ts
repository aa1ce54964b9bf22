import { expect, it } from "vitest";
import { table } from "./table.ts";

it("pads each column to its widest cell and leaves no blanks at the end", () => {
  expect(
    table(
      ["peer", "version"],
      [
        ["ostree", "2026.4"],
        ["a", ""],
      ],
    ),
  ).toBe("peer    version\nostree  2026.4\na");
});
