import {
  readFileSync,
  chmodSync,
  copyFileSync,
  cpSync,
  lstatSync,
  mkdirSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { LabError } from "../errors.ts";
import { succeed } from "../exec.ts";
import type { PeerName } from "../peers/names.ts";
import type { Peer } from "../peers/peer.ts";

/** What is put on the machine's disk: bytes, or a file or directory of this machine (links followed). */
export type GuestFile = Uint8Array | string | { from: string; only?: readonly string[] };

export interface DiskPlan {
  /** Tools of the peers' tree, with their libraries; `sh` and busybox's applets are always there. */
  programs: readonly PeerName[];
  /** Our Node, as `/usr/bin/node`, with its libraries. */
  node: boolean;
  /** Absolute paths in the machine. */
  files: Readonly<Record<string, GuestFile>>;
  script: string;
  /** Bytes of the disk. */
  size: number;
}

interface Home {
  /** Root of the peers' tree. */
  tree: string;
  /** An empty directory that the peers see. */
  directory: string;
  peer(name: PeerName): Peer;
}

/** Makes the ext4 image (with the verity feature) that the machine boots into; returns its path. */
export async function makeDisk(plan: DiskPlan, home: Home): Promise<string> {
  const root = join(home.directory, "root");
  for (const part of [
    "usr/bin",
    "usr/sbin",
    "usr/lib",
    "usr/lib64",
    "dev",
    "proc",
    "sys",
    "tmp",
    "run",
    "etc",
    "root",
    "payload",
  ])
    mkdirSync(join(root, part), { recursive: true });
  for (const part of ["bin", "sbin", "lib", "lib64"]) symlinkSync(`usr/${part}`, join(root, part));
  writeFileSync(join(root, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n");
  writeFileSync(join(root, "etc/group"), "root:x:0:\n");

  const wanted: PeerName[] = [...new Set<PeerName>(["sh", "busybox", ...plan.programs])];
  for (const name of wanted) await copyProgram(home, root, name);
  await applets(home, root);
  if (plan.node) {
    const node = join(root, "usr/bin/node");
    copyFileSync(realpathSync(process.execPath), node);
    await copyLibraries(home, root, node);
  }
  for (const [path, file] of Object.entries(plan.files)) putFile(root, path, file);
  writeFileSync(join(root, "payload/run.sh"), plan.script);

  const image = join(home.directory, "disk.img");
  await succeed(["truncate", "-s", String(plan.size), image]);
  await succeed([
    "mke2fs",
    "-q",
    "-F",
    "-t",
    "ext4",
    "-b",
    "4096",
    "-O",
    "verity",
    "-m",
    "0",
    "-d",
    root,
    image,
  ]);
  await succeed(["rm", "-rf", "--one-file-system", root]);
  return image;
}

async function copyProgram(home: Home, root: string, name: PeerName): Promise<void> {
  const found = await home.peer("sh").run(["-c", `command -v -- "$1"`, "sh", name]);
  const path = found.text.trim();
  if (found.code !== 0 || !path.startsWith("/"))
    throw new LabError("lab/virtual-machine", `${name} is not in the peers' tree`, { context: { name } });
  const real = (await home.peer("sh").succeed(["-c", 'readlink -f "$1"', "sh", path])).text.trim();
  const target = join(root, path);
  mkdirSync(dirname(target), { recursive: true });
  copyFileSync(join(home.tree, real), target);
  chmodSync(target, 0o755);
  await copyLibraries(home, root, join(home.tree, real), real);
}

/** Copies the shared libraries of a program, as the tree's own loader finds them. */
async function copyLibraries(home: Home, root: string, program: string, inside = program): Promise<void> {
  const loader = interpreter(program);
  if (loader === undefined) return;
  const listed = await home.peer("sh").run(["-c", 'exec "$1" --list "$2"', "sh", loader, inside]);
  if (listed.code !== 0)
    throw new LabError(
      "lab/virtual-machine",
      `cannot find the libraries of ${program}: ${listed.errorText.trim()}`,
      {
        context: { program, code: listed.code },
      },
    );
  for (const line of listed.text.split("\n")) {
    if (line.includes("not found"))
      throw new LabError(
        "lab/virtual-machine",
        `${basename(program)} wants a library that is not in the tree: ${line.trim()}`,
        {
          context: { program },
        },
      );
    const path = /(?:=> )?(\/\S+) \(0x/.exec(line)?.[1];
    if (path === undefined) continue;
    const target = join(root, path);
    mkdirSync(dirname(target), { recursive: true });
    copyFileSync(realpathInTree(home.tree, path), target);
    chmodSync(target, 0o755);
  }
}

/** The loader that a 64-bit little-endian ELF file asks for (PT_INTERP); undefined for a static program or a script. */
function interpreter(path: string): string | undefined {
  const bytes = readFileSync(path);
  if (bytes.length < 64 || bytes.readUInt32BE(0) !== 0x7f454c46) return undefined;
  const table = Number(bytes.readBigUInt64LE(32));
  const size = bytes.readUInt16LE(54);
  for (let n = 0; n < bytes.readUInt16LE(56); n++) {
    const header = bytes.subarray(table + n * size);
    if (header.readUInt32LE(0) !== 3) continue;
    const start = Number(header.readBigUInt64LE(8));
    return bytes.toString("latin1", start, start + Number(header.readBigUInt64LE(32)) - 1);
  }
  return undefined;
}

/** Follows links as they read from inside the tree. */
function realpathInTree(tree: string, path: string): string {
  const real = realpathSync(join(tree, dirname(path)));
  const inside = real.startsWith(`${tree}/`) ? real : join(tree, real);
  const full = join(inside, basename(path));
  return lstatSync(full).isSymbolicLink() ? realpathSync(full) : full;
}

/** Every applet of busybox under its name, last on the search path. */
async function applets(home: Home, root: string): Promise<void> {
  const into = join(root, "usr/lib/busybox");
  mkdirSync(into, { recursive: true });
  const { text } = await home.peer("busybox").succeed(["--list"]);
  for (const name of text.split("\n").filter((line) => line !== "" && line !== "busybox"))
    symlinkSync("../../bin/busybox", join(into, name));
}

function putFile(root: string, path: string, file: GuestFile): void {
  if (!path.startsWith("/") || path.split("/").includes(".."))
    throw new LabError("lab/bad-argument", `a place in the machine is absolute and without "..": ${path}`);
  const target = join(root, path);
  mkdirSync(dirname(target), { recursive: true });
  if (typeof file === "string" || file instanceof Uint8Array) {
    writeFileSync(target, file);
    return;
  }
  if (!file.only) {
    cpSync(file.from, target, { recursive: true, dereference: true, preserveTimestamps: true });
    return;
  }
  for (const name of file.only)
    cpSync(join(file.from, name), join(target, name), {
      recursive: true,
      dereference: true,
      preserveTimestamps: true,
    });
}
