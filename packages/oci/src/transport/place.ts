import type { ByteString } from "@bootc-store/core";
import { cloneFile, type Dir, type SyncPolicy } from "@bootc-store/linux";

import type { Descriptor } from "../image/descriptor.ts";
import { checkedBlob, checkedChunks } from "./checked.ts";
import { abortable, fileChunks } from "./chunks.ts";
import type { BlobContent, HowWritten } from "./port.ts";

/**
 * Puts a blob under a name in a directory, whole and checked or not at all: by reflink where it is a file on the
 * same file system, else by copying. What was cloned is checked as well, by reading the clone.
 */
export async function placeBlob(
  dir: Dir,
  name: ByteString,
  descriptor: Descriptor,
  content: BlobContent,
  sync: SyncPolicy,
  signal: AbortSignal | undefined,
): Promise<HowWritten> {
  using temporary = dir.tempFile();
  const { file } = temporary;
  let how: HowWritten = "copied";
  if (content.file !== undefined) {
    using source = content.file.dir.openFile(content.file.name);
    if (cloneFile(source, file)) how = "cloned";
  }
  if (how === "cloned") {
    const chunks = abortable(checkedChunks(fileChunks(file), descriptor), signal);
    for (let step = await chunks.next(); step.done !== true; step = await chunks.next());
  } else {
    for await (const chunk of abortable(checkedBlob(content, descriptor), signal)) file.write(chunk);
  }
  file.setMode(0o644);
  temporary.publish(name, { existing: "replace", sync });
  return how;
}
