import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { buildOciLayout, type Comparison, isTreeName, type Lab, succeed } from "@bootc-store/lab";
import type { BenchInput } from "./inputs.ts";
import { ourProgram } from "./our-program.ts";

const NAME = "localhost/bench:v1";

/** What the tools do one after another for what a pull does: `$1` the layout, `$2` a new directory. */
const TOOLS = `
set -e
graph=$2/root run=$2/run
skopeo --insecure-policy copy -q "$1" "containers-storage:[overlay@$graph+$run]${NAME}"
tree=$(podman --root "$graph" --runroot "$run" --storage-driver overlay image mount ${NAME})
mkcomposefs --digest-store="$2/objects" "$tree" "$2/image" > /dev/null
ostree --repo="$2/repo" init --mode=bare
ostree --repo="$2/repo" commit -b os --tree=dir="$tree" > /dev/null
podman --root "$graph" --runroot "$run" --storage-driver overlay image umount ${NAME} > /dev/null
`;

/** An image into all three stores of a root on XFS, beside the tools that fill one store each. */
export async function mainJobComparisons(
  lab: Lab,
  input: BenchInput,
  log: (line: string) => void,
): Promise<readonly Comparison[]> {
  const needed = ["skopeo", "podman", "mkcomposefs", "ostree"] as const;
  const missing = lab.missing({ root: true, peers: needed, filesystems: ["xfs"] });
  if (!isTreeName(input.name) || missing !== undefined) return [];
  const { reference } = await buildOciLayout(input.name, lab, { log });
  // Gone with the session.
  const disk = await lab.filesystem("xfs", { size: 16 * 2 ** 30 });
  const place = (whose: string, round: number): string => join(disk.path, `${whose}-${round}`);
  const fresh =
    (whose: string) =>
    async (round: number): Promise<void> => {
      mkdirSync(join(place(whose, round), whose === "ours" ? "ostree" : ""), { recursive: true });
      await succeed(["sync", "-f", disk.path]);
    };
  const gone =
    (whose: string) =>
    async (round: number): Promise<void> => {
      // skopeo leaves the directory of layers mounted on itself.
      const graph = join(place(whose, round), "root/overlay");
      await succeed(["sh", "-c", 'umount "$1" 2>/dev/null || true', "sh", graph]);
      rmSync(place(whose, round), { recursive: true, force: true });
      await succeed(["sync", "-f", disk.path]);
    };
  return [
    {
      name: `pull ${input.name}: an oci: layout into all three stores, XFS`,
      ours: {
        name: "bootc-store",
        before: fresh("ours"),
        after: gone("ours"),
        command: (round) =>
          ourProgram("--root", place("ours", round), "pull", reference, "--insecure-policy", "--json"),
      },
      peers: [
        {
          name: "skopeo copy, mkcomposefs, ostree commit",
          before: fresh("theirs"),
          after: gone("theirs"),
          command: (round) =>
            lab.peers.sh.command(["-c", TOOLS, "sh", reference, place("theirs", round)], disk.path),
        },
      ],
    },
  ];
}
