// Layouts of OCI images with all that a layer can hold, made from a number.
import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";

import { type ByteString, utf8 } from "@bootc-store/core";
import { type TarEntryToWrite, writeTar } from "@bootc-store/oci";

import { random } from "./random-directory.ts";

const SIZES = [0, 0, 1, 64, 65, 100, 511, 512, 513, 4096, 4097, 20_000, 262_144, 300_001];
const NAMES = ["a", "b", "ab", "ff", "-", ".h", "é", "with space", "long".repeat(40), "back\\slash"];
const XATTRS = ["user.a", "user.overlay.x", "trusted.x", "security.capability", "security.selinux"];

type Next = (below: number) => number;

/** Makes a layout with one image under the tag `v1`. The same seed makes the same bytes. */
export async function makeLayout(path: string, seed: number): Promise<void> {
  const next = random(seed);
  const files: ByteString[] = [];
  const count = 1 + next(4);
  const layers: LayerToWrite[] = [];
  for (let at = 0; at < count; at++) {
    const tar = await tarOf(entries(next, at === 0, files));
    layers.push({ tar, compression: (["none", "gzip", "zstd"] as const)[next(3)] ?? "none" });
  }
  writeLayout(path, layers);
}

export interface LayerToWrite {
  readonly tar: Uint8Array;
  readonly compression: "none" | "gzip" | "zstd";
}

export async function tarOf(entriesToWrite: Iterable<TarEntryToWrite>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of writeTar(entriesToWrite)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** A layout with one image under the tag `v1`, for the processor that the tests run on. */
export function writeLayout(path: string, layers: readonly LayerToWrite[]): void {
  mkdirSync(join(path, "blobs/sha256"), { recursive: true });
  const blob = (
    bytes: Uint8Array,
    mediaType: string,
  ): { mediaType: string; digest: string; size: number } => {
    const hex = createHash("sha256").update(bytes).digest("hex");
    writeFileSync(join(path, "blobs/sha256", hex), bytes);
    return { mediaType, digest: `sha256:${hex}`, size: bytes.length };
  };
  const type = "application/vnd.oci.image.layer.v1.tar";
  const blobs = layers.map(({ tar, compression }) => {
    if (compression === "none") return blob(tar, type);
    if (compression === "gzip") return blob(gzipSync(tar), `${type}+gzip`);
    return blob(zstdCompressSync(tar), `${type}+zstd`);
  });
  const diffIds = layers.map(({ tar }) => `sha256:${createHash("sha256").update(tar).digest("hex")}`);
  const architecture = process.arch === "arm64" ? "arm64" : "amd64";
  const config = blob(
    Buffer.from(
      JSON.stringify({
        architecture,
        os: "linux",
        config: {},
        rootfs: { type: "layers", diff_ids: diffIds },
      }),
    ),
    "application/vnd.oci.image.config.v1+json",
  );
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const manifest = blob(
    Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, config, layers: blobs })),
    mediaType,
  );
  const annotations = { "org.opencontainers.image.ref.name": "v1" };
  writeFileSync(
    join(path, "index.json"),
    JSON.stringify({ schemaVersion: 2, manifests: [{ ...manifest, annotations }] }),
  );
  writeFileSync(join(path, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }));
}

function* entries(next: Next, first: boolean, files: ByteString[]): Generator<TarEntryToWrite> {
  const pick = <T>(from: readonly T[]): T => from[next(from.length)] as T;
  const about = () => ({
    uid: pick([0, 0, 1000, 3_000_000]),
    gid: pick([0, 0, 7]),
    mtime: { sec: pick([0, 1, 1_700_000_000]), nsec: pick([0, 0, 5, 999_999_999]) },
    xattrs: XATTRS.filter(() => next(8) === 0).map((name) => [utf8(name), utf8(`v${next(3)}`)] as const),
  });
  const dirs = ["usr/", "boot/", "sysroot/", "run/", "usr/lib/", "etc/"].map((name) => utf8(name));
  if (first) for (const name of dirs) yield { entry: { type: "directory", name, ...about() } };
  const own: ByteString[] = [];
  for (let left = 3 + next(25); left > 0; left--) {
    const name = `${pick(dirs)}${pick(NAMES)}${next(4)}` as ByteString;
    const what = next(10);
    if (what === 0) {
      const made = `${name}d/` as ByteString;
      dirs.push(made);
      yield { entry: { type: "directory", name: made, mode: pick([0o755, 0o700, 0o1777]), ...about() } };
    } else if (what === 1) yield { entry: { type: "symlink", name, linkName: utf8("../x"), ...about() } };
    else if (what === 2) yield { entry: { type: "fifo", name, ...about() } };
    else if (what === 3)
      yield { entry: { type: "char", name, devMajor: next(300), devMinor: next(300), ...about() } };
    else if (what === 4 && own.length > 0)
      yield { entry: { type: "hardlink", name: `${name}l` as ByteString, linkName: pick(own) } };
    else if (what === 5 && !first && files.length > 0) {
      const gone = pick(files);
      const slash = gone.lastIndexOf("/") + 1;
      yield {
        entry: { type: "file", name: `${gone.slice(0, slash)}.wh.${gone.slice(slash)}` as ByteString },
      };
    } else {
      const size = pick(SIZES);
      const content = Buffer.alloc(size, `${next(5)} some text of a file; `);
      const file = `${name}f${next(1000)}` as ByteString;
      own.push(file);
      yield {
        entry: { type: "file", name: file, size, mode: pick([0o644, 0o755, 0o4755]), ...about() },
        content,
      };
    }
  }
  files.push(...own);
}
