import { existsSync, readdirSync, readFileSync, realpathSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { LabError } from "../errors.ts";
import type { GuestFile } from "./disk.ts";

interface Manifest {
  name: string;
  dependencies?: Record<string, string>;
}

/**
 * What the machine needs to run packages of a workspace from their sources: `/w/packages/NAME` with `package.json` and `src`,
 * their dependencies in `/w/node_modules`. Run them by `node --conditions=… /w/…`, with `prepare` first in the script:
 * it links the packages into node_modules (Node strips no types below a node_modules directory, but follows links out of it).
 *
 * `directories` are the packages' directories on this machine.
 */
export function workspaceFiles(directories: readonly string[]): {
  files: Record<string, GuestFile>;
  /** Shell lines for the start of the script. */
  prepare: string;
} {
  const files: Record<string, GuestFile> = {};
  const links: string[] = [];
  const seen = new Set<string>();
  const queue = [...directories];
  for (let directory = queue.pop(); directory !== undefined; directory = queue.pop()) {
    const real = realpathSync(directory);
    if (seen.has(real)) continue;
    seen.add(real);
    const manifest = JSON.parse(readFileSync(join(real, "package.json"), "utf8")) as Manifest;
    const place = `/w/packages/${basename(real)}`;
    files[place] = { from: real, only: ["package.json", "src"] };
    links.push(
      `mkdir -p /w/node_modules/${dirname(manifest.name)}; ln -s ${place} /w/node_modules/${manifest.name}`,
    );
    for (const [name, wanted] of Object.entries(manifest.dependencies ?? {})) {
      const found = join(real, "node_modules", name);
      if (!existsSync(found))
        throw new LabError("lab/virtual-machine", `${manifest.name} wants ${name}, which is not installed`, {
          context: { package: manifest.name, dependency: name },
        });
      if (wanted.startsWith("workspace:")) queue.push(found);
      else Object.assign(files, installed(name, realpathSync(found)));
    }
  }
  return { files, prepare: `${links.join("\n")}\n` };
}

/** A package with what lies beside it: pnpm lays a package's own dependencies into the node_modules that holds it. */
function installed(name: string, real: string): Record<string, GuestFile> {
  const beside = name.startsWith("@") ? dirname(dirname(real)) : dirname(real);
  if (basename(beside) !== "node_modules") return { [`/w/node_modules/${name}`]: { from: real } };
  const found: Record<string, GuestFile> = {};
  for (const entry of readdirSync(beside)) {
    if (entry.startsWith(".")) continue;
    const names = entry.startsWith("@")
      ? readdirSync(join(beside, entry)).map((one) => `${entry}/${one}`)
      : [entry];
    for (const one of names) found[`/w/node_modules/${one}`] = { from: join(beside, one) };
  }
  return found;
}
