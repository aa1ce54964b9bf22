import { afterAll, describe, expect, it } from "vitest";
import { openLab, workspaceFiles } from "../index.ts";
import { cpio } from "./cpio.ts";

const lab = openLab({ cache: process.env["BOOTC_STORE_CACHE"] });
afterAll(() => lab.close());

const reason = lab.missing({ root: true, peers: ["fsverity"] }) ?? lab.vm.reason;
describe.skipIf(reason !== undefined)(`virtual machine ${reason ?? ""}`, () => {
  it("has fs-verity: enable, measure, refuse writes; brings back output, exit code and files", async () => {
    const content = Buffer.alloc(100_000, "verity ");
    const result = await lab.vm.run({
      programs: ["fsverity"],
      files: { "/data/f": content, "/data/text": "hello\n" },
      script: `set -e
        fsverity enable /data/f
        fsverity measure /data/f
        fsverity digest /data/f
        if echo x >> /data/f; then exit 9; fi
        cat /data/text
        cp /data/text /data/out
        uname -r >&2
        exit 3`,
      collect: ["/data/out", "/data/f", "/data/none"],
    });
    const digests = [...result.stdout.matchAll(/^sha256:([0-9a-f]{64}) /gm)].map((match) => match[1]);
    expect(digests).toHaveLength(2);
    expect(digests[0]).toBe(digests[1]);
    expect(result.stdout).toMatch(/hello\n$/);
    expect(result.stderr).toContain(lab.vm.kernelRelease);
    expect(result.code).toBe(3);
    expect(result.files.get("/data/out")?.toString()).toBe("hello\n");
    expect(result.files.get("/data/f")).toEqual(content);
    expect(result.files.has("/data/none")).toBe(false);
    const here = await lab.peers.fsverity.run(["digest", "/dev/stdin"], { input: content });
    if (here.code === 0) expect(here.text).toContain(digests[0]);
  });

  it("runs our Node", async () => {
    const result = await lab.vm.run({
      node: true,
      files: { "/w/a.ts": "const n: number = 6 * 7; console.log(n, process.version);" },
      script: "node /w/a.ts",
    });
    expect(result.stderr).toBe("");
    expect(result.stdout).toBe(`42 ${process.version}\n`);
  });

  it("runs a package of this workspace from its sources", async () => {
    const core = new URL("../../../core", import.meta.url).pathname;
    const { files, prepare } = workspaceFiles([core]);
    const result = await lab.vm.run({
      node: true,
      files: {
        ...files,
        "/w/a.ts":
          'import * as core from "@bootc-store/core"; console.log(Object.keys(core).includes("StoreError"));',
      },
      script: `${prepare} exec node --conditions=@bootc-store/source /w/a.ts`,
    });
    expect([result.stderr, result.stdout, result.code]).toEqual(["", "true\n", 0]);
  });

  it("that hangs is ended, and says so", async () => {
    await expect(lab.vm.run({ script: "sleep 1000", timeout: 8000 })).rejects.toMatchObject({
      code: "lab/timed-out",
    });
  });
});

it("an initramfs has the newc form", () => {
  const bytes = cpio([
    { name: "d", mode: 0o40755 },
    { name: "d/f", mode: 0o100644, content: Buffer.from("abc") },
  ]);
  expect(bytes.length % 4).toBe(0);
  expect(bytes.toString("latin1", 0, 6)).toBe("070701");
  // Header 110 bytes, name with its NUL, padded to 4: the second header follows at 112.
  expect(bytes.toString("latin1", 112, 118)).toBe("070701");
  expect(bytes.toString("latin1")).toContain("TRAILER!!!\0");
});
