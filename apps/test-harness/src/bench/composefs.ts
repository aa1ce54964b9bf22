import { rmSync } from "node:fs";
import { join } from "node:path";
import type { Command, Comparison, Lab } from "@bootc-store/lab";
import type { BenchInput } from "./inputs.ts";
import { ourProgram } from "./our-program.ts";

/** `mkcomposefs` on a tree, beside the program of that name; nothing where that is not installed. */
export function composefsComparisons(lab: Lab, input: BenchInput, scratch: string): readonly Comparison[] {
  if (!lab.peers.mkcomposefs.available) return [];
  const store = join(scratch, "objects");
  const image = join(scratch, "image");
  const fresh = (): void => rmSync(store, { recursive: true, force: true });
  const ours = (...args: string[]): Command => ourProgram("composefs", "mkcomposefs", ...args);
  const theirs = (...args: string[]): Command => lab.peers.mkcomposefs.command(args, scratch);
  const digest = ["--print-digest-only", input.root];
  const filled = [`--digest-store=${store}`, input.root, image];
  return [
    {
      name: `mkcomposefs ${input.name}: the digest of its image`,
      ours: { name: "bootc-store", command: () => ours(...digest) },
      peers: [{ name: "mkcomposefs", command: () => theirs(...digest) }],
    },
    {
      name: `mkcomposefs ${input.name}: its image, and its content in a new store`,
      ours: { name: "bootc-store", command: () => ours(...filled), before: fresh, after: fresh },
      peers: [{ name: "mkcomposefs", command: () => theirs(...filled), before: fresh, after: fresh }],
    },
  ];
}
