// A program: reads each tar that it is given as a layer, in every way there is, and says with which error it ends, and
// how much memory all of that took. Run by `hostile.test.ts`, so that the memory is its own.
import { readFileSync } from "node:fs";

import { isStoreError, utf8 } from "@bootc-store/core";
import { Dir } from "@bootc-store/linux";
import { composefsRsRules, LayerMerge, type MergeRules, overlayRules } from "@bootc-store/tree";

import { decompress, layerEntries, type LayerEntriesOptions, readTar } from "../../src/index.ts";

export interface HostileCase {
  readonly name: string;
  readonly path: string;
  readonly options?: LayerEntriesOptions<never>;
}

const RULES: readonly MergeRules[] = [overlayRules, composefsRsRules];

async function* fileOf(path: string): AsyncGenerator<Uint8Array> {
  using root = Dir.openHost(utf8("/"));
  using file = root.openFile(utf8(path.slice(1)));
  for (;;) {
    const buffer = Buffer.allocUnsafe(1 << 16);
    const count = file.read(buffer);
    if (count === 0) return;
    yield buffer.subarray(0, count);
  }
}

async function outcome(one: HostileCase, rules: MergeRules): Promise<string> {
  const merge = new LayerMerge(rules);
  try {
    for await (const entry of layerEntries(readTar(decompress(fileOf(one.path))), one.options))
      merge.add(entry);
    merge.endLayer();
    return "accepted";
  } catch (error) {
    if (isStoreError(error)) return error.code;
    return `no error of ours: ${String(error)}`;
  }
}

const cases = JSON.parse(readFileSync(0, "utf8")) as HostileCase[];
const found: Record<string, string[]> = {};
for (const one of cases) {
  found[one.name] = [];
  for (const rules of RULES) found[one.name]?.push(await outcome(one, rules));
}
process.stdout.write(JSON.stringify({ found, peak: process.resourceUsage().maxRSS / 1024 }));
