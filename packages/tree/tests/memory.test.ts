// A tree of a million entries as a large image has it, in a process of its own, to see what it costs.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

import { expect, test } from "vitest";

test("a million entries fit in 600 MB", () => {
  const script = fileURLToPath(new URL("helpers/million.ts", import.meta.url));
  const run = spawnSync(
    process.execPath,
    ["--max-old-space-size=600", "--conditions=@bootc-store/source", "--expose-gc", script],
    {
      encoding: "utf8",
    },
  );
  expect(run.stderr).toBe("");
  const { entries, heapMegabytes } = JSON.parse(run.stdout) as Record<string, number>;
  expect(entries).toBe(1_000_001);
  expect(heapMegabytes).toBeLessThan(450);
}, 120_000);
