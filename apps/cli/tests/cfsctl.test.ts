/* oxlint-disable typescript/await-thenable -- the linter does not know of async disposal in test files */
// The program as cfsctl, with an image out of containers-storage on a file system that shares blocks.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";

import { buildOciLayout, openLab } from "@bootc-store/lab";
import { afterAll, describe, expect, test } from "vitest";

const MAIN = join(import.meta.dirname, "../src/main.ts");

const lab = openLab();
const LONG = process.env["BOOTC_STORE_LONG"] === "1";
const why =
  lab.missing({ root: true, peers: ["cfsctl", "skopeo", "umoci"], filesystems: ["xfs", "ext4"] }) ??
  (LONG ? undefined : "only with BOOTC_STORE_LONG=1");
afterAll(() => lab.close());

describe.skipIf(why !== undefined)(`out of containers-storage${why === undefined ? "" : ` (${why})`}`, () => {
  test.each([
    ["xfs", "reflinked"],
    ["ext4", "hardlinked"],
  ] as const)(
    "%s: what is shared is %s, as by cfsctl",
    async (kind, how) => {
      await using system = await lab.filesystem(kind, { size: 2 ** 30 });
      const { reference } = await buildOciLayout("small", lab);
      const graph = join(system.path, "root");
      const to = `containers-storage:[overlay@${graph}+${join(system.path, "run")}]localhost/x:v1`;
      await lab.peers.skopeo.succeed(["--insecure-policy", "copy", "-q", reference, to]);
      // skopeo leaves the directory of layers mounted on itself, and nothing can be linked out of that.
      spawnSync("umount", [join(graph, "overlay")]);
      mkdirSync(join(system.path, "repositories"));
      const pull = ["oci", "pull", "containers-storage:localhost/x:v1", "x", "--local-fetch", "zerocopy"];
      const said: string[] = [];
      const links: string[][] = [];
      for (const whose of ["ours", "theirs"]) {
        const repository = join(system.path, "repositories", whose);
        await lab.peers.cfsctl.succeed(["init", "--insecure", repository]);
        const argv = ["--repo", repository, ...pull];
        const env = { ...process.env, CONTAINERS_STORAGE_ROOT: graph };
        const node = ["--conditions=@bootc-store/source", MAIN, "--called-as=cfsctl"];
        const [program, ...args] =
          whose === "ours"
            ? [process.execPath, ...node, ...argv]
            : lab.peers.cfsctl.command(argv, system.path);
        const done = spawnSync(program, args, { env, encoding: "utf8" });
        expect([whose, done.status, done.stderr]).toEqual([whose, 0, ""]);
        said.push(done.stdout.replace(/^verity .*\n/m, ""));
        const list = ["images", "streams"].flatMap((folder) =>
          readdirSync(join(repository, folder))
            .filter((name) => name !== "refs" && !name.startsWith("oci-manifest-"))
            .map((name) => `${name} ${readlinkSync(join(repository, folder, name))}`),
        );
        links.push(list.sort());
        const { text } = await lab.peers.cfsctl.succeed(["--repo", repository, "fsck"]);
        expect(text).toContain("status: ok");
      }
      expect(said[0]).toContain(` ${how} `);
      expect(said[0]).toBe(said[1]);
      expect(links[0]).toEqual(links[1]);
      expect(existsSync(join(graph, "overlay-images/images.json"))).toBe(true);
    },
    300_000,
  );
});
