// `pull` as a person calls it: from a registry on loopback, with the host's policy, into all three stores.
import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { schemaOf, violations } from "./schema.ts";

const MAIN = join(import.meta.dirname, "../src/main.ts");
const MANIFEST = "application/vnd.oci.image.manifest.v1+json";

let base = "";
let server: Server;
let domain = "";
let digest = "";
const blobs = new Map<string, Buffer>();

const put = (mediaType: string, bytes: Buffer): { mediaType: string; digest: string; size: number } => {
  const name = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  blobs.set(name, bytes);
  return { mediaType, digest: name, size: bytes.length };
};

beforeAll(async () => {
  base = mkdtempSync(join(tmpdir(), "bootc-store-cli-"));
  mkdirSync(join(base, "tree/usr/bin"), { recursive: true });
  mkdirSync(join(base, "tree/etc"));
  writeFileSync(
    join(base, "tree/usr/bin/tool"),
    "a tool that is longer than what an image holds by itself ".repeat(9),
  );
  writeFileSync(join(base, "tree/etc/conf"), "x=1\n");
  const tar = execFileSync("tar", ["--owner=0", "--group=0", "-C", join(base, "tree"), "-cf", "-", "."]);
  const layer = put("application/vnd.oci.image.layer.v1.tar", tar);
  const rootfs = { type: "layers", diff_ids: [layer.digest] };
  const document = {
    os: "linux",
    architecture: "amd64",
    created: "2024-01-01T00:00:00Z",
    rootfs,
    config: { Labels: { "containers.bootc": "1" } },
  };
  const config = put("application/vnd.oci.image.config.v1+json", Buffer.from(JSON.stringify(document)));
  const manifest = { schemaVersion: 2, mediaType: MANIFEST, config, layers: [layer] };
  const bytes = Buffer.from(JSON.stringify(manifest));
  digest = put(MANIFEST, bytes).digest;
  server = createServer((request, response) => {
    const name = request.url?.split("/").at(-1) ?? "";
    const found = name === "1" ? bytes : blobs.get(name);
    if (request.url === "/v2/") response.end("{}");
    else if (found === undefined) response.writeHead(404).end();
    else {
      const type = request.url?.includes("/manifests/") === true ? MANIFEST : "application/octet-stream";
      response.writeHead(200, { "Content-Type": type, "Content-Length": found.length });
      response.end(request.method === "HEAD" ? undefined : found);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  domain = `127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  rmSync(base, { recursive: true, force: true });
});

async function run(
  ...args: string[]
): Promise<{ readonly code: number | null; readonly out: string; readonly err: string }> {
  return await runProcess(process.execPath, "--conditions=@bootc-store/source", MAIN, ...args);
}

async function runProcess(program: string, ...args: string[]): ReturnType<typeof run> {
  const child = spawn(program, args, { cwd: base });
  const [out, err]: [string[], string[]] = [[], []];
  child.stdout.on("data", (data) => out.push(String(data)));
  child.stderr.on("data", (data) => err.push(String(data)));
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  return { code, out: out.join(""), err: err.join("") };
}

describe.skipIf(process.getuid?.() !== 0)("pull (needs root)", () => {
  test("from a registry, and again", async () => {
    mkdirSync(join(base, "root/ostree"), { recursive: true });
    const pull = [
      "--root",
      "root",
      "pull",
      "--insecure-policy",
      "--no-tls-verify",
      "--runroot",
      join(base, "run"),
      "--json",
      `docker://${domain}/os:1`,
    ];
    const first = await run(...pull);
    expect([first.code, first.err]).toEqual([0, ""]);
    expect(JSON.parse(first.out)).toMatchObject({ name: `${domain}/os:1`, manifest: digest });
    const schema = schemaOf("pull");
    expect(violations(schema, JSON.parse(first.out), "report", schema)).toEqual([]);
    expect(violations(schema, { name: "x" }, "report", schema)).not.toEqual([]);
    const copy = await run(
      "--root",
      "root",
      "export",
      "--json",
      `${domain}/os:1`,
      `oci:${join(base, "copy")}:1`,
    );
    const exported = schemaOf("export");
    expect([copy.err, violations(exported, JSON.parse(copy.out), "report", exported)]).toEqual(["", []]);
    const { code, out } = await run("--root", "root", "images", "--json");
    expect(code).toBe(0);
    const { images } = JSON.parse(out) as {
      images: { manifest?: string; names: string[]; stores: object }[];
    };
    const image = images.find(({ manifest }) => manifest === digest);
    expect(image?.names).toContain(`${domain}/os:1`);
    expect(Object.keys(image?.stores ?? {})).toEqual(
      expect.arrayContaining(["containers-storage", "composefs"]),
    );
    const again = JSON.parse((await run(...pull)).out) as { containersStorage: { layers: object } };
    expect(again.containersStorage.layers).toEqual({ present: 1, written: 0 });
    expect(await run("--root", "root", "fsck")).toMatchObject({ code: 0, err: "" });
    mkdirSync(join(base, "mnt"));
    const mounted = await run("--root", "root", "mount", `${domain}/os:1`, "mnt");
    if (mounted.code === 0) {
      expect(readFileSync(join(base, "mnt/usr/bin/tool"), "utf8")).toMatch(/^a tool that/);
      expect(await run("umount", "mnt/")).toMatchObject({ code: 0, err: "" });
      // Some kernels cannot, and say so.
    } else expect(mounted.err).toContain("composefs/mount-refused");
    expect(readdirSync(join(base, "mnt"))).toEqual([]);
    const runRoot = ["--runroot", join(base, "run")];
    const removed = await run("--root", "root", "rm", ...runRoot, `${domain}/os:1`);
    expect(removed.err).toBe("");
    expect(removed.out).toContain(`composefs: ${domain}/os:1`);
    const dry = JSON.parse((await run("--root", "root", "gc", "--dry-run", "--json")).out) as {
      bytes: number;
    };
    expect(dry.bytes).toBeGreaterThan(500);
    const done = JSON.parse((await run("--root", "root", "gc", "--json", ...runRoot)).out) as {
      bytes: number;
    };
    expect(done.bytes).toBe(dry.bytes);
    expect((await run("--root", "root", "gc", ...runRoot)).out).toMatch(/0 B removed/);
    expect(await run("--root", "root", "rm", ...runRoot, "nothing")).toMatchObject({ code: 3 });
  });

  test("the policy is asked before anything is fetched", async () => {
    mkdirSync(join(base, "other/ostree"), { recursive: true });
    writeFileSync(join(base, "reject.json"), '{"default":[{"type":"reject"}]}');
    const args = ["--root", "other", "pull", "--policy", "reject.json", "--no-tls-verify"];
    const refused = await run(...args, "--runroot", join(base, "run2"), `docker://${domain}/os:1`);
    expect(refused.code).toBe(2);
    expect(refused.err).toContain("oci/policy-rejected");
    expect((await run("--root", "other", "images")).out).toContain("There are no images.");
  });

  test("as a plan, into some of the stores, and told line by line", async () => {
    mkdirSync(join(base, "some/ostree"), { recursive: true });
    const common = [
      "--root",
      "some",
      "pull",
      "--insecure-policy",
      "--no-tls-verify",
      "--runroot",
      join(base, "run2"),
    ];
    const image = `docker://${domain}/os:1`;
    const size = [...blobs.values()].find((bytes) => bytes.includes("ustar"))?.length ?? 0;
    const planned = JSON.parse((await run(...common, "--dry-run", "--json", image)).out) as object;
    const schema = schemaOf("pull");
    expect(violations(schema, planned, "report", schema)).toEqual([]);
    // The layer is a plain tar, so what is written at most is known too.
    expect(planned).toMatchObject({
      manifest: digest,
      downloadBytes: size,
      writeBytes: size,
      leastBytes: size,
    });
    expect(readdirSync(join(base, "some"))).toEqual(["ostree"]);
    expect(readdirSync(join(base, "some/ostree"))).toEqual([]);

    const only = await run(...common, "--into", "composefs,ostree", "--json", image);
    expect([only.code, only.err]).toEqual([0, ""]);
    expect(Object.keys(JSON.parse(only.out) as object).sort()).toEqual([
      "composefs",
      "config",
      "manifest",
      "name",
      "ostree",
    ]);
    expect(await run("--root", "some", "fsck")).toMatchObject({ code: 0, err: "" });
    expect(await run(...common, "--into", "composefs,nowhere", image)).toMatchObject({ code: 2 });

    // Its fourth descriptor is a pipe, as bootc's has to be.
    const words = [
      process.execPath,
      "--conditions=@bootc-store/source",
      MAIN,
      ...common,
      "--progress-fd",
      "3",
      image,
    ];
    const told = await runProcess("sh", "-c", '"$@" 3>&1 >/dev/null 2>/dev/null | cat', "sh", ...words);
    const lines = told.out
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as { type: string; bytes?: number; bytesTotal?: number; id?: string });
    expect(lines[0]).toEqual({ type: "Start", version: "0.1.0" });
    expect(lines.at(1)).toMatchObject({
      type: "ProgressBytes",
      task: "pulling",
      bytes: 0,
      bytesTotal: size,
      id: digest,
    });
    expect(lines.findLast(({ type }) => type === "ProgressBytes")).toMatchObject({
      bytes: size,
      steps: 1,
      subtasks: [],
    });
    expect(lines.filter(({ type }) => type === "ProgressSteps").map(({ id }) => id)).toEqual([
      "composefs",
      "composefs",
      "ostree",
      "ostree",
    ]);
    const again = JSON.parse((await run(...common, "--dry-run", "--json", image)).out) as object;
    expect(again).toMatchObject({ downloadBytes: 0, writeBytes: 0 });
    expect(await run(...common, "--progress-fd", "2", image)).toMatchObject({ code: 2 });
  });
});
