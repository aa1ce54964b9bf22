import {
  buildOsTree,
  isSyntheticName,
  isTreeName,
  type Lab,
  LabError,
  makeSyntheticTree,
  type Scratch,
  syntheticTrees,
  treeRecipes,
} from "@bootc-store/lab";

/** A tree to work on: one of the cached operating systems, or a seeded workload made for this run. */
export interface BenchInput extends AsyncDisposable {
  name: string;
  root: string;
}

export const inputNames: readonly string[] = [...Object.keys(treeRecipes), ...Object.keys(syntheticTrees)];

export async function openInput(
  name: string,
  lab: Lab,
  seed: number,
  log: (line: string) => void,
): Promise<BenchInput> {
  if (isTreeName(name)) {
    const { root } = await buildOsTree(name, { cache: lab.cache.root, log });
    return { name, root, [Symbol.asyncDispose]: async () => undefined };
  }
  if (!isSyntheticName(name))
    throw new LabError("lab/bad-argument", `no input is called ${name}`, {
      hint: `the inputs are ${inputNames.join(", ")}`,
    });
  const scratch: Scratch = lab.scratch(name);
  log(`making ${name}: ${syntheticTrees[name]}`);
  makeSyntheticTree(name, scratch.path, { seed });
  return { name, root: scratch.path, [Symbol.asyncDispose]: () => scratch[Symbol.asyncDispose]() };
}
