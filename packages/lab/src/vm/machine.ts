import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { removeTree } from "../atomic.ts";
import type { CachePaths } from "../cache.ts";
import { LabError } from "../errors.ts";
import { run, succeed } from "../exec.ts";
import { findProgram } from "../host.ts";
import type { PeerName } from "../peers/names.ts";
import type { Peer } from "../peers/peer.ts";
import { treePlace } from "../peers/tree.ts";
import { cpio } from "./cpio.ts";
import { type GuestFile, makeDisk } from "./disk.ts";
import { type KernelModule, kernelPlace, kernelRecord, type KernelRecord, vmPrograms } from "./kernel.ts";

export interface MachineRun {
  /** Run by /bin/sh in the machine, in /payload, as root. */
  script: string;
  /** Peers' tools to have there; sh and busybox's applets always are. */
  programs?: readonly PeerName[];
  /** Whether our Node is there, as /usr/bin/node. About 2 s to start the first time, 0.5 s then. */
  node?: boolean;
  /** What else is put on the disk, by absolute path. */
  files?: Readonly<Record<string, GuestFile>>;
  /** Kernel modules to load; virtio_blk, loop, erofs and overlay unless given. btrfs costs 3 s. */
  modules?: readonly KernelModule[];
  /** Bytes of the disk, an ext4 with fs-verity mounted at "/"; 256 MiB, with Node 768 MiB, unless given. */
  diskSize?: number;
  /** MiB; 768, with Node 2048, unless given. */
  memory?: number;
  /** 1 unless given; two make the start slower. */
  cpus?: number;
  /** Milliseconds; 150 000 unless given. */
  timeout?: number;
  /** Absolute paths of files to bring back. */
  collect?: readonly string[];
}

export interface MachineResult {
  /** Exit code of the script. */
  code: number;
  stdout: string;
  stderr: string;
  /** Everything the kernel said. */
  console: string;
  /** The collected files by path; one that is not there is absent. */
  files: ReadonlyMap<string, Buffer>;
  /** Milliseconds from the start of qemu to its end. */
  ms: number;
}

interface Home {
  cache: CachePaths;
  directory(): string;
  peer(name: PeerName): Peer;
}

const INIT = `#!/bin/busybox sh
B=/bin/busybox
$B mount -t devtmpfs dev /dev
$B mount -t proc proc /proc
$B mount -t sysfs sys /sys
for file in $($B cat /modules/order); do $B insmod /modules/$file || echo "VM-MODULE $file"; done
$B mount -t ext4 -o rw,noatime /dev/vda /mnt || echo VM-NO-DISK
$B mount -t devtmpfs dev /mnt/dev
$B mount -t proc proc /mnt/proc
$B mount -t sysfs sys /mnt/sys
$B mount -t tmpfs tmp /mnt/tmp
$B mount -t tmpfs run /mnt/run
$B env -i PATH=/usr/local/bin:/usr/bin:/usr/sbin:/usr/lib/busybox HOME=/root LANG=C.UTF-8 TZ=UTC \\
  $B chroot /mnt /bin/sh -c 'cd /payload; /bin/sh run.sh >stdout 2>stderr; echo $? >code'
$B sync
for part in run tmp sys proc dev; do $B umount -l /mnt/$part; done
$B umount /mnt || { $B mount -o remount,ro /mnt; }
echo VM-END
$B poweroff -f
`;

/** A small machine, emulated, whose kernel has fs-verity. Each run boots it afresh: 3 s and what the script takes. */
export class VirtualMachine {
  readonly #home: Home;

  constructor(home: Home) {
    this.#home = home;
  }

  /** Why it cannot run here; undefined when it can. */
  get reason(): string | undefined {
    if (process.arch !== "x64") return `there is no virtual machine on ${process.arch}`;
    for (const [program, pack] of vmPrograms)
      if (!findProgram(program)) return `${program} (${pack}) is not on this machine`;
    if (!kernelRecord(this.#home.cache)) return `the kernel is not installed in ${this.#home.cache.vm}`;
    return this.#home.peer("busybox").reason;
  }

  get kernelRelease(): string | undefined {
    return kernelRecord(this.#home.cache)?.release;
  }

  /**
   * Boots, runs a script, powers off.
   *
   * @throws LabError `lab/virtual-machine` when it does not come to its end, `lab/timed-out`
   */
  async run(options: MachineRun): Promise<MachineResult> {
    const record = kernelRecord(this.#home.cache);
    const why = this.reason;
    if (!record || why !== undefined)
      throw new LabError("lab/not-installed", why ?? "no kernel", { hint: "harness peers install" });
    const directory = mkdtempSync(join(this.#home.directory(), "vm-"));
    try {
      return await this.#boot(options, record, directory);
    } finally {
      await removeTree(directory);
    }
  }

  async #boot(options: MachineRun, record: KernelRecord, directory: string): Promise<MachineResult> {
    const { node = false, timeout = 150_000 } = options;
    const image = await makeDisk(
      {
        programs: options.programs ?? [],
        node,
        files: options.files ?? {},
        script: options.script,
        size: options.diskSize ?? (node ? 768 : 256) * 1024 * 1024,
      },
      { tree: treePlace(this.#home.cache).root, directory, peer: (name) => this.#home.peer(name) },
    );
    const initrd = join(directory, "initrd");
    writeFileSync(
      initrd,
      this.#initramfs(options.modules ?? ["virtio_blk", "loop", "erofs", "overlay"], record),
    );
    const started = performance.now();
    const qemu = await run(
      [
        "qemu-system-x86_64",
        "-M",
        "q35,hpet=off",
        "-accel",
        "tcg,thread=multi",
        "-cpu",
        "max",
        "-smp",
        String(options.cpus ?? 1),
        "-m",
        String(options.memory ?? (node ? 2048 : 768)),
        "-kernel",
        join(kernelPlace(this.#home.cache), "kernel"),
        "-initrd",
        initrd,
        "-append",
        "console=ttyS0 quiet panic=-1 selinux=0 mitigations=off tsc=reliable lpj=4000000 no_timer_check random.trust_cpu=on audit=0",
        "-drive",
        `file=${image},format=raw,if=virtio,cache=unsafe`,
        "-display",
        "none",
        "-no-reboot",
        "-nodefaults",
        "-monitor",
        "none",
        "-serial",
        "stdio",
      ],
      { timeout, env: { TMPDIR: directory } },
    );
    const ms = performance.now() - started;
    const read = async (path: string): Promise<Buffer | undefined> => await dump(image, path, directory);
    const code = (await read("/payload/code"))?.toString().trim();
    if (qemu.code !== 0 || !qemu.text.includes("VM-END") || code === undefined || code === "")
      throw new LabError(
        "lab/virtual-machine",
        `the machine did not come to its end: ${qemu.text.slice(-2000)}`,
        {
          context: { code: qemu.code, stderr: qemu.errorText.slice(-2000) },
        },
      );
    const files = new Map<string, Buffer>();
    for (const path of options.collect ?? []) {
      const bytes = await read(path);
      if (bytes) files.set(path, bytes);
    }
    return {
      code: Number(code),
      stdout: (await read("/payload/stdout"))?.toString() ?? "",
      stderr: (await read("/payload/stderr"))?.toString() ?? "",
      console: qemu.text,
      files,
      ms,
    };
  }

  #initramfs(modules: readonly KernelModule[], record: KernelRecord): Buffer {
    const order = [...new Set(modules.flatMap((name) => record.load[name] ?? []))];
    const folder = (name: string) => ({ name, mode: 0o40755 });
    const file = (name: string, content: Buffer, mode = 0o100644) => ({ name, mode, content });
    return cpio([
      ...["bin", "dev", "proc", "sys", "mnt", "modules"].map(folder),
      file("init", Buffer.from(INIT), 0o100755),
      file("bin/busybox", readFileSync(join(treePlace(this.#home.cache).root, "usr/bin/busybox")), 0o100755),
      file("modules/order", Buffer.from(`${order.join("\n")}\n`)),
      ...order.map((name) =>
        file(`modules/${name}`, readFileSync(join(kernelPlace(this.#home.cache), "modules", name))),
      ),
    ]);
  }
}

/** A file out of the image, without mounting it: the machine's kernel here may not read files with fs-verity. */
async function dump(image: string, path: string, directory: string): Promise<Buffer | undefined> {
  if (/[\s"]/.test(path))
    throw new LabError("lab/bad-argument", `cannot collect a path with blanks: ${path}`);
  const out = join(directory, "dumped");
  await succeed(["rm", "-f", out]);
  const done = await run(["debugfs", "-R", `dump ${path} ${out}`, image]);
  if (/File not found/.test(done.errorText)) return undefined;
  if (done.code !== 0)
    throw new LabError("lab/virtual-machine", `cannot read ${path} from the disk: ${done.errorText}`, {
      context: { path },
    });
  return readFileSync(out);
}
