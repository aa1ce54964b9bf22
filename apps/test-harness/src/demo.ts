// `pnpm demo [IMAGE]`: the main job on real input. It makes a small OS-like image of several layers (or takes the reference
// that is given), pulls it through the three stores of a physical root, and shows what became of it. The root is on XFS,
// which shares blocks, where the user is root and can make one; else it is a plain directory. Where the tools that own the
// stores are installed, they are asked what they think.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, statfsSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

import { utf8 } from "@bootc-store/core";
import { type Lab, openLab } from "@bootc-store/lab";
import { type TarEntryToWrite, writeTar } from "@bootc-store/oci";

const MAIN = join(import.meta.dirname, "../../cli/src/main.ts");

function bootcStore(...args: string[]): void {
  console.log(`\n$ bootc-store ${args.join(" ")}`);
  const child = spawnSync(process.execPath, ["--conditions=@bootc-store/source", MAIN, ...args], {
    stdio: "inherit",
  });
  if (child.status !== 0) throw new Error(`bootc-store ended with ${child.status ?? child.signal}`);
}

const TIME = { sec: 1_700_000_000, nsec: 0 };

function dirs(...names: string[]): TarEntryToWrite[] {
  return names.map((name) => ({ entry: { type: "directory", name: utf8(`${name}/`), mtime: TIME } }));
}

function file(name: string, content: string | Buffer, mode = 0o644): TarEntryToWrite {
  const bytes = Buffer.from(content);
  return { entry: { type: "file", name: utf8(name), size: bytes.length, mode, mtime: TIME }, content: bytes };
}

/** Three layers: a system, an application over it, and an update that removes and replaces. */
const LAYERS: readonly (readonly TarEntryToWrite[])[] = [
  [
    ...dirs(
      "boot",
      "etc",
      "proc",
      "run",
      "sysroot",
      "tmp",
      "usr",
      "usr/bin",
      "usr/lib",
      "usr/lib/modules",
      "usr/lib/modules/6.0.0",
      "var",
    ),
    file("etc/hostname", "demo\n"),
    file("usr/lib/os-release", 'ID=demo\nPRETTY_NAME="Demo OS 1"\nVERSION_ID=1\n'),
    file("usr/lib/modules/6.0.0/vmlinuz", Buffer.alloc(3_000_000, "a kernel ")),
    file("usr/lib/modules/6.0.0/initramfs.img", Buffer.alloc(5_000_000, "an initramfs ")),
    ...Array.from({ length: 60 }, (_, index) =>
      file(`usr/bin/tool-${index}`, Buffer.alloc(20_000 + index * 997, `tool ${index} `), 0o755),
    ),
  ],
  [
    ...dirs("usr", "usr/bin", "usr/share", "usr/share/app"),
    file("usr/bin/app", Buffer.alloc(2_000_000, "an application "), 0o755),
    ...Array.from({ length: 40 }, (_, index) =>
      file(`usr/share/app/data-${index}`, Buffer.alloc(100_000, `data ${index} `)),
    ),
  ],
  [
    ...dirs("usr", "usr/bin", "usr/lib"),
    file("usr/bin/.wh.tool-7", ""),
    file("usr/lib/os-release", 'ID=demo\nPRETTY_NAME="Demo OS 2"\nVERSION_ID=2\n'),
  ],
];

/** Writes the demo's image as an OCI layout and returns its reference. */
async function writeLayout(path: string): Promise<string> {
  mkdirSync(join(path, "blobs/sha256"), { recursive: true });
  const blob = (
    bytes: Uint8Array,
    mediaType: string,
  ): { mediaType: string; digest: string; size: number } => {
    const hex = sha256(bytes);
    writeFileSync(join(path, "blobs/sha256", hex), bytes);
    return { mediaType, digest: `sha256:${hex}`, size: bytes.length };
  };
  const layers = [];
  const diffIds: string[] = [];
  for (const layer of LAYERS) {
    const parts: Uint8Array[] = [];
    for await (const part of writeTar(layer)) parts.push(part);
    const tar = Buffer.concat(parts);
    diffIds.push(`sha256:${sha256(tar)}`);
    layers.push(blob(gzipSync(tar, { level: 1 }), "application/vnd.oci.image.layer.v1.tar+gzip"));
  }
  const architecture = process.arch === "x64" ? "amd64" : process.arch;
  const config = blob(
    Buffer.from(
      JSON.stringify({
        architecture,
        os: "linux",
        created: "2024-01-01T00:00:00Z",
        config: { Labels: { "containers.bootc": "1" } },
        rootfs: { type: "layers", diff_ids: diffIds },
      }),
    ),
    "application/vnd.oci.image.config.v1+json",
  );
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const manifest = blob(
    Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, config, layers })),
    mediaType,
  );
  const named = { ...manifest, annotations: { "org.opencontainers.image.ref.name": "2" } };
  writeFileSync(join(path, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: [named] }));
  writeFileSync(join(path, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }));
  return `oci:${path}:2`;
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Mounts a fresh XFS at `path`, or says why not. */
function mountXfs(lab: Lab, image: string, path: string): string | undefined {
  if (process.getuid?.() !== 0) return "it needs root";
  writeFileSync(image, "");
  truncateSync(image, 1 << 30);
  const local = spawnSync("mkfs.xfs", ["-q", "-f", "-m", "reflink=1", image]);
  if (local.status !== 0) {
    const peer = lab.peers["mkfs.xfs"];
    if (!peer.available || peer.runSync(["-q", "-f", "-m", "reflink=1", image]).code !== 0)
      return "there is no mkfs.xfs";
  }
  const mounted = spawnSync("mount", ["-o", "loop", image, path], { encoding: "utf8" });
  return mounted.status === 0 ? undefined : mounted.stderr.trim();
}

async function askPeers(lab: Lab, root: string, run: string): Promise<void> {
  const questions: [keyof Lab["peers"], string[]][] = [
    ["containers-storage", ["--graph", join(root, "ostree/bootc/storage"), "--run", run, "check"]],
    ["cfsctl", ["--repo", join(root, "composefs"), "fsck"]],
    ["cfsctl", ["--repo", join(root, "composefs"), "oci", "fsck"]],
    ["ostree", [`--repo=${join(root, "ostree/repo")}`, "fsck", "-q"]],
  ];
  console.log("\nWhat the tools that own the stores say:");
  for (const [name, args] of questions) {
    const missing = lab.missing({ root: true, peers: [name] });
    if (missing !== undefined) {
      console.log(`  ${name}: not asked (${missing})`);
      continue;
    }
    const { code, text, errorText } = await lab.peers[name].run(args);
    console.log(
      `  ${name} ${args.slice(-2).join(" ").replace(root, "…")}: ${code === 0 ? "fine" : `exit ${code}`}`,
    );
    if (code !== 0) throw new Error(`${text}${errorText}`);
  }
}

/** Bytes in use on the file system of a path once everything is written, in MB. */
function used(path: string): number {
  spawnSync("sync", ["-f", path]);
  const { blocks, bfree, bsize } = statfsSync(path);
  return ((blocks - bfree) * bsize) / 1e6;
}

const [given] = process.argv.slice(2);
const base = mkdtempSync(join(tmpdir(), "bootc-store-demo-"));
const root = join(base, "root");
const run = join(base, "run");
for (const path of [root, run]) mkdirSync(path);
let plain: string | undefined;
{
  await using forMkfs = openLab();
  plain = mountXfs(forMkfs, join(base, "xfs.img"), root);
}
// Opened after the mount, which the tools are to see.
await using lab = openLab();
console.log(
  `A physical root in ${root}${plain === undefined ? ", on XFS" : `, a plain directory (no XFS: ${plain})`}`,
);
let keep = false;
try {
  for (const name of ["ostree", "boot"]) mkdirSync(join(root, name));
  const reference = given ?? (await writeLayout(join(base, "image")));

  if (process.getuid?.() === 0) {
    const before = used(root);
    bootcStore(
      "--root",
      root,
      "pull",
      reference,
      "--name",
      "localhost/demo:2",
      "--insecure-policy",
      "--runroot",
      run,
      "--into",
      "containers-storage",
    );
    const one = used(root) - before;
    bootcStore(
      "--root",
      root,
      "pull",
      reference,
      "--name",
      "localhost/demo:2",
      "--insecure-policy",
      "--runroot",
      run,
      ...(given === undefined ? ["--bootable"] : []),
    );
    const three = used(root) - before;
    if (plain === undefined) {
      console.log(`\nOn disk: ${one.toFixed(1)} MB in one store, ${three.toFixed(1)} MB in all three.`);
    }
    for (const command of ["status", "images", "du", "fsck"]) bootcStore("--root", root, command);
    await askPeers(lab, root, run);
  } else {
    console.log("Pulling keeps owners and devices, so it needs root; what an empty root looks like:");
    bootcStore("--root", root, "status");
  }
  keep = process.stdin.isTTY;
} finally {
  if (!keep) cleanUp();
}

if (keep) {
  console.log(`\nThe root is left there for you: npx pnpm@12 -s bootc-store --root ${root} status`);
  if (plain === undefined) console.log(`When you are done: umount ${root} && rm -r ${base}`);
}

/** Nobody is there to play with it, or it went wrong. */
function cleanUp(): void {
  if (plain === undefined && spawnSync("umount", [root], { stdio: "inherit" }).status !== 0) {
    console.error(`It is still in use and was left: umount ${root} && rm -r ${base}`);
    return;
  }
  rmSync(base, { recursive: true, force: true });
}
