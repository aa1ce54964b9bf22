/* oxlint-disable typescript/await-thenable -- the linter does not know of async disposal in test files */
// podman runs a program out of an image that we wrote, and leaves the store as it was.

import { readFileSync } from "node:fs";

import { openLab } from "@bootc-store/lab";
import { afterAll, describe, expect, test } from "vitest";

import { helloProgram } from "./helpers/elf.ts";
import { imageOfTars } from "./helpers/layout.ts";
import { openStore, pathsIn, type StorePaths } from "./helpers/store.ts";
import { tar } from "./helpers/tar.ts";

const NAME = "localhost/hello:v1";
const TEXT = "hello from an image\n";
const PROGRAM = helloProgram(TEXT);

const lab = openLab();
const missing =
  PROGRAM === undefined
    ? "no program can be made for this machine"
    : lab.missing({ root: true, peers: ["podman", "containers-storage"] });
const { podman, sh, "containers-storage": cli } = lab.peers;
afterAll(() => lab.close());

/** podman in a mount namespace of its own, without the cgroup v2 of a hybrid machine, which crun refuses. */
function command({ podman: options }: StorePaths): string {
  const settings = "--cgroup-manager=cgroupfs --events-backend=none --runtime=crun";
  const flags = "--rm --network=none --log-driver=none --cgroups=disabled";
  const run = `podman ${options.join(" ")} ${settings} run ${flags} ${NAME}`;
  return `unshare -m sh -c 'umount /sys/fs/cgroup/unified 2>/dev/null; exec ${run}'`;
}

describe.skipIf(missing !== undefined)(`podman run${missing === undefined ? "" : ` (${missing})`}`, () => {
  test("a static program of two layers, and nothing of the container is left", async (context) => {
    await using scratch = lab.scratch();
    const paths = pathsIn(scratch.path);
    const program = PROGRAM as Buffer;
    {
      await using store = openStore(paths);
      const layers = [
        tar([
          { name: "usr/", type: "5", mode: 0o755 },
          { name: "usr/hello", mode: 0o755, content: program },
          { name: "hello", content: "in the way" },
        ]),
        tar([{ name: "hello", type: "2", mode: 0o777, link: "usr/hello" }]),
      ];
      await store.writeImage(imageOfTars(layers, { config: { Entrypoint: ["/hello"] } }), { names: [NAME] });
    }
    const ran = await sh.run(["-c", command(paths)]);
    const cannotStart = /OCI runtime error|cgroup|namespace|operation not permitted/i;
    if (ran.code !== 0 && cannotStart.test(ran.errorText)) {
      const at = (await podman.succeed([...paths.podman, "image", "mount", NAME])).text.trim();
      const { stdout } = await sh.succeed(["-c", `cat ${at}/usr/hello`]);
      expect(stdout.equals(program)).toBe(true);
      await podman.succeed([...paths.podman, "image", "umount", NAME]);
      context.skip(`mounted and compared, since no container starts here: ${ran.errorText.trim()}`);
    }
    expect([ran.code, ran.text, ran.errorText]).toEqual([0, TEXT, ""]);
    await using store = openStore(paths);
    expect(await store.containers()).toEqual([]);
    expect((await store.layers()).length).toBe(2);
    expect(JSON.parse(readFileSync(`${paths.root}/overlay-layers/volatile-layers.json`, "utf8"))).toEqual([]);
    expect((await Array.fromAsync(store.verify())).filter(({ severity }) => severity !== "note")).toEqual([]);
    const check = await cli.run([...paths.cli, "check"]);
    expect([check.code, check.text, check.errorText]).toEqual([0, "", ""]);
  });
});
