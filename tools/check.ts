// `pnpm check`: everything that can be said without running the project.
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { run, step } from "./run.ts";
import { workspacePackages } from "./workspace.ts";

const steps: (() => boolean)[] = [
  () => step("format", "oxfmt", ["--check", "."]),
  () => step("manifests, layers and references agree", "node", ["tools/manifests.ts"]),
  () => step("layers: what may import what", "turbo", ["boundaries"]),
  () => step("types of sources", "tsc", ["-b"]),
  () => step("types of tests and chores", "tsc", ["-p", "tsconfig.tests.json"]),
  () => step("lint", "oxlint", ["--deny-warnings"]),
  () => step("unused files, exports and dependencies", "knip", ["--no-config-hints"]),
  () => step("what the project may say and hold", "node", ["tools/hygiene.ts"]),
  () => step("the program in one piece", "node", ["tools/bundle.ts"]),
  packedManifests,
];

/** publint and arethetypeswrong on what would be published, not on what lies in the folder. */
function packedManifests(): boolean {
  const into = mkdtempSync(join(tmpdir(), "bootc-store-pack-"));
  try {
    let fine = true;
    for (const each of workspacePackages()) {
      if (each.manifest.private === true) continue;
      const packed = run("pnpm", ["pack", "--pack-destination", into], { cwd: each.path });
      if (packed.code !== 0) {
        console.log(`FAILED pack ${each.manifest.name}\n${packed.output}`);
        fine = false;
      }
    }
    for (const tarball of readdirSync(into)) {
      const path = join(into, tarball);
      fine = step(`publint ${tarball}`, "publint", ["run", path, "--strict"]) && fine;
      // A program has nothing to import.
      if (/^bootc-store-\d/.test(tarball)) continue;
      fine = step(`types resolve ${tarball}`, "attw", [path, "--profile", "esm-only"]) && fine;
    }
    return fine;
  } finally {
    rmSync(into, { recursive: true });
  }
}

let fine = true;
for (const each of steps) fine = each() && fine;
process.exitCode = fine ? 0 : 1;
