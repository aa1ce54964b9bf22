import { rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Command, Comparison, Contender } from "@bootc-store/lab";
import type { BenchInput } from "./inputs.ts";

const ourProgram = (name: string): string => fileURLToPath(new URL(`./programs/${name}.ts`, import.meta.url));

function ours(program: string, input: BenchInput, ...args: readonly string[]): Contender {
  const command: Command = [
    process.execPath,
    "--conditions=@bootc-store/source",
    ourProgram(program),
    input.root,
    ...args,
  ];
  return { name: "bootc-store", command: () => command };
}

const shell = (script: string, ...args: string[]): Command => ["sh", "-c", script, "sh", ...args];

/** The stages that are measured on one input. `scratch` is a directory that may be written to. */
export function comparisons(input: BenchInput, scratch: string): readonly Comparison[] {
  const copy = join(scratch, "copy");
  const fresh = (): void => rmSync(copy, { recursive: true, force: true });
  return [
    {
      name: `walk ${input.name}: type, size and mode of every entry`,
      ours: ours("walk-tree", input),
      peers: [{ name: "find -printf", command: () => ["find", input.root, "-printf", "%y %s %m %P\\n"] }],
    },
    {
      name: `hash ${input.name}: SHA-256 of every file`,
      ours: ours("hash-tree", input),
      peers: [
        {
          name: "sha256sum",
          command: () => shell('find "$1" -type f -print0 | xargs -0 sha256sum', input.root),
        },
        {
          name: "sha256sum, 2 at a time",
          command: () => shell('find "$1" -type f -print0 | xargs -0 -n 200 -P 2 sha256sum', input.root),
        },
      ],
    },
    {
      name: `copy ${input.name} with all its metadata`,
      ours: { ...ours("copy-tree", input, copy), before: fresh, after: fresh },
      peers: [{ name: "cp -a", command: () => ["cp", "-a", input.root, copy], before: fresh, after: fresh }],
    },
  ];
}
