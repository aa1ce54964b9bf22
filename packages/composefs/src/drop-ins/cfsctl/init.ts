import { isStoreError, utf8 } from "@bootc-store/core";
import type { Dir } from "@bootc-store/linux";

import { algorithmByName, ALGORITHMS, type ComposefsAlgorithm } from "../../algorithm.ts";
import { inferFromObjects } from "../../repository/infer.ts";
import { type InitOptions, Repository } from "../../repository/repository.ts";
import { Failure, fail, messagesOf } from "./chain.ts";
import { type Command, type Run, versionOf } from "./run.ts";

export const init: Command = async (run) => {
  const path = run.value("PATH") ?? run.repositoryPath;
  const algorithm = algorithmByName(run.value("algorithm") ?? "fsverity-sha512-12") ?? "sha512";
  const erofs = versionOf(run.value("erofs-version")) ?? run.imageFormat ?? 1;
  const secure = !run.flag("insecure");
  const dir = openPlace(run, path);
  try {
    if (run.flag("reset-metadata")) reset(dir);
    await run.print(await make(dir, path, { algorithm, erofs, secure }, run.flag("ensure")));
  } catch (error) {
    throw failure(error, path, algorithm);
  }
  return 0;
};

/** Parents are for everybody, the repository itself for its owner. */
function openPlace(run: Run, path: string): Dir {
  try {
    const parent = path.replace(/\/+$/, "").replace(/\/?[^/]*$/, "");
    const above =
      parent === "" ? run.context.openDir(path.startsWith("/") ? "/" : ".") : run.context.ensureDir(parent);
    const name = path.replace(/\/+$/, "").split("/").at(-1) ?? "";
    if (name === "" || name === "." || name === "..") return run.context.openDir(path === "" ? "." : path);
    above.ensureDir(utf8(name), { mode: 0o700, resolution: "inRoot" });
    return run.context.openDir(path);
  } catch (error) {
    throw new Failure([`Initializing repository at ${path}`, ...messagesOf(error)], { cause: error });
  }
}

function reset(dir: Dir): void {
  for (const name of ["streams", "images"]) dir.removeAll(utf8(name));
  dir.removeOptional(utf8("meta.json"));
}

async function make(
  dir: Dir,
  path: string,
  wanted: { algorithm: ComposefsAlgorithm; erofs: 0 | 1 | 2; secure: boolean },
  ensure: boolean,
): Promise<string> {
  const had = dir.statOptional(utf8("meta.json")) !== undefined;
  const old = !had && inferFromObjects(dir) !== undefined;
  if (had || old) {
    await using found = await Repository.open(dir, { old: "upgrade" });
    const other =
      found.algorithm !== wanted.algorithm || (!old && !ensure && found.meta.erofs.default !== wanted.erofs);
    if (other && (!ensure || old)) throw different(found, wanted);
    if (old && ensure) return `Upgraded legacy repository at ${path}\n`;
    return `Repository already initialized at ${path}${ensure ? " (existing configuration preserved)" : ""}\n`;
  }
  const options: InitOptions = wanted;
  const { repository } = await Repository.init(dir, options);
  await repository[Symbol.asyncDispose]();
  const verity = wanted.secure ? "required" : "not required (insecure)";
  return (
    `Initialized composefs repository at ${path}\n` +
    `  algorithm: ${ALGORITHMS[wanted.algorithm].name}\n` +
    `  verity:    ${verity}\n`
  );
}

function different(
  { algorithm, meta }: Repository,
  wanted: { algorithm: ComposefsAlgorithm; erofs: number },
): Failure {
  const shown = (name: ComposefsAlgorithm, version: number): string =>
    `(algorithm: ${ALGORITHMS[name].name}, erofs_version: V${version})`;
  return fail(
    `repository already initialized with different configuration ${shown(algorithm, meta.erofs.default)}; ` +
      `cannot re-initialize with ${shown(wanted.algorithm, wanted.erofs)}`,
  );
}

function failure(error: unknown, path: string, algorithm: ComposefsAlgorithm): Failure {
  const first = `Initializing repository at ${path}`;
  if (!isStoreError(error, "composefs/verity-required")) {
    return new Failure([first, ...messagesOf(error)], { cause: error });
  }
  return fail(
    first,
    "Writing repository metadata",
    "enabling verity on meta.json",
    `enabling verity (${algorithm})`,
    "Filesystem does not support fs-verity",
  );
}
