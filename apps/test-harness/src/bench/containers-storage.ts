import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  buildOciLayout,
  type Command,
  type Comparison,
  isTreeName,
  type Lab,
  succeed,
} from "@bootc-store/lab";
import type { BenchInput } from "./inputs.ts";
import { ourProgram } from "./our-program.ts";

const IMAGES = 500;
const NAME = "localhost/bench:v1";

function program(name: string, ...args: string[]): Command {
  const path = fileURLToPath(new URL(`../../dist/bench/programs/${name}.js`, import.meta.url));
  return [process.execPath, "--max-semi-space-size=2", path, ...args];
}

/**
 * Ours beside skopeo and podman: an image into an empty graph root, and the listing of many. Ours is the compiled program. Every
 * round fills directories of its own and nothing is removed before the last one: ext4 goes through each inode that was given up
 * in the last minutes before it takes a new one, which would be most of what is measured.
 */
export async function containersStorageComparisons(
  lab: Lab,
  input: BenchInput,
  scratch: string,
  log: (line: string) => void,
): Promise<readonly Comparison[]> {
  const { skopeo, podman } = lab.peers;
  if (!isTreeName(input.name) || !skopeo.available || !podman.available) return [];
  const { reference } = await buildOciLayout(input.name, lab, { log });
  const place = (whose: string, round: number): { readonly graph: string; readonly run: string } => {
    const path = join(scratch, `${whose}-${round}`);
    return { graph: join(path, "root"), run: join(path, "run") };
  };
  const many = place("many", 0);
  let filled = false;
  const fill = async (): Promise<void> => {
    if (filled) return;
    filled = true;
    await succeed(program("many-images", many.graph, many.run, String(IMAGES)), { timeout: 600_000 });
    // What podman makes on its first run is made.
    await podman.succeed(listing(podmanOptions(many)));
  };
  return [
    {
      name: `containers-storage ${input.name}: an oci: layout into an empty graph root`,
      ours: {
        name: "bootc-store",
        command: (round) => {
          const { graph, run } = place("ours", round);
          return program("fill-store", reference, graph, run, NAME);
        },
      },
      peers: [
        {
          name: "skopeo copy",
          command: (round) => {
            const { graph, run } = place("theirs", round);
            const to = `containers-storage:[overlay@${graph}+${run}]${NAME}`;
            return skopeo.command(["--insecure-policy", "copy", "-q", reference, to], scratch);
          },
        },
      ],
    },
    {
      name: `containers-storage: the list of ${IMAGES} images`,
      ours: {
        name: "bootc-store",
        before: fill,
        command: () =>
          ourProgram(
            "--called-as=containers-storage",
            "--graph",
            many.graph,
            "--run",
            many.run,
            "--storage-driver",
            "overlay",
            "images",
          ),
      },
      peers: [
        {
          name: "podman images",
          before: fill,
          command: () => podman.command(listing(podmanOptions(many)), scratch),
        },
      ],
    },
  ];
}

function podmanOptions({ graph, run }: { readonly graph: string; readonly run: string }): string[] {
  return ["--root", graph, "--runroot", run, "--storage-driver", "overlay"];
}

function listing(options: readonly string[]): string[] {
  return [...options, "images", "--no-trunc"];
}
