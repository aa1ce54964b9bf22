import type { CommandContext, Output } from "@bootc-store/backend/command";
import { printable, utf8 } from "@bootc-store/core";
import type { Command } from "@commander-js/extra-typings";

import type { DiskUse } from "../whole/disk-use.ts";
import { bytesText } from "../bytes-text.ts";
import { withStores } from "./whole.ts";

/** `du`: what the stores take, and what they share. */
export function registerDu(parent: Command, context: CommandContext): void {
  parent
    .command("du")
    .description("tell what the stores of a root take on disk, and what they share with one another")
    .option("--json", "print the figures as JSON")
    .option("--html <file>", "write a page with a picture")
    .action(async (options) => {
      await withStores(parent, context, async (stores, _root, path) => {
        const [{ diskUse }, { listRootImages }] = await Promise.all([
          import("../whole/disk-use.ts"),
          import("../whole/images.ts"),
        ]);
        const common = { signal: context.signal };
        const use = await diskUse(stores, context.pool(), common);
        const images = await listRootImages(stores, common);
        const output = context.output(options);
        output.value({ root: path, ...use, images });
        if (options.html !== undefined) {
          const { diskUsePage } = await import("../whole/disk-use-page.ts");
          writePage(context, options.html, diskUsePage({ root: path, use, images }));
          output.note(`wrote ${printable(options.html)}`);
        }
        if (!output.json) print(output, use);
        for (const { message } of stores.findings) output.note(message);
      });
    });
}

function print(output: Output, use: DiskUse): void {
  if (use.stores.length === 0) {
    output.line("There are no stores.");
    return;
  }
  const bytes = (value: number | undefined): string => (value === undefined ? "-" : bytesText(value));
  output.table(use.stores, [
    { title: "STORE", value: ({ kind }) => kind },
    { title: "FILES", value: ({ inodes }) => String(inodes), align: "right" },
    { title: "APPARENT", value: ({ apparentBytes }) => bytes(apparentBytes), align: "right" },
    { title: "ON DISK", value: ({ onDiskBytes }) => bytes(onDiskBytes), align: "right" },
    { title: "SHARED", value: ({ sharedBytes }) => bytes(sharedBytes), align: "right" },
    { title: "ALONE", value: ({ exclusiveBytes }) => bytes(exclusiveBytes), align: "right" },
  ]);
  output.line();
  output.line(`Together on disk  ${bytesText(use.onDiskBytes)}`);
  output.line(
    use.extents
      ? `Without sharing   ${bytesText(use.separateBytes)}`
      : "This file system does not say where files lie, so nothing is known to be shared.",
  );
}

function writePage(context: CommandContext, path: string, page: string): void {
  const slash = path.lastIndexOf("/");
  const dir = context.openDir(slash < 0 ? "." : path.slice(0, slash) || "/");
  dir.atomicWrite(utf8(path.slice(slash + 1)), Buffer.from(page), { mode: 0o644 });
}
