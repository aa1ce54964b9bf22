import { type CommandContext, EXIT, type Output } from "@bootc-store/backend/command";
import { printable } from "@bootc-store/core";
import type { Command } from "@commander-js/extra-typings";

import { bytesText } from "../bytes-text.ts";
import { storageErrors } from "../errors.ts";
import type { TreeDifference } from "../whole/diff.ts";
import type { ExistingStores } from "../whole/existing-stores.ts";
import { diffDigests } from "./diff-digests.ts";
import { withStores } from "./whole.ts";

/** `diff`: two trees, wherever they are. */
export function registerDiff(parent: Command, context: CommandContext): void {
  parent
    .command("diff")
    .description("tell how two images, commits or directories differ: files, contents and metadata")
    .argument("<before>", "STORE:NAME, a name in any store, or a directory as dir:PATH, /PATH or ./PATH")
    .argument("<after>", "the same")
    .option("--json", "print the differences as JSON")
    .option("--no-mtime", "times do not count")
    .option("--digest", "name each attribute that makes the composefs ids differ")
    .option("--boot", "with --digest: the ids of the images for booting")
    .action(async (before, after, options) => {
      if (options.digest === true) {
        if (!options.mtime)
          throw storageErrors.error("argument-invalid", "--no-mtime: an id depends on times, so they count");
        await diffDigests(parent, context, before, after, options);
        return;
      }
      if (options.boot === true) throw storageErrors.error("argument-invalid", "--boot goes with --digest");
      const [{ directoryIn, findTree }, { diffFound }] = await Promise.all([
        import("../whole/find-tree.ts"),
        import("../whole/diff.ts"),
      ]);
      const compare = async (stores: ExistingStores): Promise<void> => {
        const { signal } = context;
        const openDir = (path: string): ReturnType<typeof context.openDir> => context.openDir(path);
        const old = await findTree(stores, before, { openDir, signal });
        const now = await findTree(stores, after, { openDir, signal });
        const output = context.output(options);
        const differences: TreeDifference[] = [];
        const counts = { added: 0, removed: 0, changed: 0 };
        let [more, less] = [0, 0];
        const found = diffFound(old, now, { signal, ...(options.mtime ? {} : { ignore: ["mtime"] }) });
        for await (const difference of found) {
          counts[difference.type]++;
          if (difference.type === "added") more += difference.size ?? 0;
          if (difference.type === "removed") less += difference.size ?? 0;
          if (output.json) differences.push(difference);
          else print(output, difference);
        }
        const total = counts.added + counts.removed + counts.changed;
        output.value({ before, after, ...counts, addedBytes: more, removedBytes: less, differences });
        if (!output.json) {
          output.line(
            total === 0
              ? "no difference"
              : `${counts.added} added (${bytesText(more)}), ${counts.removed} removed (${bytesText(less)}), ${counts.changed} changed`,
          );
        }
        if (total > 0) context.setExitCode(EXIT.findings);
      };
      // Two directories can be compared where there is no root.
      if (directoryIn(before) === undefined || directoryIn(after) === undefined)
        return await withStores(parent, context, compare);
      const { ExistingStores: Stores } = await import("../whole/existing-stores.ts");
      await compare(Stores.none());
    });
}

const LETTERS = { added: "A", removed: "D", changed: "M" } as const;

function print(output: Output, { type, path, size, aspects = [] }: TreeDifference): void {
  const details = aspects.map(({ aspect, before, after }) =>
    before === undefined
      ? aspect
      : `${aspect} ${before === "" ? "-" : before} → ${after === "" ? "-" : after}`,
  );
  const note = type === "changed" ? details.join(", ") : size === undefined ? "" : bytesText(size);
  output.line(`${LETTERS[type]} ${printable(path)}${note === "" ? "" : `  ${printable(note)}`}`);
}
