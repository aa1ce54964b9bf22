import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SeededBytes } from "@bootc-store/lab";
import type { HarnessScenario } from "../scenario.ts";

/** A small tree that has a bit of everything the peers keep. */
export function sampleTree(directory: string, seed: number): void {
  const random = new SeededBytes(seed);
  mkdirSync(join(directory, "usr/bin"), { recursive: true });
  mkdirSync(join(directory, "usr/share/empty"), { recursive: true });
  for (let n = 0; n < 20; n++)
    writeFileSync(join(directory, `usr/share/f${n}`), random.bytes(random.below(20_000)));
  writeFileSync(join(directory, "usr/bin/tool"), random.bytes(100_000));
  chmodSync(join(directory, "usr/bin/tool"), 0o4755);
  symlinkSync("tool", join(directory, "usr/bin/link"));
  writeFileSync(join(directory, "usr/share/small"), "inline");
}

/** The peers by themselves: that they run here, on this file system, before anything of ours is held against them. */
export const peerScenarios: readonly HarnessScenario[] = [
  {
    id: "peers/ostree/commit-fsck-checkout",
    title: "ostree commits a tree, finds it sound and gives it back",
    needs: { root: true, peers: ["ostree"] },
    async run(t) {
      const { ostree } = t.lab.peers;
      t.note(`ostree ${ostree.version ?? ""}`);
      const at = { cwd: t.scratch, signal: t.signal };
      sampleTree(join(t.scratch, "tree"), t.seed);
      for (const mode of ["bare", "bare-user", "archive"]) {
        const repo = `--repo=${mode}`;
        await t.step(`init ${mode}`, () => ostree.succeed(["init", repo, `--mode=${mode}`], at));
        await t.step(`commit ${mode}`, () =>
          ostree.succeed([repo, "commit", "-b", "main", "--tree=dir=tree"], at),
        );
        await t.step(`fsck ${mode}`, () => ostree.succeed([repo, "fsck"], at));
        await t.step(`checkout ${mode}`, () =>
          ostree.succeed([repo, "checkout", "-U", "main", `out-${mode}`], at),
        );
        assert.deepEqual(
          readFileSync(join(t.scratch, `out-${mode}/usr/bin/tool`)),
          readFileSync(join(t.scratch, "tree/usr/bin/tool")),
        );
      }
    },
  },
  {
    id: "peers/composefs/image-is-reproducible",
    title: "mkcomposefs makes the same image twice, and its dump names every file",
    needs: { root: true, peers: ["mkcomposefs", "composefs-info"] },
    async run(t) {
      const { mkcomposefs, "composefs-info": info } = t.lab.peers;
      t.note(`composefs ${mkcomposefs.version ?? ""}`);
      const at = { cwd: t.scratch, signal: t.signal };
      sampleTree(join(t.scratch, "tree"), t.seed);
      const make = async (image: string): Promise<string> =>
        (await mkcomposefs.succeed(["--digest-store=objects", "--print-digest", "tree", image], at)).text;
      const first = await t.step("first image", () => make("1.cfs"));
      const second = await t.step("second image", () => make("2.cfs"));
      assert.match(first, /^[0-9a-f]{64}\n$/);
      assert.equal(second, first);
      assert.deepEqual(readFileSync(join(t.scratch, "1.cfs")), readFileSync(join(t.scratch, "2.cfs")));
      const dump = await t.step("dump", () => info.succeed(["dump", "1.cfs"], at));
      assert.equal(dump.text.match(/^\/usr\/share\/f\d+ /gm)?.length, 20);
    },
  },
  {
    id: "peers/containers-storage/copy-in-and-out",
    title: "skopeo copies an image into containers-storage and out again, the same",
    needs: { root: true, peers: ["skopeo", "umoci"], filesystems: ["ext4", "xfs", "btrfs"] },
    async run(t) {
      const { skopeo, umoci } = t.lab.peers;
      t.note(`skopeo ${skopeo.version ?? ""}`);
      const at = { cwd: t.scratch, signal: t.signal };
      sampleTree(join(t.scratch, "tree"), t.seed);
      await t.step("make the image", async () => {
        await umoci.succeed(["init", "--layout", "oci"], at);
        await umoci.succeed(["new", "--image", "oci:v1"], at);
        await umoci.succeed(["insert", "--image", "oci:v1", "tree", "/"], at);
      });
      const store = `containers-storage:[overlay@${t.scratch}/graph+${t.scratch}/run]lab:v1`;
      await t.step("copy in", () => skopeo.succeed(["--insecure-policy", "copy", "oci:oci:v1", store], at));
      await t.step("copy out", () =>
        skopeo.succeed(["--insecure-policy", "copy", "--dest-decompress", store, "dir:out"], at),
      );
      const config = async (name: string): Promise<unknown> =>
        JSON.parse((await skopeo.succeed(["inspect", "--config", name], at)).text) as unknown;
      assert.deepEqual(await config("dir:out"), await config("oci:oci:v1"));
    },
  },
  {
    id: "peers/cfsctl/init-and-fsck",
    title: "cfsctl makes a repository and finds it sound",
    needs: { root: true, peers: ["cfsctl"], filesystems: ["ext4", "xfs", "btrfs"] },
    async run(t) {
      const { cfsctl } = t.lab.peers;
      t.note(`cfsctl ${cfsctl.version ?? ""}`);
      const at = { cwd: t.scratch, signal: t.signal };
      sampleTree(join(t.scratch, "tree"), t.seed);
      await t.step("init", () => cfsctl.succeed(["--repo", "repo", "init", "--insecure"], at));
      const image = await t.step("create an image", () =>
        cfsctl.succeed(["--repo", "repo", "create-image", "tree"], at),
      );
      assert.match(image.text.trim(), /[0-9a-f]{64,128}/);
      await t.step("fsck", () => cfsctl.succeed(["--repo", "repo", "fsck"], at));
    },
  },
];
