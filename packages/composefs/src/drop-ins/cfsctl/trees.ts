// Images of directories.

import { toHex } from "@bootc-store/core";
import { imageOfTree, printDump } from "@bootc-store/erofs";
import { computeVerity, type Dir } from "@bootc-store/linux";
import type { Tree } from "@bootc-store/tree";

import type { ComposefsAlgorithm } from "../../algorithm.ts";
import {
  type ContainerRootOptions,
  treeOfDirectory,
  writeDirectory,
} from "../../directory/container-root.ts";
import type { ErofsVersion } from "../../format/meta-json.ts";
import { encodeImage } from "../../oci/erofs-image.ts";
import { Failure, messagesOf } from "./chain.ts";
import type { Command, Run } from "./run.ts";

const CONTEXT = "Reading container root";

function scanFailure(error: unknown, path: string): Failure {
  if (error instanceof Failure) return error;
  return new Failure(
    [CONTEXT, `Async reading filesystem from ${path}`, `Scanning directory ${path}`, ...messagesOf(error)],
    { cause: error },
  );
}

function openTree(run: Run, path: string): Dir {
  try {
    return run.context.openDir(path);
  } catch (error) {
    throw scanFailure(error, path);
  }
}

function optionsOf(run: Run, bootable: boolean): ContainerRootOptions {
  return {
    pool: run.context.pool(),
    signal: run.context.signal,
    bootable,
    containerRoot: !run.flag("no-propagate-usr-to-root"),
    ...(run.keepsUserXattrs ? { xattrs: "keep-user-xattrs" } : {}),
  };
}

/** That of `--hash`, else of the repository if there is one. */
async function algorithmOf(run: Run): Promise<ComposefsAlgorithm> {
  if (run.hash !== undefined) return run.hash;
  if (run.globalFlag("no-repo")) return "sha512";
  try {
    run.context.openDir(run.repositoryPath);
  } catch {
    return "sha512";
  }
  await using repository = await run.openAt(run.repositoryPath);
  return repository.algorithm;
}

async function read(run: Run, algorithm: ComposefsAlgorithm, bootable: boolean): Promise<Tree> {
  const path = run.operand("PATH");
  const dir = openTree(run, path);
  try {
    return await treeOfDirectory(dir, algorithm, optionsOf(run, bootable));
  } catch (error) {
    throw new Failure([CONTEXT, ...messagesOf(error)], { cause: error });
  }
}

async function idOf(
  run: Run,
  bootable: boolean,
): Promise<{ id: string; algorithm: string; version: ErofsVersion }> {
  const algorithm = await algorithmOf(run);
  const version = run.imageFormat ?? 1;
  const tree = await read(run, algorithm, bootable);
  return { id: toHex(computeVerity(encodeImage(tree, version), { algorithm })), algorithm, version };
}

export const computeId: Command = async (run) => {
  await run.print(`${(await idOf(run, run.flag("bootable"))).id}\n`);
  return 0;
};

export const computeKarg: Command = async (run) => {
  const { id, algorithm, version } = await idOf(run, true);
  await run.print(`${kernelArgument(id, algorithm, version, false)}\n`);
  return 0;
};

/** What makes the initramfs mount an image; `?` where fs-verity is not required. */
export function kernelArgument(
  id: string,
  algorithm: string,
  version: ErofsVersion,
  insecure: boolean,
): string {
  const mark = insecure ? "?" : "";
  return version === 2 ? `composefs=${mark}${id}` : `composefs.digest=${mark}v1-${algorithm}-12:${id}`;
}

export const createImage: Command = async (run) => {
  await using repository = await run.open();
  const path = run.operand("PATH");
  const name = run.value("IMAGE_NAME");
  const dir = openTree(run, path);
  try {
    const { id } = await writeDirectory(repository, dir, {
      ...optionsOf(run, run.flag("bootable")),
      ...(name === undefined ? {} : { name }),
    });
    await run.print(`${repository.algorithm}:${id}\n`);
  } catch (error) {
    throw new Failure([CONTEXT, ...messagesOf(error)], { cause: error });
  }
  return 0;
};

export const createDumpfile: Command = async (run) => {
  const tree = await read(run, await algorithmOf(run), run.flag("bootable"));
  await printTree(run, tree);
  return 0;
};

/** The dump file of a tree, in pieces. */
export async function printTree(run: Run, tree: Tree): Promise<void> {
  await printLines(run, printDump(imageOfTree(tree), { dialect: "composefs-rs" }));
}

export async function printLines(run: Run, lines: Iterable<string>): Promise<void> {
  let text = "";
  for (const line of lines) {
    text += line;
    if (text.length < 1 << 16) continue;
    await run.context.writeOut(Buffer.from(text, "latin1"));
    text = "";
  }
  if (text !== "") await run.context.writeOut(Buffer.from(text, "latin1"));
}
