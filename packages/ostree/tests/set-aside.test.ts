// Damaged objects out of the way of a writer, which must not be lost where nothing takes their place.
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { utf8 } from "@bootc-store/core";
import { Dir } from "@bootc-store/linux";
import { afterEach, beforeEach, expect, test } from "vitest";

import { Repo, setDamagedAside } from "../src/index.ts";

let base: string;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "bootc-store-aside-"));
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

test.each([
  // A commit that is not there may need anything.
  ["what is not comes back where it may be needed", true],
  ["what is not is gone where nothing leads to it", false],
])("what is written again takes the place of what was damaged, and %s", async (_, needed) => {
  using dir = Dir.openHost(utf8(base));
  using repo = Repo.ensure(dir, { mode: "bare" });
  if (needed) writeFileSync(join(base, "refs/heads/some"), `${"d".repeat(64)}\n`);
  const [again, lost, absent] = ["a", "b", "c"].map((digit) => digit.repeat(64)) as [string, string, string];
  const place = (checksum: string): string =>
    join(base, "objects", checksum.slice(0, 2), `${checksum.slice(2)}.file`);
  for (const checksum of [again, lost]) {
    mkdirSync(join(base, "objects", checksum.slice(0, 2)), { recursive: true });
    writeFileSync(place(checksum), "damaged");
  }
  const aside = await setDamagedAside(repo, [`${again}.file`, `${lost}.file`, `${absent}.file`]);
  const names = (): string[] =>
    readdirSync(join(base, "objects"), { recursive: true, encoding: "utf8" }).filter((name) =>
      name.includes("."),
    );
  expect(names().sort()).toEqual([`aa/${again.slice(2)}.file.damaged`, `bb/${lost.slice(2)}.file.damaged`]);
  writeFileSync(place(again), "whole");
  aside.settle();
  expect(names().sort()).toEqual([
    `aa/${again.slice(2)}.file`,
    ...(needed ? [`bb/${lost.slice(2)}.file`] : []),
  ]);
});
