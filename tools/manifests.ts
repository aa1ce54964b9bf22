// Checks that every package's manifest, tsconfig and turbo.json say the same thing; `--write` makes them.
//
// - `exports` has the source condition, `publishConfig.exports` is the same map without it;
// - the test script names the package's own vitest project;
// - tsconfig references are the workspace packages it depends on, the root tsconfig references all;
// - the layer tag is the one of this table.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import {
  type ExportTarget,
  type Manifest,
  readJson,
  ROOT,
  type WorkspacePackage,
  workspacePackages,
} from "./workspace.ts";

/** What layer a package is in; what a layer may depend on is in the root turbo.json. */
const LAYERS: Readonly<Record<string, string>> = {
  core: "vocabulary",
  paths: "vocabulary",
  linux: "platform",
  tree: "model",
  oci: "model",
  erofs: "model",
  boot: "model",
  backend: "contract",
  ostree: "backend",
  composefs: "backend",
  "containers-storage": "backend",
  storage: "facade",
  testkit: "testkit",
  lab: "lab",
  cli: "app",
  "test-harness": "app",
};

const write = process.argv.includes("--write");
const problems: string[] = [];

function expectFile(path: string, wanted: string): void {
  let found = "";
  try {
    found = readFileSync(path, "utf8");
  } catch {
    // absent, so different
  }
  if (normal(found) === normal(wanted)) return;
  if (write) writeFileSync(path, wanted);
  else problems.push(`${path.slice(ROOT.length + 1)} is not as it should be`);
}

/** Formatting, and the order of a manifest's own keys, is the formatter's business. */
function normal(json: string): string {
  try {
    return JSON.stringify(sorted(JSON.parse(json) as unknown, false));
  } catch {
    return json;
  }
}

/** With keys in one order, but for `exports`, where the order of conditions means something. */
function sorted(value: unknown, keep: boolean): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const entries = Object.entries(value).map(
    ([key, each]) => [key, sorted(each, keep || key === "exports")] as const,
  );
  return Object.fromEntries(keep ? entries : entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function publishedExports(exports: Manifest["exports"]): Record<string, string | ExportTarget> {
  return Object.fromEntries(
    Object.entries(exports ?? {})
      // Scenarios are for the harness, which runs from sources.
      .filter(([key]) => key !== "./scenarios")
      .map(([key, target]) => {
        if (typeof target === "string") return [key, target];
        const { "@bootc-store/source": _, ...rest } = target;
        return [key, rest];
      }),
  );
}

function checkPackage(each: WorkspacePackage, names: ReadonlyMap<string, WorkspacePackage>): void {
  const { short, path } = each;
  const manifest = structuredClone(each.manifest) as Manifest & {
    publishConfig?: object;
    scripts?: Record<string, string>;
  };
  const layer = LAYERS[short];
  if (layer === undefined) problems.push(`${short}: no layer in tools/manifests.ts`);
  else expectFile(join(path, "turbo.json"), `${JSON.stringify({ extends: ["//"], tags: [layer] })}\n`);

  const wanted: Record<string, unknown> = { ...manifest };
  wanted["scripts"] = { ...manifest.scripts, test: `vitest run --root ../.. --project ${short}` };
  if (manifest.private !== true) {
    wanted["publishConfig"] = {
      access: "public",
      ...(manifest.exports === undefined ? {} : { exports: publishedExports(manifest.exports) }),
    };
    for (const key of ["description", "license", "files", "engines"] as const) {
      if (manifest[key] === undefined) problems.push(`${short}: no "${key}" in package.json`);
    }
    if (manifest.license !== "Apache-2.0") problems.push(`${short}: licence is not Apache-2.0`);
  }
  expectFile(join(path, "package.json"), `${JSON.stringify(wanted, null, 2)}\n`);

  const tsconfigPath = join(path, "tsconfig.json");
  const tsconfig = readJson<Record<string, unknown>>(tsconfigPath);
  const references = Object.keys(manifest.dependencies ?? {})
    .map((name) => names.get(name))
    .filter((found) => found !== undefined)
    .map((found) => ({
      path: `../${found.folder === each.folder ? "" : `../${found.folder}/`}${found.short}`,
    }));
  const { references: _, ...rest } = tsconfig;
  expectFile(
    tsconfigPath,
    `${JSON.stringify({ ...rest, ...(references.length > 0 ? { references } : {}) }, null, 2)}\n`,
  );
}

const all = workspacePackages();
const names = new Map(all.map((each) => [each.manifest.name, each]));
for (const each of all) checkPackage(each, names);
expectFile(
  join(ROOT, "tsconfig.json"),
  `${JSON.stringify({ files: [], references: all.map((each) => ({ path: `${each.folder}/${each.short}` })) }, null, 2)}\n`,
);

for (const problem of problems) console.error(problem);
if (problems.length > 0) console.error("`pnpm sync` mends what can be mended.");
process.exitCode = problems.length === 0 ? 0 : 1;
