// What is in the workspace, read from its manifests.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export const ROOT = join(import.meta.dirname, "..");

export interface ExportTarget {
  readonly "@bootc-store/source"?: string;
  readonly types?: string;
  readonly default?: string;
}

export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly private?: boolean;
  readonly description?: string;
  readonly license?: string;
  readonly files?: readonly string[];
  readonly bin?: Readonly<Record<string, string>>;
  readonly exports?: Readonly<Record<string, string | ExportTarget>>;
  readonly publishConfig?: { readonly exports?: Readonly<Record<string, string | ExportTarget>> };
  readonly scripts?: Readonly<Record<string, string>>;
  readonly engines?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

export interface WorkspacePackage {
  /** Name of its folder, which is its short name. */
  readonly short: string;
  readonly folder: "packages" | "apps";
  readonly path: string;
  readonly manifest: Manifest;
}

export function workspacePackages(): WorkspacePackage[] {
  return (["packages", "apps"] as const).flatMap((folder) => {
    const base = join(ROOT, folder);
    if (!existsSync(base)) return [];
    return readdirSync(base)
      .sort()
      .filter((short) => existsSync(join(base, short, "package.json")))
      .map((short) => {
        const path = join(base, short);
        return { short, folder, path, manifest: readJson<Manifest>(join(path, "package.json")) };
      });
  });
}

/** Every workspace package that a package needs at run time, itself included, those it stands on first. */
export function runtimeClosure(name: string, all = workspacePackages()): WorkspacePackage[] {
  const byName = new Map(all.map((each) => [each.manifest.name, each]));
  const closure = new Map<string, WorkspacePackage>();
  const visit = (each: string): void => {
    const found = byName.get(each);
    if (found === undefined || closure.has(each)) return;
    for (const dependency of Object.keys(found.manifest.dependencies ?? {})) visit(dependency);
    closure.set(each, found);
  };
  visit(name);
  return [...closure.values()];
}

export function readJson<T>(path: string): T {
  return JSON.parse(readFileSync(path, "utf8")) as T;
}
