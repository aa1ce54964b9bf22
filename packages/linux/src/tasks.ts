// The long forms of calls that may block for seconds: run them on a pool, and the event loop goes on meanwhile.

import { fdatasync, fsync, syncfs } from "./calls/sync.ts";
import { copyContent } from "./copy.ts";
import { File } from "./file.ts";
import { defineTask } from "./pool/task.ts";
import { cloneFile } from "./reflink.ts";

export interface SyncInput {
  readonly fd: number;
  readonly what: "file" | "data" | "file-system";
  readonly label?: string;
}

/** fsync, fdatasync or syncfs of a descriptor. It cannot be stopped once it runs. */
export const syncDescriptor = defineTask(import.meta.url, "syncDescriptor", (input: SyncInput) => {
  const calls = { file: fsync, data: fdatasync, "file-system": syncfs };
  calls[input.what](input.fd, input.label);
});

export interface CopyInput {
  /** Descriptors, which stay open until it is done: one to read from, an empty one to write to. */
  readonly from: number;
  readonly to: number;
  /** Whether blocks may be shared. Default true. */
  readonly clone?: boolean;
  readonly label?: string;
}

/** Clones a file's content where the file systems can, else copies it; says which. Stops at its signal. */
export const copyDescriptor = defineTask(
  import.meta.url,
  "copyDescriptor",
  (input: CopyInput, { signal }): "cloned" | "copied" => {
    const label = input.label ?? "copy";
    using from = File.borrow(input.from, label);
    using to = File.borrow(input.to, label);
    if (input.clone !== false && cloneFile(from, to)) return "cloned";
    copyContent(from, to, signal);
    return "copied";
  },
);
