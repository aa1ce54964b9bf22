import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, expect, test } from "vitest";

const MAIN = join(import.meta.dirname, "../src/main.ts");

let base = "";
beforeAll(() => {
  base = mkdtempSync(join(tmpdir(), "bootc-store-cli-"));
});
afterAll(() => rmSync(base, { recursive: true, force: true }));

function run(...args: string[]): {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
} {
  const child = spawnSync(process.execPath, ["--conditions=@bootc-store/source", MAIN, ...args], {
    encoding: "utf8",
    cwd: base,
  });
  return { code: child.status, out: child.stdout, err: child.stderr };
}

/** A layout with an image of one empty layer; returns the manifest's digest. */
function writeLayout(dir: string): string {
  mkdirSync(join(dir, "blobs/sha256"), { recursive: true });
  const blob = (mediaType: string, bytes: Buffer): { mediaType: string; digest: string; size: number } => {
    const hex = createHash("sha256").update(bytes).digest("hex");
    writeFileSync(join(dir, "blobs/sha256", hex), bytes);
    return { mediaType, digest: `sha256:${hex}`, size: bytes.length };
  };
  const layer = blob("application/vnd.oci.image.layer.v1.tar", Buffer.alloc(1024));
  const rootfs = { type: "layers", diff_ids: [layer.digest] };
  const config = blob(
    "application/vnd.oci.image.config.v1+json",
    Buffer.from(JSON.stringify({ os: "linux", architecture: "amd64", rootfs })),
  );
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const manifest = blob(
    mediaType,
    Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, config, layers: [layer] })),
  );
  writeFileSync(join(dir, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(join(dir, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: [manifest] }));
  return manifest.digest;
}

test("copies an image, by paths of the working directory, and says what became of each blob", () => {
  const digest = writeLayout(join(base, "l"));
  const copied = run("copy", "--insecure-policy", "oci:l", "oci-archive:a.tar:x");
  expect(copied).toMatchObject({ code: 0, err: "" });
  expect(copied.out.trimEnd().split("\n").at(-1)).toBe(digest);
  const back = run("copy", "--insecure-policy", "--json", "oci-archive:a.tar:x", `dir:${base}/d`);
  expect(JSON.parse(back.out)).toMatchObject({ digest, blobs: [{ how: "copied" }, { how: "copied" }] });
  expect(
    createHash("sha256")
      .update(readFileSync(join(base, "d/manifest.json")))
      .digest("hex"),
  ).toBe(digest.slice(7));
});

test("obeys the policy that is named, and says which rule refuses", () => {
  writeLayout(join(base, "p"));
  writeFileSync(join(base, "policy.json"), '{"default":[{"type":"reject"}]}');
  const refused = run("copy", "--policy", "policy.json", "oci:p", "oci:q");
  expect(refused.code).toBe(2);
  expect(refused.err).toContain("default[0] reject");
  expect(refused.err).toContain("oci/policy-rejected");
});

test("wrong references and missing images are told apart", () => {
  expect(run("copy", "--insecure-policy", "busybox", "oci:q")).toMatchObject({ code: 2 });
  expect(run("copy", "--insecure-policy", "oci:none", "oci:q")).toMatchObject({ code: 3 });
  expect(run("copy", "--insecure-policy", "docker://127.0.0.1:1/x", "oci:q").err).toContain(
    "oci/registry-unreachable",
  );
});
