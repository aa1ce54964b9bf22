// Packs every public package, installs each alone into an empty folder, imports it and runs its README's
// example, under the oldest and the newest Node that are promised. What a person gets from the registry is
// what is tried, not what lies in the workspace.
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { run } from "./run.ts";
import { ROOT, runtimeClosure, type WorkspacePackage, workspacePackages } from "./workspace.ts";

const NODES = ["22.23.3", "26.10.0"];

let passed = 0;
let failed = 0;
let skipped = 0;

function report(fine: boolean, title: string, output: string): void {
  if (fine) passed++;
  else failed++;
  console.log(`${fine ? "ok    " : "FAILED"} ${title}`);
  if (!fine) console.log(output.trimEnd());
}

/** The Node binary of that version, brought by npm and kept in the workspace's cache. */
function nodeBinary(version: string): string | undefined {
  const name = `node-${process.platform}-${process.arch}`;
  const prefix = join(ROOT, ".cache", `node-${version}`);
  const binary = join(prefix, "node_modules", name, "bin/node");
  if (!existsSync(binary)) {
    mkdirSync(prefix, { recursive: true });
    writeFileSync(join(prefix, "package.json"), "{}");
    const got = run("npm", ["install", "--no-save", "--no-audit", "--no-fund", `${name}@${version}`], {
      cwd: prefix,
    });
    if (got.code !== 0) {
      console.log(got.output.trimEnd());
      return undefined;
    }
  }
  return run(binary, ["--version"]).code === 0 ? binary : undefined;
}

function pack(each: WorkspacePackage, into: string): string {
  const before = new Set(readdirSync(into));
  const packed = run("pnpm", ["pack", "--pack-destination", into], { cwd: each.path });
  const made = readdirSync(into).find((name) => !before.has(name));
  if (packed.code !== 0 || made === undefined)
    throw new Error(`pack ${each.manifest.name}: ${packed.output}`);
  return join(into, made);
}

/** The first TypeScript or JavaScript block of a README; stripping types does no harm to the latter. */
function exampleOf(each: WorkspacePackage): string | undefined {
  const readme = readFileSync(join(each.path, "README.md"), "utf8");
  return /^```[tj]s\n([\s\S]*?)^```$/m.exec(readme)?.[1];
}

function entryPoints(each: WorkspacePackage): string[] {
  return Object.keys(each.manifest.publishConfig?.exports ?? {})
    .filter((key) => key !== "./package.json")
    .map((key) => `${each.manifest.name}${key.slice(1)}`);
}

function tryAlone(
  each: WorkspacePackage,
  tarballs: ReadonlyMap<string, string>,
  node: string,
  version: string,
  into: string,
): void {
  const folder = mkdtempSync(join(into, `${each.short}-`));
  writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module", private: true }));
  const needed = runtimeClosure(each.manifest.name).map(
    (dependency) => tarballs.get(dependency.manifest.name) ?? "",
  );
  // Optional peers of types only (commander) are not installed: a package must do without.
  const env = { PATH: `${join(node, "..")}:${process.env["PATH"] ?? ""}` };
  const installed = run(
    "npm",
    ["install", "--no-audit", "--no-fund", "--ignore-scripts", "--omit=peer", ...needed],
    {
      cwd: folder,
      env,
    },
  );
  const title = `${each.manifest.name} under Node ${version}`;
  report(installed.code === 0, `${title} installs alone`, installed.output);
  if (installed.code !== 0) return;

  const imports = entryPoints(each).map((entry) => `await import(${JSON.stringify(entry)});`);
  writeFileSync(join(folder, "import.js"), imports.join("\n"));
  const imported = run(node, ["import.js"], { cwd: folder });
  report(imported.code === 0, `${title} imports (${imports.length} entry points)`, imported.output);

  const example = exampleOf(each);
  if (example === undefined) {
    report(false, `${title} has an example in its README`, "no ```ts or ```js block found");
    return;
  }
  writeFileSync(join(folder, "example.ts"), example);
  const ran = run(node, ["--disable-warning=ExperimentalWarning", "example.ts"], { cwd: folder });
  report(ran.code === 0, `${title} runs its README's example`, ran.output);
}

/** The program, installed as a person would, by its name. */
function tryProgram(
  each: WorkspacePackage,
  tarballs: ReadonlyMap<string, string>,
  node: string,
  version: string,
  into: string,
): void {
  const folder = mkdtempSync(join(into, `${each.short}-`));
  const needed = runtimeClosure(each.manifest.name).map(
    (dependency) => tarballs.get(dependency.manifest.name) ?? "",
  );
  const env = { PATH: `${join(node, "..")}:${process.env["PATH"] ?? ""}` };
  const installed = run(
    "npm",
    ["install", "-g", "--prefix", folder, "--no-audit", "--no-fund", "--ignore-scripts", ...needed],
    { env },
  );
  report(
    installed.code === 0,
    `${each.manifest.name} under Node ${version} installs globally`,
    installed.output,
  );
  if (installed.code !== 0) return;
  for (const program of Object.keys(each.manifest.bin ?? {})) {
    const said = run(join(folder, "bin", program), ["--version"], { env });
    report(
      said.code === 0 && said.output.includes(each.manifest.version),
      `${program} --version under Node ${version}`,
      said.output,
    );
    // What --version does not load.
    const root = join(folder, "root");
    mkdirSync(join(root, "boot"), { recursive: true });
    for (const args of [["--help"], ["doctor"], ["--root", root, "status", "--json"], ["copy", "--help"]]) {
      const ran = run(join(folder, "bin", program), args, { env });
      report(ran.code === 0, `${program} ${args[0] === "--root" ? "status" : args.join(" ")}`, ran.output);
    }
    const stands = join(folder, "stands");
    const wrote = run(join(folder, "bin", program), ["dropins", stands], { env });
    report(wrote.code === 0, `${program} dropins`, wrote.output);
    for (const name of wrote.code === 0 ? readdirSync(stands) : []) {
      const helped = run(join(stands, name), ["--help"], { env });
      // The programs of composefs know no --help: they say what is wrong and end with 1, and so do ours.
      const wanted = /^(mkcomposefs|mount\.composefs|composefs-(info|dump))$/.test(name) ? 1 : 0;
      const loaded = helped.output !== "" && !/ERR_[A-Z]|Cannot find|SyntaxError/.test(helped.output);
      report(
        helped.code === wanted && loaded,
        `${name} --help, as ${program} stands in for it`,
        helped.output,
      );
    }
  }
}

const into = mkdtempSync(join(tmpdir(), "bootc-store-packed-"));
try {
  const built = run("tsc", ["-b"]);
  if (built.code !== 0) throw new Error(built.output);
  const bundled = run("node", ["tools/bundle.ts"]);
  if (bundled.code !== 0) throw new Error(bundled.output);
  const publics = workspacePackages().filter((each) => each.manifest.private !== true);
  const tarballs = new Map(publics.map((each) => [each.manifest.name, pack(each, into)]));
  for (const version of NODES) {
    const node = nodeBinary(version);
    if (node === undefined) {
      skipped += publics.length;
      console.log(
        `skip   Node ${version} cannot be had or does not run here: ${publics.length} packages not tried`,
      );
      continue;
    }
    for (const each of publics) {
      if (each.manifest.bin === undefined) tryAlone(each, tarballs, node, version, into);
      else tryProgram(each, tarballs, node, version, into);
    }
  }
} finally {
  rmSync(into, { recursive: true });
}
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exitCode = failed === 0 ? 0 : 1;
