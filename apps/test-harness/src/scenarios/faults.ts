import assert from "node:assert/strict";
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { eachCrashPoint, flipByte, fullDisk, traceCalls } from "@bootc-store/lab";
import type { HarnessScenario } from "../scenario.ts";
import { sampleTree } from "./peers.ts";

const objectsOf = (repo: string): string[] =>
  readdirSync(join(repo, "objects"), { recursive: true })
    .map(String)
    .filter((name) => /\.\w+$/.test(name))
    .sort();

/** The faults by themselves: that a planted one is seen by a peer that is known to be right. */
export const faultScenarios: readonly HarnessScenario[] = [
  {
    id: "faults/ostree/flipped-byte",
    title: "ostree fsck finds one flipped byte in an object",
    needs: { root: true, peers: ["ostree"] },
    async run(t) {
      const { ostree } = t.lab.peers;
      const at = { cwd: t.scratch, signal: t.signal };
      sampleTree(join(t.scratch, "tree"), t.seed);
      await ostree.succeed(["init", "--repo=repo", "--mode=bare-user"], at);
      await ostree.succeed(["--repo=repo", "commit", "-b", "main", "--tree=dir=tree"], at);
      const objects = objectsOf(join(t.scratch, "repo")).filter((name) => name.endsWith(".file"));
      const object = objects[t.seed % objects.length];
      assert.ok(object !== undefined);
      await t.step(`flip a byte of ${object}`, () => flipByte(join(t.scratch, "repo/objects", object), 0));
      const fsck = await t.step("fsck", () => ostree.run(["--repo=repo", "fsck"], at));
      assert.notEqual(fsck.code, 0);
      assert.match(fsck.errorText, /corrupt/i);
    },
  },
  {
    id: "faults/ostree/full-disk",
    title: "ostree commit fails on a full disk and succeeds when there is room",
    needs: { root: true, peers: ["ostree"], filesystems: ["small"] },
    async run(t) {
      const { ostree } = t.lab.peers;
      const at = { cwd: t.scratch, signal: t.signal };
      await ostree.succeed(["init", "--repo=repo", "--mode=archive"], at);
      // Ostree keeps 3 % free by itself: the kernel shall say it.
      await ostree.succeed(["--repo=repo", "config", "set", "core.min-free-space-percent", "0"], at);
      await using elsewhere = t.lab.scratch();
      sampleTree(elsewhere.path, t.seed);
      const commit = ["--repo=repo", "commit", "-b", "main", `--tree=dir=${elsewhere.path}/usr/bin`];
      {
        await using _full = await fullDisk(t.scratch);
        const failed = await t.step("commit on the full disk", () => ostree.run(commit, at));
        assert.notEqual(failed.code, 0);
        assert.match(failed.errorText, /no space left/i);
      }
      await t.step("commit again", () => ostree.succeed(commit, at));
      await t.step("fsck", () => ostree.succeed(["--repo=repo", "fsck"], at));
    },
  },
  {
    id: "faults/ostree/killed-commit",
    title:
      "an ostree commit killed before any call leaves no ref that is not whole, and a second one finishes",
    needs: { root: true, peers: ["ostree"] },
    async run(t) {
      const { ostree } = t.lab.peers;
      const at = { cwd: t.scratch, signal: t.signal };
      sampleTree(join(t.scratch, "tree"), t.seed);
      const repo = join(t.scratch, "repo");
      const args = ["--repo=repo", "commit", "-b", "main", "--tree=dir=tree"];
      const init = async (): Promise<void> => {
        rmSync(repo, { recursive: true, force: true });
        await ostree.succeed(["init", "--repo=repo", "--mode=archive"], at);
      };
      await init();
      const whole = await t.step("count the calls", () =>
        traceCalls({ command: ostree.command(args, t.scratch), below: repo, signal: t.signal }),
      );
      assert.ok(whole.calls.length > 50, `only ${whole.calls.length} calls`);
      t.note(`${whole.calls.length} calls that change the repository`);
      const points = await t.step("kill", () =>
        eachCrashPoint({
          step: Math.ceil(whole.calls.length / 12),
          signal: t.signal,
          async prepare() {
            await init();
            return { command: ostree.command(args, t.scratch), below: repo };
          },
          // Its objects become visible one by one before the ref does: until then a commit may lack its tree, which
          // fsck says. What a ref names must be whole.
          async check() {
            const { text } = await ostree.succeed(["--repo=repo", "refs"], at);
            if (text.includes("main")) await ostree.succeed(["--repo=repo", "fsck"], at);
            await ostree.succeed(args, at);
            await ostree.succeed(["--repo=repo", "fsck"], at);
          },
        }),
      );
      assert.ok(points >= 10, `only ${points} crash points`);
    },
  },
];
