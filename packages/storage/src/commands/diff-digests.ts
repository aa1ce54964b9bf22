import { type CommandContext, EXIT, type Output } from "@bootc-store/backend/command";
import { printable } from "@bootc-store/core";
import type { Command } from "@commander-js/extra-typings";

import type { DigestComparison, DigestDifference } from "../whole/digest-diff.ts";
import type { EncodedTree } from "../whole/encoded-tree.ts";
import type { ExistingStores } from "../whole/existing-stores.ts";
import { withStores } from "./whole.ts";

/** `diff --digest`: why two composefs ids are not the same. */
export async function diffDigests(
  parent: Command,
  context: CommandContext,
  before: string,
  after: string,
  options: { readonly json?: true; readonly boot?: true },
): Promise<void> {
  const [{ directoryIn }, { encodedTrees }, { compareDigests, formatText }] = await Promise.all([
    import("../whole/find-tree.ts"),
    import("../whole/encoded-tree.ts"),
    import("../whole/digest-diff.ts"),
  ]);
  const compare = async (stores: ExistingStores): Promise<void> => {
    const [old, now] = await encodedTrees(stores, before, after, {
      openDir: (path) => context.openDir(path),
      pool: context.pool(),
      signal: context.signal,
      bootable: options.boot === true,
    });
    const found = await compareDigests(old, now);
    const output = context.output(options);
    const side = (name: string, tree: EncodedTree): object => {
      const { id, source, stored, exact } = tree;
      return { name, id, source, stored, exact, format: formatText(tree.format) };
    };
    const { differences, explained } = found;
    output.value({
      before: side(before, old),
      after: side(after, now),
      same: old.id === now.id,
      explained,
      differences: differences.map((each) => ({ ...each, exactPath: undefined })),
    });
    if (!output.json) print(output, found);
    if (old.id !== now.id) context.setExitCode(EXIT.findings);
  };
  // Two directories can be compared where there is no root.
  if (directoryIn(before) === undefined || directoryIn(after) === undefined)
    return await withStores(parent, context, compare);
  const { ExistingStores: Stores } = await import("../whole/existing-stores.ts");
  await compare(Stores.none());
}

function print(output: Output, { before, after, differences, explained }: DigestComparison): void {
  for (const { id, source, stored } of [before, after])
    output.line(`${id}  ${source}${stored ? "" : ", as it would be made"}`);
  if (before.id === after.id) {
    output.line("The ids are the same.");
    return;
  }
  output.line();
  for (const each of differences) output.line(lineOf(each));
  const counts = new Map<string, number>();
  for (const { attribute } of differences) counts.set(attribute, (counts.get(attribute) ?? 0) + 1);
  const sum = [...counts].map(([attribute, count]) => `${count} ${attribute}`).join(", ");
  output.line();
  output.line(
    explained
      ? `These alone make the ids differ: ${sum}.`
      : `The trees differ in these${sum === "" ? ", which are none" : `: ${sum}`}; the images are also laid out differently by the programs that wrote them.`,
  );
}

function lineOf({ path, attribute, name, before, after }: DigestDifference): string {
  const what = `${printable(path)}  ${attribute}${name === undefined ? "" : ` ${printable(name)}`}`;
  if (before === undefined && after === undefined) return what;
  const show = (value: string | undefined): string =>
    value === undefined ? "(not there)" : value === "" ? '""' : printable(value);
  return `${what}  ${show(before)} → ${show(after)}`;
}
