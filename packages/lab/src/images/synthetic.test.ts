import { createHash } from "node:crypto";
import { lstatSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { count, isSyntheticName, makeSyntheticTree, SeededBytes, syntheticTrees } from "../index.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "lab-synthetic-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function digest(root: string): string {
  const hash = createHash("sha256");
  for (const name of readdirSync(root, { recursive: true }).map(String).sort()) {
    const stat = lstatSync(join(root, name));
    hash.update(`${name} ${stat.mode} ${stat.mtimeMs} ${stat.nlink} ${stat.isFile() ? stat.size : 0}\n`);
    if (stat.isFile()) hash.update(readFileSync(join(root, name)));
  }
  return hash.digest("hex");
}

for (const name of Object.keys(syntheticTrees).filter(isSyntheticName))
  it(`${name}: the same seed gives the same tree, another another`, () => {
    const trees = [1, 1, 2].map((seed, index) => {
      const root = join(directory, String(index));
      mkdirSync(root);
      makeSyntheticTree(name, root, { seed, scale: 0.02 });
      return digest(root);
    });
    expect(trees[1]).toBe(trees[0]);
    // Empty files have no bytes that a seed could change.
    expect(trees[2] === trees[0]).toBe(name === "wide");
  });

it("has as many entries as it says", () => {
  makeSyntheticTree("all-hardlinks", directory, { scale: 0.1 });
  expect(count(directory)).toMatchObject({ files: 1000, directories: 1, links: 0 });
});

it("seeded bytes do not depend on how they are asked for", () => {
  const [whole, parts] = [new SeededBytes(5), new SeededBytes(5)];
  expect(Buffer.concat([parts.bytes(3), parts.bytes(61)])).toEqual(whole.bytes(64));
  const numbers = Array.from({ length: 1000 }, () => whole.below(10));
  expect(new Set(numbers).size).toBe(10);
});
