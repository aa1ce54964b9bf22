import { type ByteString, displayName } from "@bootc-store/core";
import { defineTask, Dir, type File, throwIfCancelled } from "@bootc-store/linux";
import { Xattrs } from "@bootc-store/tree";

import { ostreeErrors } from "../errors.ts";
import { type FileInfo, SYMLINK_MODE } from "../format/file-info.ts";
import { readXattrs } from "../objects/reader.ts";
import type { WritePlaces } from "../objects/places.ts";
import { ObjectWriter } from "../objects/writer.ts";
import type { CloneChoice, WrittenFile } from "../objects/written-file.ts";
import { applyRules, type ModeOverride, type PlainRules, sameInfo } from "./modifier.ts";

/** A regular file or a symlink of a directory that is being committed. */
export interface DirectoryItem {
  /** Relative to the directory. */
  readonly path: ByteString;
  readonly override?: ModeOverride;
  readonly label?: ByteString;
}

export interface StoreFilesInput {
  readonly places: WritePlaces;
  /** Descriptor of the directory, which stays open until the batch is done. */
  readonly dir: number;
  readonly clone: CloneChoice;
  /** Whether files may become objects themselves. */
  readonly consume: boolean;
  readonly rules: PlainRules;
  readonly items: readonly DirectoryItem[];
}

/** Stores files of a directory, each looked at and read once; in the order given. */
export const storeFiles = defineTask(
  import.meta.url,
  "storeFiles",
  async (input: StoreFilesInput, { signal }): Promise<WrittenFile[]> => {
    using writer = new ObjectWriter(input.places);
    const dir = Dir.borrow(input.dir, "");
    const written: WrittenFile[] = [];
    for (const { path, override, label } of input.items) {
      throwIfCancelled(signal);
      using opened = openInfo(dir, path, input.rules.noXattrs);
      const info = applyRules(opened.info, input.rules, override, label);
      const adopted =
        opened.file === undefined || !input.consume
          ? undefined
          : writer.adoptFile(opened.file, dir, path, info, sameInfo(info, opened.info));
      written.push(
        adopted !== undefined
          ? adopted
          : opened.file === undefined
            ? writer.writeSymlink(info)
            : await writer.writeFile(opened.file, info, input.clone),
      );
    }
    return written;
  },
);

/** A file's metadata as it is on disk, and the file itself unless it is a symlink. */
export function openInfo(
  dir: Dir,
  path: ByteString,
  noXattrs: boolean,
): Disposable & { readonly info: FileInfo; readonly file: File | undefined } {
  const { type, uid, gid, mode } = dir.stat(path);
  if (type === "symlink") {
    const xattrs = noXattrs ? Xattrs.empty : readXattrs(dir, path);
    const info = { uid, gid, mode: SYMLINK_MODE, xattrs, target: dir.readLink(path) };
    return { info, file: undefined, [Symbol.dispose]() {} };
  }
  if (type !== "regular") throw unsupported(path, type);
  const file = dir.openFile(path);
  try {
    const info = { uid, gid, mode, xattrs: noXattrs ? Xattrs.empty : readXattrs(file) };
    return { info, file, [Symbol.dispose]: () => file[Symbol.dispose]() };
  } catch (error) {
    file[Symbol.dispose]();
    throw error;
  }
}

export function unsupported(path: ByteString, type: string): Error {
  return ostreeErrors.error("file-type-unsupported", `Not a regular file or symlink: ${displayName(path)}`, {
    context: { path: displayName(path), type },
  });
}
