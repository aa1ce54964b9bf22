// `composefs-dump` of composefs 1.0.8's build tree: an image, read and written again in its own version.

import type { DropIn, DropInContext } from "@bootc-store/backend/command";
import { isStoreError } from "@bootc-store/core";
import { readImage, writeImage } from "@bootc-store/erofs";
import { type File } from "@bootc-store/linux";

import { failed, refused, ToolExit } from "./fail.ts";
import { openHostFile, readHostFile } from "./host-files.ts";

const NAME = "composefs-dump";
const USAGE = `usage: ${NAME} SRC DEST\n`;

export const composefsDump: DropIn = {
  name: NAME,
  summary: "read a composefs image and write it again",
  async run(context) {
    const [source, target] = context.argv;
    try {
      if (source === undefined) throw new ToolExit(`No source path specified\n${USAGE}`);
      if (target === undefined) throw new ToolExit(`No destination path specified\n${USAGE}`);
      rewrite(context, source, target);
      return 0;
    } catch (error) {
      if (!(error instanceof ToolExit)) throw error;
      await context.writeErr(error.text);
      return 1;
    }
  },
};

function rewrite(context: DropInContext, source: string, target: string): void {
  let bytes: Buffer;
  try {
    bytes = readHostFile(context, source);
  } catch (error) {
    if (isStoreError(error, "linux/is-a-directory")) {
      throw refused(NAME, `Failed to get image version '${source}': Is a directory`);
    }
    throw failed(NAME, `Failed to open '${source}'`, error);
  }
  let read: ReturnType<typeof readImage>;
  try {
    read = readImage(bytes, { dialect: "c" });
  } catch (error) {
    throw failed(NAME, `Failed to load '${source}'`, error);
  }
  const { version, root } = read;
  let file: File;
  try {
    file = openHostFile(context, target, { access: "write", truncate: true, create: 0o666 });
  } catch (error) {
    throw failed(NAME, `failed to open '${target}'`, error);
  }
  using output = file;
  // The program knows no other versions.
  if (version === 2) throw refused(NAME, "cannot write file: Invalid argument");
  try {
    output.write(writeImage(root, { writer: "c", minVersion: version, maxVersion: version }));
  } catch (error) {
    throw failed(NAME, "cannot write file", error);
  }
}
