import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, readdirSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { fileSystemKinds, kinds, mounts, openLab, run, succeed } from "../index.ts";

const lab = openLab({ cache: process.env["BOOTC_STORE_CACHE"] });
afterAll(() => lab.close());

/** f_type of statfs(2). */
const MAGIC = { tmpfs: 0x01021994, ext4: 0xef53, xfs: 0x58465342, btrfs: 0x9123683e };

for (const kind of fileSystemKinds) {
  const reason = lab.missing({ filesystems: [kind] });
  describe.skipIf(reason !== undefined)(`file system ${reason ?? kind}`, () => {
    it("is what it says, is written to or not, and goes", async () => {
      let path: string;
      {
        await using fs = await lab.filesystem(kind, {
          populate: (root) => writeFileSync(join(root, "before"), "1"),
        });
        path = fs.path;
        expect(statfsSync(path).type).toBe(MAGIC[kinds[kind].type]);
        expect(readFileSync(join(path, "before"), "utf8")).toBe("1");
        const write = (): void => writeFileSync(join(path, "after"), "2");
        if (fs.has("writable")) expect(write).not.toThrow();
        else expect(write).toThrow(/EROFS/);
        if (fs.device !== undefined) {
          const readOnly = readFileSync(`/sys/block/${fs.device.slice("/dev/".length)}/ro`, "utf8").trim();
          expect(readOnly).toBe(fs.has("writable") ? "0" : "1");
        }
      }
      expect(mounts().some((mount) => mount.path === path)).toBe(false);
      expect(() => readdirSync(path)).toThrow(/ENOENT/);
    });

    it.skipIf(!kinds[kind].traits.includes("writable") || kind === "small")(
      "clones exactly where it has reflinks",
      async () => {
        await using fs = await lab.filesystem(kind);
        writeFileSync(join(fs.path, "a"), Buffer.alloc(1 << 20, 7));
        const done = await run(["cp", "--reflink=always", join(fs.path, "a"), join(fs.path, "b")]);
        expect(done.code === 0).toBe(fs.has("reflink"));
      },
    );
  });
}

const needs = lab.missing({ filesystems: ["ext4"] });
describe.skipIf(needs !== undefined)(`file systems ${needs ?? ""}`, () => {
  it("survive a cycle with what was written, and turn read-only and back", async () => {
    await using fs = await lab.filesystem("ext4", { size: 64 << 20 });
    writeFileSync(join(fs.path, "a"), "1");
    await fs.cycle();
    expect(readFileSync(join(fs.path, "a"), "utf8")).toBe("1");
    await fs.remount("ro");
    expect(() => writeFileSync(join(fs.path, "b"), "2")).toThrow(/EROFS/);
    await fs.remount("rw");
    writeFileSync(join(fs.path, "b"), "2");
  });

  it("are limited in bytes and in inodes as asked", async () => {
    await using fs = await lab.filesystem("tmpfs", { size: 1 << 20, inodes: 10 });
    expect(() => writeFileSync(join(fs.path, "big"), Buffer.alloc(2 << 20))).toThrow(/ENOSPC/);
    writeFileSync(join(fs.path, "big"), "");
    expect(() => {
      for (let i = 0; i < 20; i++) writeFileSync(join(fs.path, String(i)), "");
    }).toThrow(/ENOSPC/);
  });

  it("of a session that was killed are taken away by the next, with its processes", async () => {
    const script = `
      import { openLab } from ${JSON.stringify(new URL("../index.ts", import.meta.url).pathname)};
      import { spawn } from "node:child_process";
      const lab = openLab({ cache: ${JSON.stringify(lab.cache.root)} });
      const fs = await lab.filesystem("ext4");
      const inside = lab.peers.sh.available ? lab.peers.sh.spawn(["-c", "exec sleep 1000"]) : undefined;
      console.log(JSON.stringify([lab.directory, fs.path, fs.device, inside?.pid ?? 0]));
      setInterval(() => undefined, 1000);
    `;
    const child = spawn(process.execPath, ["--input-type=module-typescript", "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [line] = (await once(child.stdout, "data")) as [Buffer];
    const [directory, path, device, inside] = JSON.parse(line.toString()) as [string, string, string, number];
    expect(mounts().some((mount) => mount.path === path)).toBe(true);
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(mounts().some((mount) => mount.path === path)).toBe(true);

    const next = openLab({ cache: lab.cache.root });
    mkdirSync(join(next.directory, "x"));
    next.close();
    expect(mounts().filter((mount) => mount.path.startsWith(directory))).toEqual([]);
    expect(() => readdirSync(directory)).toThrow(/ENOENT/);
    // The loop device goes with its last user, a moment later.
    await expect
      .poll(async () => (await succeed(["losetup", "-l", "-n", "-O", "NAME,BACK-FILE"])).text)
      .not.toContain(directory);
    expect(device).toMatch(/^\/dev\/loop\d+$/);
    if (inside !== 0) await expect.poll(() => isRunning(inside)).toBe(false);
  });
});

function isRunning(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}
