import { readFileSync, writeFileSync } from "node:fs";
import { workspaceFiles } from "@bootc-store/lab";
import { afterAll, describe, expect, it } from "vitest";
import { codeOf, onLinux, scratch } from "./helpers.ts";
import { lab } from "./lab.ts";
import { computeVerity, enableVerity, measureVerity, verifyMeasuredVerity } from "../src/index.ts";

afterAll(() => lab.close());

const why = lab.missing({ root: true, peers: ["fsverity"] }) ?? lab.vm.reason;

interface FileReport {
  readonly path: string;
  readonly computed: string;
  readonly measured: { readonly state: string; readonly digest: string; readonly algorithm: string };
}

describe.skipIf(why !== undefined)(`on a kernel that has fs-verity ${why ?? ""}`, () => {
  it("enables and measures, and its digests are those of the kernel and of fsverity-utils", async () => {
    const { files, prepare } = workspaceFiles([new URL("..", import.meta.url).pathname]);
    const result = await lab.vm.run({
      node: true,
      programs: ["fsverity"],
      files: {
        ...files,
        "/w/verity.ts": readFileSync(new URL("verity-in-vm.ts", import.meta.url)),
        "/data/empty": "",
      },
      script: `${prepare}
        node --conditions=@bootc-store/source /w/verity.ts /data || exit 1
        cd /data && fsverity measure sha256-* sha512-*`,
    });
    expect([result.stderr, result.code]).toEqual(["", 0]);
    const [json = "", ...measured] = result.stdout.trim().split("\n");
    const report = JSON.parse(json) as {
      files: FileReport[];
      notEnabled: string;
      salted: unknown;
      verity: unknown;
    };
    expect(report.files.length).toBe(14);
    for (const file of report.files) {
      expect(file).toMatchObject({
        measured: { state: "enabled", digest: file.computed, algorithm: file.path.slice(0, 6) },
        writable: "linux/busy",
        before: "disabled",
        first: "enabled",
        again: "existed",
        attribute: true,
        verified: "no error",
        mismatch: "linux/verity-mismatch",
        write: "linux/permission-denied",
      });
      expect(measured).toContain(`${file.path.slice(0, 6)}:${file.computed} ${file.path}`);
    }
    expect(report.notEnabled).toBe("linux/verity-not-enabled");
    expect(report.salted).toMatchObject({
      state: "no error",
      found: { digest: (report.salted as { computed: string }).computed },
    });
    expect(report.verity).toBe(true);
  });
});

const noTool = lab.missing({ root: true, peers: ["fsverity"] });

describe.skipIf(noTool !== undefined)(`fsverity digest ${noTool ?? ""}`, () => {
  it("agrees on sizes around every change of level", async () => {
    const sizes = [0, 1, 4095, 4096, 4097, 262_144, 262_145, 524_288, 524_289, 16_777_216, 16_777_217];
    const place = lab.scratch();
    try {
      for (const size of sizes) {
        const content = Buffer.alloc(size, "0123456789abcdef\n");
        writeFileSync(`${place.path}/f`, content);
        for (const algorithm of ["sha256", "sha512"] as const) {
          const args = ["digest", `--hash-alg=${algorithm}`, "--compact", `${place.path}/f`];
          const said = await lab.peers.fsverity.succeed(args);
          expect(said.text.trim()).toBe(computeVerity(content, { algorithm }).toString("hex"));
        }
      }
    } finally {
      await place[Symbol.asyncDispose]();
    }
  });
});

describe.skipIf(!onLinux)("where there is no fs-verity", () => {
  it("says so", () => {
    using s = scratch("/dev/shm");
    using temporary = s.dir.tempFile();
    const file = temporary.closeForWriting();
    expect(measureVerity(file)).toEqual({ state: "unsupported" });
    expect(codeOf(() => enableVerity(file, { algorithm: "sha256" }))).toBe("linux/call-unsupported");
    expect(codeOf(() => verifyMeasuredVerity(file, "sha256", "00"))).toBe("linux/call-unsupported");
  });
});
