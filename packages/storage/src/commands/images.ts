import type { CommandContext, Output } from "@bootc-store/backend/command";
import { type BackendKind, printable } from "@bootc-store/core";
import type { Command } from "@commander-js/extra-typings";

import type { RootImage } from "../whole/images.ts";
import { bytesText } from "../bytes-text.ts";
import { withStores } from "./whole.ts";

/** `images`: one table over the stores. */
export function registerImages(parent: Command, context: CommandContext): void {
  parent
    .command("images")
    .description("list the images of a root: names, digest, which stores have them, what they take")
    .option("--json", "print the list as JSON")
    .option("-v, --verbose", "print digests in full")
    .action(async (options) => {
      await withStores(parent, context, async (stores) => {
        const { sizedRootImages } = await import("../whole/disk-use.ts");
        const images = await sizedRootImages(stores, context.pool(), { signal: context.signal });
        const output = context.output(options);
        output.value({ images });
        if (!output.json) print(output, images, options.verbose === true);
        for (const { message } of stores.findings) output.note(message);
      });
    });
}

const KINDS: readonly BackendKind[] = ["containers-storage", "composefs", "ostree"];

function print(output: Output, images: readonly RootImage[], verbose: boolean): void {
  if (images.length === 0) {
    output.line("There are no images.");
    return;
  }
  output.table(images, [
    { title: "NAME", value: ({ names }) => (names.length === 0 ? "-" : names.map(printable).join(", ")) },
    { title: "DIGEST", value: ({ manifest }) => digestText(manifest, verbose) },
    {
      title: "STORES",
      value: ({ stores }) => KINDS.filter((kind) => stores[kind] !== undefined).join(", "),
    },
    { title: "SIZE", value: ({ size }) => (size === undefined ? "-" : bytesText(size)), align: "right" },
    {
      title: "UNIQUE",
      value: ({ unique }) => (unique === undefined ? "-" : bytesText(unique)),
      align: "right",
    },
  ]);
}

function digestText(digest: string | undefined, verbose: boolean): string {
  if (digest === undefined) return "-";
  return verbose ? digest : digest.slice(0, 19);
}
