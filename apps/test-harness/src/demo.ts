// `pnpm demo`: makes a physical root of three stores and shows what the program sees in it. Where the real tools are
// there and the user is root, they fill the stores; else the places are made by ourselves, and stay empty. The root is
// left for the person to play with.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { utf8 } from "@bootc-store/core";
import { type Lab, openLab } from "@bootc-store/lab";
import { Dir } from "@bootc-store/linux";
import { ensureComposefsBootcLink, ensureComposefsDir } from "@bootc-store/storage";

const MAIN = join(import.meta.dirname, "../../cli/src/main.ts");

function bootcStore(...args: string[]): void {
  console.log(`\n$ bootc-store ${args.join(" ")}`);
  const child = spawnSync(process.execPath, ["--conditions=@bootc-store/source", MAIN, ...args], {
    stdio: "inherit",
  });
  if (child.status !== 0) throw new Error(`bootc-store ended with ${child.status ?? child.signal}`);
}

/** An image's worth of files, as bytes that are the same each time. */
function makeOs(path: string): void {
  for (const dir of ["usr/bin", "usr/etc", "usr/lib/modules/6.0.0"])
    mkdirSync(join(path, dir), { recursive: true });
  writeFileSync(join(path, "usr/lib/os-release"), 'ID=demo\nPRETTY_NAME="Demo OS 1"\nVERSION_ID=1\n');
  writeFileSync(join(path, "usr/lib/modules/6.0.0/vmlinuz"), Buffer.alloc(100_000, "kernel"));
  writeFileSync(join(path, "usr/lib/modules/6.0.0/initramfs.img"), Buffer.alloc(200_000, "initramfs"));
  for (let index = 0; index < 50; index++)
    writeFileSync(join(path, `usr/bin/tool-${index}`), Buffer.alloc(index * 1000, `${index}`));
}

/** Three stores as their own tools make them: a deployment, an image in a repository, an image in a graph root. */
async function fillByTools(lab: Lab, base: string, rootPath: string): Promise<void> {
  const { ostree, umoci, skopeo, cfsctl } = lab.peers;
  const say = (what: string): void => console.log(`  ${what}`);
  const repo = join(rootPath, "ostree/repo");
  const os = join(base, "os");

  await ostree.succeed(["admin", "init-fs", "--modern", rootPath]);
  await ostree.succeed(["admin", "os-init", "demo", `--sysroot=${rootPath}`]);
  await ostree.succeed([
    "commit",
    `--repo=${repo}`,
    "-b",
    "demo/1",
    `--tree=dir=${os}`,
    "--bootable",
    "--add-metadata-string=version=1",
  ]);
  await ostree.succeed(["admin", "deploy", `--sysroot=${rootPath}`, "--os=demo", "--karg=rw", "demo/1"]);
  say(`ostree ${ostree.version ?? ""}: a commit, and a deployment of it`);

  const layout = join(base, "layout");
  await umoci.succeed(["init", "--layout", layout]);
  await umoci.succeed(["new", "--image", `${layout}:1`]);
  await umoci.succeed(["insert", "--image", `${layout}:1`, os, "/"]);
  using root = Dir.openHost(utf8(rootPath));
  say(
    `composefs directory ${ensureComposefsDir(root)}, ostree/bootc as a link: ${ensureComposefsBootcLink(root)}`,
  );
  const repository = join(rootPath, "composefs");
  await cfsctl.succeed(["--repo", repository, "init", "--insecure"]);
  await cfsctl.succeed(["--repo", repository, "oci", "pull", `oci:${layout}:1`, "localhost/demo:1"]);
  say(`cfsctl ${cfsctl.version ?? ""}: an image pulled into the repository`);

  const store = join(rootPath, "composefs/bootc/storage");
  const copy = [
    "--insecure-policy",
    "copy",
    `oci:${layout}:1`,
    `containers-storage:[overlay@${store}+${join(base, "run")}]localhost/demo:1`,
  ];
  await skopeo.succeed(copy);
  say(`skopeo ${skopeo.version ?? ""}: the same image in the graph root`);
}

const base = mkdtempSync(join(tmpdir(), "bootc-store-demo-"));
const rootPath = join(base, "root");
mkdirSync(rootPath);
makeOs(join(base, "os"));
console.log(`A physical root in ${rootPath}`);
await using lab = openLab();
const missing = lab.missing({ root: true, peers: ["ostree", "umoci", "skopeo", "cfsctl"] });
if (missing === undefined) await fillByTools(lab, base, rootPath);
else {
  console.log(`  its stores stay empty: ${missing}`);
  for (const dir of ["ostree", "boot", "state"]) mkdirSync(join(rootPath, dir), { recursive: true });
  using root = Dir.openHost(utf8(rootPath));
  console.log(
    `  composefs directory ${ensureComposefsDir(root)}, ostree/bootc as a link: ${ensureComposefsBootcLink(root)}`,
  );
}
bootcStore("--root", rootPath, "status");
bootcStore("--root", rootPath, "doctor");
console.log(
  `\nThe root is left there for you: npx pnpm@12 -s bootc-store --root ${rootPath} status --verbose`,
);
