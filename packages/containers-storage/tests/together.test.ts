/* oxlint-disable typescript/await-thenable -- the linter does not know of async disposal in test files */
// podman, skopeo and ours on one graph root at the same time: nobody fails in a way that the real tools alone would not, and
// the store is sound in the end. `BOOTC_STORE_LONG=1`: for 20 minutes.

import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { openLab, run, type RunResult } from "@bootc-store/lab";
import { afterAll, describe, expect, test } from "vitest";

import { imageOfTars, writeLayout } from "./helpers/layout.ts";
import { openStore, pathsIn } from "./helpers/store.ts";
import { tar } from "./helpers/tar.ts";

const PROGRAM = fileURLToPath(new URL("helpers/program.ts", import.meta.url));
/** A quarter of a minute, or 20; or as many as are asked for. */
const MINUTES = Number(
  process.env["BOOTC_STORE_MINUTES"] ?? (process.env["BOOTC_STORE_LONG"] === "1" ? 20 : 0.25),
);

/** Processes that wait for each other's locks on a machine with other work; only what never ends is to be found. */
const PATIENCE = { timeout: 600_000 };

const lab = openLab();
const missing = lab.missing({ root: true, peers: ["podman", "skopeo", "containers-storage"] });
const { podman, skopeo, "containers-storage": cli } = lab.peers;
afterAll(() => lab.close());

/** What happens when somebody else was faster. */
const EXPECTED =
  /image not known|no such image|not found in local|does not exist|layer not known|identifier is not an image|image-not-found|layer-not-found|unable to find|reading manifest|in use|is mounted|layer-incomplete|is not there any more|locating item|is not a layer, image, or container/i;

describe.skipIf(missing !== undefined)(`together${missing === undefined ? "" : ` (${missing})`}`, () => {
  test("pull, tag, delete, mount and check at random from four processes", async () => {
    await using scratch = lab.scratch();
    const paths = pathsIn(join(scratch.path, "store"));
    openStore(paths).close();
    const shared = tar([{ name: "shared", content: Buffer.alloc(100_000, 1) }]);
    const layouts = await Promise.all(
      [0, 1, 2].map(async (at) => {
        const path = join(scratch.path, `layout${at}`);
        await writeLayout(path, imageOfTars([shared, tar([{ name: `own${at}`, content: `${at}` }])]));
        return path;
      }),
    );
    let seed = 1;
    const random = (below: number): number => {
      seed = (seed * 48271) % 2147483647;
      return seed % below;
    };
    const name = (at: number): string => `localhost/i${at}:v1`;
    const own = (...args: string[]): Promise<RunResult> =>
      run(
        [process.execPath, "--conditions=@bootc-store/source", PROGRAM, paths.root, paths.run, ...args],
        PATIENCE,
      );
    const operations: readonly (() => Promise<RunResult>)[] = [
      () => own("pull", layouts[random(3)] ?? "", name(random(3))),
      () => own("pull", layouts[random(3)] ?? "", name(random(3))),
      () => own("tag", name(random(3)), name(random(5))),
      () => own("untag", name(random(3)), name(random(5))),
      () => own("delete", name(random(3))),
      () => own("list"),
      () => own("check"),
      () =>
        skopeo.run(
          [
            "--insecure-policy",
            "copy",
            "-q",
            `oci:${layouts[random(3)]}:v1`,
            paths.reference(name(random(3))),
          ],
          PATIENCE,
        ),
      () =>
        skopeo.run(
          [
            "--insecure-policy",
            "copy",
            "-q",
            `oci:${layouts[random(3)]}:v1`,
            paths.reference(name(random(3))),
          ],
          PATIENCE,
        ),
      () => podman.run([...paths.podman, "tag", name(random(3)), name(random(5))], PATIENCE),
      () => podman.run([...paths.podman, "rmi", "-f", name(random(3))], PATIENCE),
      () => podman.run([...paths.podman, "images", "-q"], PATIENCE),
      () => podman.run([...paths.podman, "image", "mount", name(random(3))], PATIENCE),
      () => podman.run([...paths.podman, "image", "umount", "-a"], PATIENCE),
      () => cli.run([...paths.cli, "images"], PATIENCE),
    ];
    const end = Date.now() + MINUTES * 60_000;
    const counts = { done: 0, expected: 0 };
    const unexpected: string[] = [];
    await Promise.all(
      [0, 1, 2, 3].map(async () => {
        while (Date.now() < end) {
          const { code, errorText, text, command } = await (
            operations[random(operations.length)] as () => Promise<RunResult>
          )();
          counts.done++;
          if (code === 0) continue;
          if (EXPECTED.test(errorText + text)) counts.expected++;
          else unexpected.push(`${command.join(" ")}: ${code} ${errorText}`);
        }
      }),
    );
    expect(unexpected).toEqual([]);
    // A mount is counted, so what was mounted twice is still mounted when each image was unmounted once.
    await podman.run([...paths.podman, "image", "umount", "--all", "--force"]);
    const check = await cli.run([...paths.cli, "check"]);
    expect([check.code, check.text, check.errorText]).toEqual([0, "", ""]);
    await using store = openStore(paths);
    const findings = await Array.fromAsync(store.verify());
    expect(findings.filter(({ severity }) => severity === "error")).toEqual([]);
    for (const place of ["overlay/tempdirs", "overlay-layers/tmp"])
      expect(readdirSync(join(paths.root, place))).toEqual([]);
    console.log(`${counts.done} operations, ${counts.expected} of them too late`);
  }, 1_800_000);
});
