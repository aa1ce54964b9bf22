// Images of a repository by id and by name.

import { type ByteString, concatBytes, displayName, utf8 } from "@bootc-store/core";
import {
  type ImageDirectory,
  type ImageNode,
  isDirectory,
  printDumpLine,
  readImage,
} from "@bootc-store/erofs";

import { isObjectId } from "../../algorithm.ts";
import { objectsOfImage } from "../../maintenance/references.ts";
import { storeImage } from "../../oci/erofs-image.ts";
import type { Repository } from "../../repository/repository.ts";
import { listRefs, readObjectLink, readRef } from "../../streams/links.ts";
import { fail, Failure, messagesOf } from "./chain.ts";
import type { Command } from "./run.ts";
import { printTable } from "./table.ts";
import { printLines } from "./trees.ts";

export const importImage: Command = async (run) => {
  await using repository = await run.open();
  const chunks: Uint8Array[] = [];
  for await (const chunk of run.context.stdin) chunks.push(chunk);
  const id = storeImage(repository, concatBytes(chunks), run.operand("REFERENCE"));
  await run.print(`${repository.algorithm}:${id}\n`);
  return 0;
};

export const listImages: Command = async (run) => {
  await using repository = await run.open();
  const images = listRefs(repository, "images").flatMap(({ path, target }) =>
    target === undefined ? [] : [{ name: displayName(path), digest: displayName(target) }],
  );
  if (run.flag("json")) {
    await run.printJson({ images });
    return 0;
  }
  if (images.length === 0) {
    await run.print("No images found\n");
    return 0;
  }
  const short = (digest: string): string => (run.flag("no-trunc") ? digest : digest.slice(0, 12));
  await run.print(
    printTable(
      ["NAME", "DIGEST"],
      images.map(({ name, digest }) => [name, short(digest)]),
    ),
  );
  return 0;
};

/**
 * The object of an image: by its id, by `refs/` and a name, or by a name without a slash. Throws as cfsctl says it.
 */
export function imageObject(repository: Repository, name: string): string {
  const entry = name.startsWith("refs/")
    ? readRef(repository, "images", name.slice("refs/".length))
    : name.includes("/")
      ? undefined
      : isObjectId(name, repository.algorithm)
        ? name
        : readRef(repository, "images", name);
  const object = entry === undefined ? undefined : readObjectLink(repository, "images", entry);
  if (object === undefined || !repository.objects.has(object)) {
    throw fail(`Opening image '${name}'`, `image not found: ${name}`);
  }
  return object;
}

export const imageObjects: Command = async (run) => {
  await using repository = await run.open();
  const name = run.operand("NAME");
  try {
    const objects = [...objectsOfImage(repository, imageObject(repository, name))];
    await run.print(objects.map((each) => `${repository.algorithm}:${each}\n`).join(""));
  } catch (error) {
    throw new Failure([`Collecting objects for image '${name}'`, ...messagesOf(error)], { cause: error });
  }
  return 0;
};

export const dumpFiles: Command = async (run) => {
  await using repository = await run.open();
  using file = repository.objects.open(imageObject(repository, run.operand("IMAGE_NAME")));
  const { root } = readImage(file.readAll({ limit: 2 ** 30 }));
  for (const path of run.values("FILES")) {
    const node = lookup(root, path);
    if (node === undefined) throw fail(`${path} not found`);
    if (run.flag("backing-path-only")) {
      if (isDirectory(node)) throw fail(`${path} is a directory`);
      await run.print(`${path} ${node.external?.payload ?? "inline"}\n`);
    } else await printLines(run, linesOf(path, node));
  }
  return 0;
};

function lookup(root: ImageDirectory, path: string): ImageNode | undefined {
  let node: ImageNode = root;
  for (const part of path.split("/").filter((each) => each !== "" && each !== ".")) {
    const child: ImageNode | undefined = isDirectory(node) ? node.children.get(utf8(part))?.node : undefined;
    if (child === undefined) return undefined;
    node = child;
  }
  return node;
}

/** A node's own line under its path, and of a directory those of what is directly in it. */
function* linesOf(path: string, node: ImageNode): Generator<string> {
  const place = utf8(path);
  yield printDumpLine(place, node, { dialect: "composefs-rs" });
  if (!isDirectory(node)) return;
  const above = place.replace(/\/+$/, "");
  for (const [name, { node: child }] of [...node.children].sort(([a], [b]) => (a < b ? -1 : 1))) {
    yield printDumpLine(`${above}/${name}` as ByteString, child, { dialect: "composefs-rs" });
  }
}
