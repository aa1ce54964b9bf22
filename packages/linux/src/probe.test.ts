import { execFileSync } from "node:child_process";
import { release } from "node:os";
import { describe, expect, it } from "vitest";
import { b, expectNoLeak, isRoot, onLinux, scratch } from "../tests/helpers.ts";
import { Dir, probe } from "./index.ts";

function available(found: ReturnType<typeof probe>): { [name: string]: boolean | undefined } {
  return Object.fromEntries(found.capabilities.map(({ name, available }) => [name, available]));
}

describe.skipIf(!onLinux)("probe", () => {
  it("tells of the machine, and what each missing thing costs", () => {
    const found = probe();
    expect(found).toMatchObject({
      platform: "linux",
      arch: process.arch,
      node: process.version,
      release: release(),
    });
    expect(available(found)).toMatchObject({ "native-calls": true, proc: true, "mount-api": true });
    expect(available(found)["may-mount"]).toBe(isRoot);
    for (const capability of found.capabilities) expect(capability.cost.length).toBeGreaterThan(10);
    expectNoLeak(() => expect(probe().capabilities.length).toBe(found.capabilities.length));
  });

  it("tells of a directory by trying, and leaves nothing", () => {
    using s = scratch("/dev/shm");
    expect(available(probe({ dir: s.dir }))).toMatchObject({
      reflinks: false,
      verity: false,
      "unnamed-files": true,
      writable: true,
    });
    expect(s.dir.list()).toEqual([]);
    using proc = Dir.openHost(b("/proc"));
    expect(available(probe({ dir: proc }))).toMatchObject({ writable: false });
  });
});

describe("elsewhere", () => {
  it.each(["darwin", "win32"])("on %s everything imports, and calls refuse with one error", (platform) => {
    const program = `
      Object.defineProperty(process, "platform", { value: ${JSON.stringify(platform)} });
      const linux = await import(${JSON.stringify(new URL("index.ts", import.meta.url).href)});
      const said = linux.probe();
      try {
        linux.Dir.openHost("/");
      } catch (error) {
        console.log(error.code, error.context.call, error.kind, said.capabilities[0].available);
      }
      console.log(linux.computeVerity(new Uint8Array(), { algorithm: "sha256" }).toString("hex").slice(0, 8));`;
    const flags = ["--conditions=@bootc-store/source", "--input-type=module", "-e", program];
    expect(execFileSync(process.execPath, flags, { encoding: "utf8" })).toBe(
      "linux/unsupported openat unsupported false\n3d248ca5\n",
    );
  });

  it("without the native library calls refuse in the same way", () => {
    const program = `
      import { Module } from "node:module";
      const load = Module._load;
      Module._load = (name, ...rest) => {
        if (name === "koffi") throw new Error("no koffi here");
        return load(name, ...rest);
      };
      const linux = await import(${JSON.stringify(new URL("index.ts", import.meta.url).href)});
      try {
        const top = linux.Dir.openHost("/");
        // To look needs no library, to change something does.
        console.log(top.typeOptional("proc"));
        top.makeDir("proc/new");
      } catch (error) {
        console.log(error.code, error.context.call, error.cause.message);
      }`;
    const flags = ["--conditions=@bootc-store/source", "--input-type=module", "-e", program];
    const said = execFileSync(process.execPath, flags, { encoding: "utf8" });
    expect(said).toBe(onLinux ? "directory\nlinux/unsupported mkdirat no koffi here\n" : said);
  });
});
