import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import {
  buildOciLayout,
  type Command,
  type Comparison,
  type Contender,
  isTreeName,
  type Lab,
  succeed,
} from "@bootc-store/lab";
import type { BenchInput } from "./inputs.ts";
import { ourProgram } from "./our-program.ts";

/** The programs of composefs on a tree and its image, beside those of that name; of those that are not installed nothing. */
export async function composefsComparisons(
  lab: Lab,
  input: BenchInput,
  scratch: string,
  log: (line: string) => void,
): Promise<readonly Comparison[]> {
  return [
    ...directoryComparisons(lab, input, scratch),
    ...(await imageComparisons(lab, input, scratch, log)),
  ];
}

function directoryComparisons(lab: Lab, input: BenchInput, scratch: string): Comparison[] {
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

/**
 * An image into repositories, and what is done with one. Each round fills a repository of its own, and nothing is removed before the
 * last one: ext4 goes through each inode that was given up lately before it takes a new one.
 */
async function imageComparisons(
  lab: Lab,
  input: BenchInput,
  scratch: string,
  log: (line: string) => void,
): Promise<Comparison[]> {
  const { cfsctl, skopeo } = lab.peers;
  if (!isTreeName(input.name) || !cfsctl.available) return [];
  const { reference } = await buildOciLayout(input.name, lab, { log });
  const ours = (...args: string[]): Command => ourProgram("composefs", "cfsctl", ...args);
  const theirs = (...args: string[]): Command => cfsctl.command(args, scratch);
  const init = async (path: string): Promise<string> => {
    await cfsctl.succeed(["init", "--insecure", path]);
    return path;
  };
  let made = 0;
  /** Both in turn, each in a place of its own that `prepare` makes before it is measured. */
  const both = (
    name: string,
    where: string,
    prepare: (path: string) => Promise<void>,
    args: (path: string) => string[],
    environment: Readonly<Record<string, string>> = {},
  ): Comparison => {
    const contender = (who: string, run: (...words: string[]) => Command): Contender => {
      let path = "";
      const env = Object.entries(environment).map(([key, value]) => `${key}=${value}`);
      return {
        name: who,
        before: async () => {
          path = join(where, `repository-${made++}`);
          mkdirSync(where, { recursive: true });
          await prepare(path);
        },
        command: () => ["env", ...env, ...run("--repo", path, ...args(path))],
      };
    };
    return { name, ours: contender("bootc-store", ours), peers: [contender("cfsctl", theirs)] };
  };
  const pull = ["oci", "pull", reference, "x"];
  let full: string | undefined;
  /** One repository with the image in it, for what changes nothing. */
  const filled = async (): Promise<string> => {
    if (full !== undefined) return full;
    full = await init(join(scratch, "repository"));
    await cfsctl.succeed(["--repo", full, ...pull], { timeout: 600_000 });
    return full;
  };
  const onFull = (name: string, ...args: string[]): Comparison => {
    const contender = (who: string, run: (...words: string[]) => Command): Contender => {
      let path = "";
      return {
        name: who,
        before: async () => void (path = await filled()),
        command: () => run("--repo", path, ...args),
      };
    };
    return { name, ours: contender("bootc-store", ours), peers: [contender("cfsctl", theirs)] };
  };
  const list = [
    both(
      `cfsctl ${input.name}: oci pull of a layout into an empty repository`,
      join(scratch, "fresh"),
      async (path) => void (await init(path)),
      () => pull,
    ),
    onFull(`cfsctl ${input.name}: oci pull again`, ...pull),
    onFull(`cfsctl ${input.name}: fsck`, "fsck"),
  ];
  if (!skopeo.available || lab.missing({ filesystems: ["xfs"] }) !== undefined) return list;
  // Gone with the session.
  const system = await lab.filesystem("xfs", { size: 8 * 2 ** 30 });
  const graph = join(system.path, "root");
  let stored = false;
  const store = async (path: string): Promise<void> => {
    await init(path);
    if (stored) return;
    stored = true;
    const to = `containers-storage:[overlay@${graph}+${join(system.path, "run")}]localhost/bench:v1`;
    await skopeo.succeed(["--insecure-policy", "copy", "-q", reference, to], { timeout: 600_000 });
    // skopeo leaves the directory of layers mounted on itself.
    await succeed(["sh", "-c", 'umount "$1" 2>/dev/null || true', "sh", join(graph, "overlay")]);
  };
  list.push(
    both(
      `cfsctl ${input.name}: oci pull out of containers-storage, XFS, nothing copied`,
      join(system.path, "repositories"),
      store,
      () => ["oci", "pull", "containers-storage:localhost/bench:v1", "x", "--local-fetch", "zerocopy"],
      { CONTAINERS_STORAGE_ROOT: graph },
    ),
  );
  return list;
}
