// `gc`, and what keeps it from running.

import type { Garbage, Root } from "@bootc-store/backend";
import { displayName, isStoreError } from "@bootc-store/core";

import { planGc, applyGc } from "../../maintenance/gc.ts";
import { type LinkFolder, listObjectLinks, listRefs, readObjectLink } from "../../streams/links.ts";
import type { Repository } from "../../repository/repository.ts";
import { imageProblem } from "./check.ts";
import { Failure, fail, messagesOf } from "./chain.ts";
import type { Command } from "./run.ts";

export const gc: Command = async (run) => {
  await using repository = await run.open();
  const dry = run.flag("dry-run");
  const keep = run.values("root").flatMap((name) => rootOf(repository, name));
  const { signal } = run.context;
  let garbage: readonly Garbage[];
  let pruned: readonly Garbage[];
  try {
    checkLinks(repository);
    const plan = await planGc(repository, { keep, signal });
    if (dry) {
      garbage = plan.garbage;
      pruned = plan.garbage.filter((each) => isDangling(repository, each));
    } else {
      garbage = (await applyGc(repository, plan, { signal, lockTimeout: Number.POSITIVE_INFINITY })).removed;
      pruned = garbage;
    }
  } catch (error) {
    const what = dry ? "Running garbage collection dry run" : "Running garbage collection";
    throw new Failure([what, `GC implementation (dry_run: ${dry})`, ...gcMessages(repository, error)], {
      cause: error,
    });
  }
  const objects = garbage.filter(({ kind }) => kind === "object");
  const bytes = objects.reduce((sum, each) => sum + each.bytes, 0);
  const count = (kind: string): number => pruned.filter((each) => each.kind === kind).length;
  const links = count("image") + count("stream");
  await run.print(
    [
      dry ? "Dry run (no files deleted):\n" : "",
      `Objects: ${objects.length} removed (${bytes} bytes)\n`,
      links === 0 ? "" : `Pruned symlinks: ${count("image")} images, ${count("stream")} streams\n`,
    ].join(""),
  );
  return 0;
};

/** Names that nothing has are passed over. */
function rootOf(repository: Repository, name: string): Root[] {
  const known = (["images", "streams"] as const).some(
    (folder) => !name.includes("/") && readObjectLink(repository, folder, name) !== undefined,
  );
  return known ? [{ backend: "composefs", kind: "given", name, target: name }] : [];
}

function isDangling(repository: Repository, { kind, id }: Garbage): boolean {
  if (kind !== "image" && kind !== "stream") return false;
  const object = readObjectLink(repository, `${kind}s`, id);
  return object === undefined || !repository.objects.has(object);
}

/** Looks at links as cfsctl does before it collects. */
function checkLinks(repository: Repository): void {
  for (const folder of ["images", "streams"] as const) {
    const walking = [`Walking GC category '${folder}'`];
    const links = listObjectLinks(repository, folder);
    const all = [`Collecting all ${folder}`, ...walking];
    for (const { name, object, link } of links) {
      if (!link) throw fail(...all, "category directory contains non-symlink");
      if (object === undefined)
        throw fail(
          ...all,
          ...hashOf(displayName(name)),
          "Parsing object ID from symlink target",
          "Invalid string length",
        );
    }
    const names = new Set(links.map(({ name }) => name));
    const refs = [`Collecting ${folder.slice(0, -1)} refs`, ...walking];
    for (const { path, link, target } of listRefs(repository, folder)) {
      if (!link) {
        const levels = path.split("/").map(() => "Walking symlink directory");
        throw fail(...refs, "Walking refs symlink directory", ...levels, "Unexpected file type encountered");
      }
      if (target === undefined || !names.has(target)) {
        throw fail(
          ...refs,
          ...hashOf(displayName(target ?? path)),
          "Reading symlink target",
          "No such file or directory (os error 2)",
        );
      }
    }
  }
}

function hashOf(name: string): string[] {
  return ["Reading symlink hash value", `Reading symlink hash value from ${JSON.stringify(name)}`];
}

/** An image that is named and is none is told in cfsctl's words. */
function gcMessages(repository: Repository, error: unknown): readonly string[] {
  if (!isStoreError(error) || !error.code.startsWith("erofs/")) return messagesOf(error);
  for (const id of new Set(rootImages(repository))) {
    const problem = repository.objects.has(id) ? imageProblem(repository, id) : undefined;
    if (problem === undefined) continue;
    return [
      `Collecting objects for image ${id}`,
      `Collecting objects for image '${id}'`,
      "Collecting objects from erofs image data",
      `Invalid image: ${problem}`,
    ];
  }
  return messagesOf(error);
}

function rootImages(repository: Repository): string[] {
  const folder: LinkFolder = "images";
  return listRefs(repository, folder).flatMap(({ target }) => target ?? []);
}
