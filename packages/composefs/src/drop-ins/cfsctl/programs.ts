// `cfsctl mkcomposefs` and `cfsctl composefs-info`: the programs of C, as composefs-rs has them.

import { isStoreError } from "@bootc-store/core";
import { type ImageDirectory, parseDumpRs, printDump, readImage } from "@bootc-store/erofs";
import type { Dir, File } from "@bootc-store/linux";

import { digestOf, isThere, listing, payloads, print } from "../composefs-info.ts";
import { ToolExit } from "../fail.ts";
import { openHostFile, readHostFile } from "../host-files.ts";
import { make } from "../mkcomposefs.ts";
import { headProblem } from "./check.ts";
import { Failure, fail, messagesOf } from "./chain.ts";
import type { Command, Run } from "./run.ts";

export const mkcomposefs: Command = async (run) => {
  const image = run.value("IMAGE");
  const only = run.flag("print-digest-only");
  if (only && image !== undefined) throw fail("IMAGE must be omitted when using --print-digest-only");
  if (!only && image === undefined) throw fail("IMAGE is required (or use --print-digest-only)");
  const minVersion = numberOf(run, "min-version", 0);
  const maxVersion = numberOf(run, "max-version", 1);
  if (minVersion > maxVersion) {
    throw fail(
      `Invalid version range: --min-version (${minVersion}) must not exceed --max-version (${maxVersion})`,
    );
  }
  if (minVersion > 1) throw fail(`Unsupported --min-version ${minVersion} (0 or 1)`);
  const source = run.operand("SOURCE");
  const fromFile = run.flag("from-file");
  if (!fromFile) openSource(run, source);
  try {
    await make(run.context, {
      source,
      image,
      printDigest: only || run.flag("print-digest"),
      fromFile,
      store: run.value("digest-store"),
      xattrs: run.flag("skip-xattrs") ? "none" : run.flag("user-xattrs") ? "user" : "all",
      devices: !run.flag("skip-devices"),
      zeroTimes: run.flag("use-epoch"),
      minVersion,
      // The format is the least that is allowed; there is no look at what the tree needs.
      maxVersion: minVersion,
      threads: run.value("threads") === undefined ? undefined : Math.max(1, numberOf(run, "threads", 1)),
      hardLinks: run.flag("hardlinks") ? "one" : "each",
      parseDump: (text) => {
        if (text.trim() === "")
          throw fail("Failed to parse dumpfile", "Dumpfile is empty, expected root directory entry");
        return parseDumpRs(text, { algorithm: "sha256" });
      },
    });
  } catch (error) {
    if (!(error instanceof ToolExit)) throw error;
    const said = error.text.trim().replace(/^mkcomposefs: /, "");
    throw fromFile && !said.startsWith("open") ? fail("Failed to parse dumpfile", said) : fail(said);
  }
  return 0;
};

function openSource(run: Run, source: string): Dir {
  try {
    return run.context.openDir(source);
  } catch (error) {
    throw new Failure(
      [`Failed to access source directory: ${JSON.stringify(source)}`, ...messagesOf(error)],
      {
        cause: error,
      },
    );
  }
}

function numberOf(run: Run, name: string, otherwise: number): number {
  const value = run.value(name);
  return value === undefined ? otherwise : Number(value);
}

function load(run: Run, path: string): ImageDirectory {
  let bytes: Buffer;
  try {
    bytes = readHostFile(run.context, path);
  } catch (error) {
    throw new Failure([`Failed to open image: ${JSON.stringify(path)}`, ...messagesOf(error)], {
      cause: error,
    });
  }
  try {
    return filtered(readImage(bytes).root, run.values("filter"));
  } catch (error) {
    if (!isStoreError(error)) throw error;
    throw new Failure(
      [
        `Failed to parse image: ${JSON.stringify(path)}`,
        `Invalid image: ${headProblem(bytes) ?? error.message}`,
      ],
      {
        cause: error,
      },
    );
  }
}

/** Only some names directly below the root. */
function filtered(root: ImageDirectory, names: readonly string[]): ImageDirectory {
  if (names.length === 0) return root;
  const wanted = new Set(names.map((each) => Buffer.from(each).toString("latin1")));
  return { ...root, children: new Map([...root.children].filter(([name]) => wanted.has(name))) };
}

export const infoLs: Command = async (run) => {
  for (const path of run.values("IMAGES")) await print(run.context, listing(load(run, path)));
  return 0;
};

/** The filter is accepted, and everything is printed. */
export const infoDump: Command = async (run) => {
  for (const path of run.values("IMAGES")) {
    const { root } = readImage(Buffer.from(imageBytes(run, path)));
    await print(run.context, printDump(root, { dialect: "composefs-rs" }));
  }
  return 0;
};

function imageBytes(run: Run, path: string): Uint8Array {
  load(run, path);
  return readHostFile(run.context, path);
}

async function listObjects(run: Run, store: Dir | undefined): Promise<number> {
  const objects = new Set<string>();
  for (const path of run.values("IMAGES")) {
    for (const payload of payloads(load(run, path))) if (!isThere(store, payload)) objects.add(payload);
  }
  await print(
    run.context,
    [...objects].sort().map((each) => `${each}\n`),
  );
  return 0;
}

export const infoObjects: Command = async (run) => await listObjects(run, undefined);

export const infoMissing: Command = async (run) => {
  const basedir = run.value("basedir") ?? "";
  let store: Dir;
  try {
    store = run.context.openDir(basedir);
  } catch (error) {
    throw new Failure([`Failed to open basedir: ${JSON.stringify(basedir)}`, ...messagesOf(error)], {
      cause: error,
    });
  }
  return await listObjects(run, store);
};

export const infoMeasure: Command = async (run) => {
  for (const path of run.values("FILES")) {
    let file: File;
    try {
      file = openHostFile(run.context, path);
    } catch (error) {
      throw new Failure([`Failed to open file: ${JSON.stringify(path)}`, ...messagesOf(error)], {
        cause: error,
      });
    }
    using _open = file;
    await run.print(`${digestOf(file, path)}\n`);
  }
  return 0;
};
