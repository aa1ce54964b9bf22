import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Command, Comparison, Contender, Lab } from "@bootc-store/lab";
import type { BenchInput } from "./inputs.ts";
import { ourProgram } from "./our-program.ts";

const MODES = ["bare", "bare-user", "archive"] as const;
/** Trees of 1 GB that are kept until the disk gets tight. */
const MANY = 24;
const BRANCH = "bench/os";

/** The stand-in for `ostree` beside ostree itself, both with their usual syncs; nothing where that is not installed. */
export function ostreeComparisons(lab: Lab, input: BenchInput, scratch: string): readonly Comparison[] {
  const peer = lab.peers.ostree;
  if (!peer.available) return [];
  const theirs = (...args: string[]): Command => peer.command(args, scratch);
  const ours = (...args: string[]): Command => ourProgram("--called-as=ostree", ...args);
  const fresh = join(scratch, "fresh");
  const source = join(scratch, "source");
  const target = join(scratch, "target");
  const commit = (repo: string): string[] => [
    `--repo=${repo}`,
    "commit",
    "-b",
    BRANCH,
    "--timestamp=@1",
    input.root,
  ];
  const aside = join(scratch, "aside");
  let kept = 0;
  /** Out of the way. It is not removed yet: for minutes afterwards ext4 would pass over the inodes one by one. */
  function remove(path: string): void {
    if (!existsSync(path)) return;
    if (kept >= MANY) {
      rmSync(aside, { recursive: true });
      kept = 0;
    }
    mkdirSync(aside, { recursive: true });
    renameSync(path, join(aside, String(kept++)));
  }

  async function init(repo: string, mode: string): Promise<void> {
    remove(repo);
    await peer.succeed([`--repo=${repo}`, "init", `--mode=${mode}`]);
  }

  let filled = false;
  /** A repository that the reading stages read, made once. */
  async function filledSource(): Promise<void> {
    if (filled) return;
    await init(source, "bare");
    await peer.succeed(commit(source), { timeout: 600_000 });
    filled = true;
  }

  function pair(
    name: string,
    args: readonly string[],
    around: Omit<Contender, "name" | "command">,
  ): Comparison {
    return {
      name: `ostree ${input.name}: ${name}`,
      ours: { name: "bootc-store", command: () => ours(...args), ...around },
      peers: [{ name: "ostree", command: () => theirs(...args), ...around }],
    };
  }

  const read = (name: string, args: readonly string[], after = (): void => {}): Comparison =>
    pair(name, [`--repo=${source}`, ...args], {
      before: async () => {
        await filledSource();
        after();
      },
      after,
    });
  const gone = (): void => remove(target);
  const startUp = (name: string, ...args: string[]): Comparison => ({
    name: `ostree ${input.name}: ${name}, and an empty Node`,
    ours: { name: "bootc-store", command: () => ours(`--repo=${source}`, ...args), before: filledSource },
    peers: [{ name: "node -e 0", command: () => [process.execPath, "-e", "0"] }],
  });
  return [
    ...MODES.map((mode) =>
      pair(`commit into ${mode}`, commit(fresh), {
        before: () => init(fresh, mode),
        after: () => remove(fresh),
      }),
    ),
    read("checkout with links", ["checkout", "-H", BRANCH, target], gone),
    read("checkout with copies", ["checkout", "-C", BRANCH, target], gone),
    read("fsck", ["fsck", "-q"]),
    pair("pull-local into bare", [`--repo=${fresh}`, "pull-local", source, BRANCH], {
      before: async () => {
        await filledSource();
        await init(fresh, "bare");
      },
      after: () => remove(fresh),
    }),
    pair("pull-local into archive", [`--repo=${fresh}`, "pull-local", source, BRANCH], {
      before: async () => {
        await filledSource();
        await init(fresh, "archive");
      },
      after: () => remove(fresh),
    }),
    startUp("refs", "refs"),
    startUp("rev-parse", "rev-parse", BRANCH),
  ];
}
