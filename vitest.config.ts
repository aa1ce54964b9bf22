// One project a package, found by looking, so that a package needs no configuration of its own:
// `vitest run --root ../.. --project NAME` is its test script.
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";

import { defineConfig } from "vitest/config";

import { packageTests } from "./tools/vitest.ts";

const projects = ["packages", "apps"].flatMap((folder) => {
  const base = join(import.meta.dirname, folder);
  if (!existsSync(base)) return [];
  return readdirSync(base)
    .sort()
    .filter((name) => existsSync(join(base, name, "package.json")))
    .map((name) => packageTests(name, join(base, name)));
});

export default defineConfig({
  test: { projects, reporters: ["default", "./tools/skips-reporter.ts"] },
});
