/* oxlint-disable typescript/await-thenable -- the linter does not know of async disposal in test files */
// A whole system's image in three stores: the tools that own them show one and the same tree, and the ids are theirs. A small
// system, and with `BOOTC_STORE_LONG=1` one of 1 GB.
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";

import { utf8 } from "@bootc-store/core";
import { buildOciLayout, openLab } from "@bootc-store/lab";
import { createPool, Dir } from "@bootc-store/linux";
import { openImageSource, parseImageReference } from "@bootc-store/oci";
import { afterAll, describe, expect, test } from "vitest";

import { imageOfSource, PhysicalStores, pull } from "../src/index.ts";

const NAME = "localhost/os:1";
const TREES = process.env["BOOTC_STORE_LONG"] === "1" ? (["small", "os"] as const) : (["small"] as const);
const PATIENCE = { timeout: 600_000, maxOutput: 1 << 28 };

const lab = openLab();
const pool = createPool({ size: 2 });
afterAll(async () => {
  lab.close();
  await pool[Symbol.asyncDispose]();
});
const missing = lab.missing({
  root: true,
  peers: ["skopeo", "podman", "cfsctl", "ostree", "containers-storage", "composefs-info"],
  filesystems: ["xfs"],
});
const { podman, cfsctl, ostree, sh, "composefs-info": info } = lab.peers;

/** What is below a directory that the tools see: kind, mode, owner, seconds and target of everything, and a digest of each content. */
async function listing(path: string): Promise<string[]> {
  const { text } = await sh.succeed(
    [
      "-c",
      `cd ${path} && find . -printf '%p %y %m %U:%G %Ts %l\\n' && find . -type f -size +0 -print0 | xargs -0 sha256sum`,
    ],
    PATIENCE,
  );
  // The top has the metadata of /usr in composefs; what is below /run is no part of an image there.
  return text
    .split("\n")
    .filter((line) => !/^\. |^$|(?:^|  )\.\/run[/ ]/.test(line))
    .sort();
}

describe.skipIf(missing !== undefined)(
  `one tree in three stores (${missing ?? "asking the real tools"})`,
  () => {
    test.each(TREES)(
      "%s",
      async (tree) => {
        const { reference } = await buildOciLayout(tree, lab);
        await using fs = await lab.filesystem("xfs", { size: 8 * 2 ** 30 });
        for (const name of ["root/ostree", "run", "mnt"]) mkdirSync(join(fs.path, name), { recursive: true });
        using host = Dir.openHost(utf8("/"));
        using root = Dir.openHost(utf8(join(fs.path, "root")));
        using run = Dir.openHost(utf8(join(fs.path, "run")));
        const from = parseImageReference(reference);
        await using image = await imageOfSource(await openImageSource(from, { host: { root: host } }));
        await using stores = new PhysicalStores(root, run, { pool });
        const result = await pull(stores, { image, reference: from, name: NAME, bootable: true });
        const repository = ["--repo", join(fs.path, "root/composefs")];

        const graph = join(fs.path, "root/ostree/bootc/storage");
        const options = ["--root", graph, "--runroot", join(fs.path, "run"), "--storage-driver", "overlay"];
        const mounted = (await podman.succeed([...options, "image", "mount", NAME])).text.trim();
        const wanted = await listing(mounted);
        await podman.succeed([...options, "image", "umount", NAME]);
        expect(wanted.length).toBeGreaterThan(1000);

        // The kernel mounts our image over our objects.
        const mount = join(fs.path, "mnt");
        await cfsctl.succeed([...repository, "oci", "mount", NAME, mount]);
        expect(await listing(mount)).toEqual(wanted);
        await sh.succeed(["-c", `umount ${mount}`]);

        // Ids are those that cfsctl gives the image.
        const other = ["--repo", join(fs.path, "other")];
        await cfsctl.succeed([...other, "init", "--insecure"]);
        await cfsctl.succeed([...other, "oci", "pull", "--bootable", reference, NAME], PATIENCE);
        for (const more of [[], ["--bootable"]]) {
          const id = async (which: readonly string[]): Promise<string> =>
            (await cfsctl.succeed([...which, "oci", "compute-id", ...more, NAME], PATIENCE)).text.trim();
          expect(await id(repository)).toBe(await id(other));
        }
        const images = (which: string): string[] => readdirSync(join(fs.path, which, "images")).sort();
        expect(images("root/composefs")).toEqual(images("other"));

        // The images are EROFS to those who know nothing of composefs.
        for (const id of images("root/composefs").filter((name) => name !== "refs")) {
          const path = join(fs.path, "root/composefs/images", id);
          await sh.succeed(["-c", `fsck.erofs ${path} > /dev/null`], PATIENCE);
          const listed = (await info.succeed(["ls", path], PATIENCE)).text.trimEnd().split("\n");
          expect(listed.length).toBeGreaterThan(1000);
        }

        // The merge commit has the same files, at their places in a deployment.
        const repo = `--repo=${join(fs.path, "root/ostree/repo")}`;
        const commit = result.ostree?.commit ?? "";
        const names = (
          await ostree.succeed([repo, "ls", "-R", "--nul-filenames-only", commit], PATIENCE)
        ).text
          .split("\0")
          .filter((name) => name !== "" && name !== "/");
        const files = new Set(names.map((name) => `.${name.replace(/^\/usr\/etc(?=\/|$)/, "/etc")}`));
        const lost = wanted
          .flatMap((line) => /^(\.\/\S+) f /.exec(line)?.[1] ?? [])
          // What a commit has no place for: /var is the machine's, /boot and others are emptied.
          .filter((name) => !/^\.\/(?:var|boot|dev|proc|sys|run|tmp)\//.test(name) && !files.has(name));
        expect(lost).toEqual([]);

        await ostree.succeed([repo, "fsck", "-q"], PATIENCE);
        await cfsctl.succeed([...repository, "fsck"], PATIENCE);
        await cfsctl.succeed([...repository, "oci", "fsck"], PATIENCE);
        const check = ["--graph", graph, "--run", join(fs.path, "run"), "check"];
        expect((await lab.peers["containers-storage"].run(check, PATIENCE)).text).toBe("");
      },
      900_000,
    );
  },
);
