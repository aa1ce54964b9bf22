import type { CommandContext, Output } from "@bootc-store/backend/command";
import { printable, utf8 } from "@bootc-store/core";
import type { Command } from "@commander-js/extra-typings";

import type { DiskUse, ImageDiskUse, ThingDiskUse } from "../whole/disk-use.ts";
import { bytesText } from "../bytes-text.ts";
import { withStores } from "./whole.ts";

/** `du`: what the stores take, and what they share. */
export function registerDu(parent: Command, context: CommandContext): void {
  parent
    .command("du")
    .description("tell what stores, images and layers take on disk, what they share, and what goes with each")
    .option("--json", "print the figures as JSON")
    .option("--html <file>", "write a page with a picture")
    .action(async (options) => {
      await withStores(parent, context, async (stores, _root, path) => {
        const { diskUse } = await import("../whole/disk-use.ts");
        const use = await diskUse(stores, context.pool(), { signal: context.signal });
        const output = context.output(options);
        output.value({ root: path, ...use });
        if (options.html !== undefined) {
          const { diskUsePage } = await import("../whole/disk-use-page.ts");
          writePage(context, options.html, diskUsePage({ root: path, use }));
          output.note(`wrote ${printable(options.html)}`);
        }
        if (!output.json) print(output, use);
        for (const kind of use.unattributed)
          output.note(`${kind}: what belongs to which image is not known (bootc-store fsck says why)`);
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
  const name = ({ names, manifest }: ImageDiskUse): string =>
    names.length > 0 ? names.map(printable).join(", ") : (manifest ?? "-").slice(0, 19);
  things(output, "IMAGE", use.images, name);
  things(output, "LAYER", use.layers, ({ layer }) => printable(layer).slice(0, 19));
  output.line();
  output.line(`Together on disk  ${bytesText(use.onDiskBytes)}`);
  output.line(
    use.extents
      ? `Without sharing   ${bytesText(use.separateBytes)}`
      : "This file system does not say where files lie, so nothing is known to be shared.",
  );
}

/** A row for each store that has it, and what all of it would give back on the first. */
function things<T extends ThingDiskUse>(
  output: Output,
  title: string,
  all: readonly T[],
  name: (thing: T) => string,
): void {
  const rows = all.flatMap((thing) => thing.parts.map((part, at) => ({ thing, part, first: at === 0 })));
  if (rows.length === 0) return;
  output.line();
  output.table(rows, [
    { title, value: ({ thing, first }) => (first ? name(thing) : "") },
    { title: "STORE", value: ({ part }) => part.kind },
    { title: "APPARENT", value: ({ part }) => bytesText(part.apparentBytes), align: "right" },
    { title: "ON DISK", value: ({ part }) => bytesText(part.onDiskBytes), align: "right" },
    {
      title: "SHARED",
      value: ({ part }) => (part.sharedBytes === undefined ? "-" : bytesText(part.sharedBytes)),
      align: "right",
    },
    { title: "ALONE", value: ({ part }) => bytesText(part.exclusiveBytes), align: "right" },
    {
      title: "FREED",
      value: ({ thing, first }) => (first ? bytesText(thing.freedBytes) : ""),
      align: "right",
    },
  ]);
}

function writePage(context: CommandContext, path: string, page: string): void {
  const slash = path.lastIndexOf("/");
  const dir = context.openDir(slash < 0 ? "." : path.slice(0, slash) || "/");
  dir.atomicWrite(utf8(path.slice(slash + 1)), Buffer.from(page), { mode: 0o644 });
}
