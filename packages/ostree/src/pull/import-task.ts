import { defineTask, throwIfCancelled } from "@bootc-store/linux";

import { ostreeErrors } from "../errors.ts";
import type { Checksum } from "../format/checksum.ts";
import { type FileInfo, isSymlink } from "../format/file-info.ts";
import { readContent } from "../objects/content.ts";
import type { ObjectPlaces } from "../objects/places.ts";
import { type FileObject, ObjectReader } from "../objects/reader.ts";
import type { WritePlaces } from "../objects/places.ts";
import { ObjectWriter } from "../objects/writer.ts";
import { verifyFile } from "../maintain/verify-task.ts";

export interface ImportFilesInput {
  readonly from: ObjectPlaces;
  readonly into: WritePlaces;
  readonly checksums: readonly Checksum[];
  /** Whether objects of the source are taken for what their names say. */
  readonly trusted: boolean;
  /** Whether links may be made. */
  readonly link: boolean;
  /** Refuses files that a bare-user-only repository could not hold. */
  readonly bareUserOnlyFiles: boolean;
}

export interface ImportedFile {
  readonly how: "linked" | "cloned" | "copied" | "reused";
  /** Bytes of the content, where it was read. */
  readonly size: number;
  readonly storedSize: number;
}

/** Brings content objects from one repository into another, in the order given. */
export const importFiles = defineTask(
  import.meta.url,
  "importFiles",
  async (input: ImportFilesInput, { signal }): Promise<ImportedFile[]> => {
    using from = new ObjectReader(input.from);
    using writer = new ObjectWriter(input.into);
    const imported: ImportedFile[] = [];
    for (const checksum of input.checksums) {
      throwIfCancelled(signal);
      imported.push(await importFile(from, writer, checksum, input));
    }
    return imported;
  },
);

async function importFile(
  from: ObjectReader,
  writer: ObjectWriter,
  checksum: Checksum,
  input: ImportFilesInput,
): Promise<ImportedFile> {
  if (writer.hasStoredFile(checksum)) return { how: "reused", size: 0, storedSize: 0 };
  if (!input.trusted) {
    const problem = await verifyFile(from, checksum);
    if (problem !== undefined)
      throw refused(checksum, problem.kind === "mismatch" ? problem.actual : problem.kind);
  }
  if (input.bareUserOnlyFiles) {
    using object = from.openFile(checksum);
    checkBareUserOnly(object.info, checksum);
  }
  if (input.link && linksAcross(from, writer, checksum)) {
    for (const { dir, name } of from.placesOf(checksum)) {
      const linked = writer.linkFile(dir, name, checksum);
      if (linked !== undefined) return { how: linked, size: 0, storedSize: 0 };
    }
  }
  using object = from.openFile(checksum);
  const written = await writeObject(writer, object, checksum);
  if (written.checksum !== checksum) throw refused(checksum, written.checksum);
  return {
    how: written.how === "adopted" ? "linked" : written.how,
    size: written.size,
    storedSize: written.storedSize,
  };
}

/** Whether a content object of one mode is one of the other as it is. */
function linksAcross(from: ObjectReader, writer: ObjectWriter, checksum: Checksum): boolean {
  if (from.mode === writer.mode) return true;
  if (from.mode !== "bare-user" || writer.mode !== "bare-user-only") return false;
  using object = from.openFile(checksum);
  const { info } = object;
  return (
    !isSymlink(info) &&
    info.uid === 0 &&
    info.gid === 0 &&
    info.xattrs.size === 0 &&
    (info.mode & 0o7002) === 0
  );
}

async function writeObject(
  writer: ObjectWriter,
  object: FileObject,
  checksum: Checksum,
): Promise<{ checksum: Checksum; how: ImportedFile["how"] | "adopted"; size: number; storedSize: number }> {
  const { info, stored, size } = object;
  if (stored.kind === "symlink") return writer.writeSymlink(info);
  if (stored.kind === "plain") return await writer.writeFile(stored.file, info);
  using temporary = writer.tempFile();
  for await (const piece of readContent(object, `${checksum}.filez`)) temporary.file.write(piece);
  if (temporary.file.stat().size !== size) throw refused(checksum, "another size");
  // Hashed once more as it is written, so that what comes out is what the name says.
  return await writer.writeFile(temporary.file, info);
}

function checkBareUserOnly(info: FileInfo, checksum: Checksum): void {
  const bits = info.mode & 0o7777 & ~0o775;
  if (isSymlink(info) || bits === 0) return;
  const octal = (mode: number): string => `0${mode.toString(8).padStart(3, "0")}`;
  throw ostreeErrors.error(
    "object-mode-invalid",
    `Content object ${checksum}: invalid mode ${octal(info.mode)} with bits ${octal(bits)}`,
  );
}

function refused(checksum: Checksum, actual: string): Error {
  return ostreeErrors.error(
    "object-checksum-mismatch",
    `Corrupted file object; checksum expected='${checksum}' actual='${actual}'`,
    { context: { digest: checksum } },
  );
}
