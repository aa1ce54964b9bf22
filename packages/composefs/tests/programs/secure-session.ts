// A session in a virtual machine, where fs-verity is: ours in this process, the other programs by a shell. Prints what came out, as JSON.
import { execFileSync, spawnSync } from "node:child_process";

import { createPool } from "@bootc-store/linux";

import { cfsctl } from "../../src/drop-ins/index.ts";
import { runTool } from "../tool-context.ts";

const pool = createPool({ size: 1 });
const said: { [step: string]: unknown } = {};

async function ours(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  const { code, out, err } = await runTool(cfsctl, argv, { cwd: "/s", pool });
  return { code, out: out.toString(), err };
}

/** Lines of a shell's output. */
function sh(script: string): string[] {
  const { stdout } = spawnSync("sh", ["-c", script], { cwd: "/s" });
  return stdout.toString().trim().split("\n");
}

/** Objects whose measured digest is not their name. */
const unsealed = (repository: string): number =>
  sh(`for f in $(find ${repository}/objects -type f); do echo $f $(fsverity measure $f 2>&1); done`).filter(
    (line) => {
      const [path = "", measured = ""] = line.split(" ");
      return measured.replace(/^sha\d+:/, "") !== path.replace(/^.*objects\//, "").replace("/", "");
    },
  ).length;

const lastLine = (text: string): string => text.trim().split("\n").at(-1) ?? "";
const count = (text: string, word: string): number => text.split(word).length - 1;

execFileSync("sh", [
  "-c",
  "mkdir -p /s/tree/usr/bin /s/tree/etc /mnt; head -c 100000 /dev/zero > /s/tree/usr/bin/large; echo small > /s/tree/etc/small",
]);
const pull = ["oci", "pull", "oci:/layout:v1", "x"];
said["init"] = [(await ours("init", "sec")).out, sh("fsverity measure sec/meta.json | sed 's/:.*//'")];
said["pull"] = (await ours("--repo", "sec", ...pull, "--bootable")).err;
said["tree"] = (await ours("--repo", "sec", "create-image", "tree", "tree")).err;
said["unsealed"] = unsealed("sec");
said["theirs"] = sh(
  "cfsctl --repo sec fsck | tail -1; cfsctl --repo sec oci fsck | tail -1; cfsctl --repo sec --require-verity images | grep -c tree",
);
said["again"] = sh("cfsctl --repo sec oci pull oci:/layout:v1 x --bootable | grep -c ' 0 B stored'");
sh("cfsctl init two");
said["both"] = [
  (await ours("--repo", "two", ...pull)).err,
  unsealed("two"),
  lastLine((await ours("--repo", "two", "fsck")).out),
];
const mounted = await ours("--repo", "sec", "oci", "mount", "x", "/mnt");
said["mount"] = [
  mounted.err,
  sh(
    "grep -o 'verity=[a-z]*' /proc/self/mountinfo; cat $(find /mnt -type f) > /dev/null && echo read; umount /mnt",
  ),
];
const [object = ""] = sh("cd sec/objects; find . -type f -size +9k | head -1");
sh(`cp sec/objects/${object} keep; rm sec/objects/${object}; cp keep sec/objects/${object}`);
said["copied"] = count((await ours("--repo", "sec", "fsck")).out, "object-verity-missing");
sh(
  `rm sec/objects/${object}; head -c 100 keep > sec/objects/${object}; fsverity enable --hash-alg=sha512 sec/objects/${object}`,
);
said["other"] = count((await ours("--repo", "sec", "fsck")).out, "object-digest-mismatch");
sh(
  "L=$(readlink two/streams/oci-layer-* | head -1 | sed 's#.*objects/##'); cp two/objects/$L k2; rm two/objects/$L; cp k2 two/objects/$L",
);
said["stream"] = [
  (await ours("--repo", "two", "oci", "compute-id", "x")).code,
  (await ours("--repo", "two", "--insecure", "oci", "compute-id", "x")).code,
];
await ours("init", "--insecure", "ins");
said["insecure"] = [
  (await ours("--repo", "ins", ...pull)).err,
  unsealed("ins"),
  (await ours("--repo", "ins", "--require-verity", "oci", "images")).err.slice(0, 60),
];
await pool[Symbol.asyncDispose]();
process.stdout.write(JSON.stringify(said));
