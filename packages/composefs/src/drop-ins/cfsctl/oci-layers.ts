// Layers and what is made of them.

import { type ByteString, type Digest, isStoreError, parseDigest, toHex, utf8 } from "@bootc-store/core";
import { type ImageNode, imageOfTree, printDumpLine } from "@bootc-store/erofs";
import { computeVerity } from "@bootc-store/linux";
import { readSegments, segmentItems } from "@bootc-store/oci";
import {
  Directory,
  EMPTY_CONTENT,
  emptyTree,
  file,
  type Inode,
  splitPath,
  type Tree,
} from "@bootc-store/tree";

import { encodeImage } from "../../oci/erofs-image.ts";
import { treeOfConfig } from "../../oci/image.ts";
import { layerStreamName, openLayer, writeLayer } from "../../oci/layer.ts";
import { layerTreeEntries } from "../../oci/tree.ts";
import type { Repository } from "../../repository/repository.ts";
import { readPieces } from "../../splitstream/reader.ts";
import { readObjectLink, writeRef } from "../../streams/links.ts";
import { openStream, streamId } from "../../streams/store.ts";
import { Failure, fail, messagesOf } from "./chain.ts";
import { configOf } from "./oci-images.ts";
import type { Command, Run } from "./run.ts";
import { writeStream } from "./streams.ts";
import { printLines, printTree } from "./trees.ts";

export const importLayer: Command = async (run) => {
  await using repository = await run.open();
  const diffId = layerDigest(run.operand("DIGEST"));
  const name = run.value("NAME");
  const stream = layerStreamName(diffId);
  const { stdin } = run.context;
  try {
    await writeLayer(
      repository,
      { diffId, segments: () => readSegments(stdin) },
      { signal: run.context.signal },
    );
  } catch (error) {
    if (isStoreError(error, "oci/tar-truncated"))
      throw new Failure(["unexpected EOF in tar stream"], { cause: error });
    throw new Failure(messagesOf(error), { cause: error });
  }
  if (name !== undefined) writeRef(repository, "streams", name, stream);
  await run.print(`${repository.algorithm}:${streamId(repository, stream) ?? ""}\n`);
  return 0;
};

function layerDigest(text: string): Digest {
  try {
    return parseDigest(text);
  } catch (error) {
    if (!isStoreError(error)) throw error;
    throw fail(`Layer ${text} not found`);
  }
}

export const layer: Command = async (run) => {
  await using repository = await run.open();
  const text = run.operand("LAYER");
  const diffId = layerDigest(text);
  const name = layerStreamName(diffId);
  if (readObjectLink(repository, "streams", name) === undefined) throw fail(`Layer ${text} not found`);
  if (run.flag("dumpfile")) await dumpLayer(run, repository, diffId);
  else if (run.flag("json")) await run.printJson(await layerFacts(repository, text, diffId));
  else {
    using stream = await openStream(repository, name);
    await writeStream(run, repository, stream);
  }
  return 0;
};

async function layerFacts(repository: Repository, text: string, diffId: Digest): Promise<object> {
  using stream = await openStream(repository, layerStreamName(diffId));
  let inlineSize = 0;
  let externalSize = 0;
  for await (const piece of readPieces(stream.file, stream.tables, repository.limits)) {
    if (piece.kind === "inline") inlineSize += piece.bytes.length;
    else externalSize += repository.objects.content(piece.object).size;
  }
  let entryCount = 0;
  const open = await openLayer(repository, diffId);
  if (open !== undefined) {
    for await (const item of segmentItems(open.segments())) {
      if (item.kind === "entry" && item.entry.type !== "global") entryCount++;
    }
  }
  return {
    diffId: text,
    verity: stream.id,
    size: Number(stream.tables.size),
    entryCount,
    splitstream: { externalObjects: stream.tables.objects.length, externalSize, inlineSize },
  };
}

/** A line for each entry of the tar, in its order. What is in a directory is not known there, so it has one name. */
async function dumpLayer(run: Run, repository: Repository, diffId: Digest): Promise<void> {
  const options = { dialect: "composefs-rs", links: 1 } as const;
  for await (const entry of layerTreeEntries(repository, diffId)) {
    const inode =
      entry.type === "directory"
        ? new Directory(entry.metadata)
        : entry.type === "leaf"
          ? entry.leaf
          : file(entry.metadata, 0, EMPTY_CONTENT);
    const target = entry.type === "hardlink" ? { target: rooted(entry.target) } : {};
    await printLines(run, [printDumpLine(rooted(entry.path), nodeOf(inode), { ...options, ...target })]);
  }
}

function rooted(path: ByteString): ByteString {
  return `/${splitPath(path).join("/")}` as ByteString;
}

/** An inode as an image has it: the only one of a tree. */
function nodeOf(inode: Inode): ImageNode {
  const tree = emptyTree();
  tree.root.set(utf8("x"), inode);
  const node = imageOfTree(tree).children.get(utf8("x"))?.node;
  if (node === undefined) throw new RangeError("a tree lost its only name");
  return node;
}

export const dump: Command = async (run) => {
  await using repository = await run.open();
  await printTree(run, await treeOf(run, repository));
  return 0;
};

export const computeId: Command = async (run) => {
  await using repository = await run.open();
  const tree = await treeOf(run, repository);
  const bytes = encodeImage(tree, repository.imageFormats[0]);
  await run.print(`${toHex(computeVerity(bytes, { algorithm: repository.algorithm }))}\n`);
  return 0;
};

async function treeOf(run: Run, repository: Repository): Promise<Tree> {
  const config = await configOf(repository, run.operand("CONFIG_NAME"), run.value("CONFIG_VERITY"));
  return await treeOfConfig(repository, config, {
    bootable: run.flag("bootable"),
    signal: run.context.signal,
    ...(run.keepsUserXattrs ? { xattrs: "keep-user-xattrs" } : {}),
  });
}
