import { createHash } from "node:crypto";
import {
  createWriteStream,
  existsSync,
  mkdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { createGzip } from "node:zlib";

import { utf8 } from "@bootc-store/core";
import { type Comparison, type Lab, LabError, SeededBytes } from "@bootc-store/lab";
import { MEDIA_TYPES, type TarEntryToWrite, writeTar } from "@bootc-store/oci";

/** Ours as it is published: compiled. */
const BUILT = fileURLToPath(new URL("../../dist/bench/programs/read-layer.js", import.meta.url));
const FILES = 50_000;
const BYTES = 1 << 30;

/** Files of 1 to about 40 kB in 500 directories, half of each as compressible as text. */
function* layerFiles(seed: number): Generator<TarEntryToWrite> {
  const random = new SeededBytes(seed);
  const mean = BYTES / FILES;
  for (let at = 0; at < FILES; at++) {
    if (at % 100 === 0) yield { entry: { type: "directory", name: utf8(`usr/lib/d${at / 100}`) } };
    const size = Math.round(mean / 10 + (mean * 1.8 * ((at * 7919) % FILES)) / FILES);
    const content = Buffer.alloc(size, `${at} is the number of this file, and this is its text. `);
    random.bytes(size >> 1).copy(content, size >> 1);
    const name = utf8(`usr/lib/d${Math.floor(at / 100)}/file-${at}.so`);
    yield { entry: { type: "file", name, size, mtime: { sec: 1_700_000_000 + at, nsec: 0 } }, content };
  }
}

/** Writes a blob into a layout and says what it is. */
async function writeBlob(
  layout: string,
  chunks: AsyncIterable<Uint8Array>,
  gzip: boolean,
): Promise<{ readonly digest: string; readonly size: number; readonly diffId: string }> {
  const plain = createHash("sha256");
  const shipped = createHash("sha256");
  async function* tee(from: AsyncIterable<Uint8Array>, hash: typeof plain): AsyncGenerator<Uint8Array> {
    for await (const chunk of from) {
      hash.update(chunk);
      yield chunk;
    }
  }
  const place = join(layout, "new");
  const file = createWriteStream(place);
  const source = Readable.from(tee(chunks, plain));
  if (gzip)
    await pipeline(
      source,
      createGzip({ level: 6 }),
      (out) => tee(out as AsyncIterable<Uint8Array>, shipped),
      file,
    );
  else await pipeline(source, (out) => tee(out as AsyncIterable<Uint8Array>, shipped), file);
  const hex = shipped.digest("hex");
  renameSync(place, join(layout, "blobs/sha256", hex));
  const { size } = statSync(join(layout, "blobs/sha256", hex));
  return { digest: `sha256:${hex}`, size, diffId: `sha256:${plain.digest("hex")}` };
}

async function* bytes(value: unknown): AsyncGenerator<Uint8Array> {
  yield Buffer.from(JSON.stringify(value));
}

/** A layout with an image of one layer of 1 GB in 50,000 files. */
async function makeLayout(layout: string, seed: number, gzip: boolean): Promise<string> {
  mkdirSync(join(layout, "blobs/sha256"), { recursive: true });
  const layer = await writeBlob(layout, writeTar(layerFiles(seed)), gzip);
  const rootfs = { type: "layers", diff_ids: [layer.diffId] };
  const config = await writeBlob(layout, bytes({ os: "linux", architecture: "amd64", rootfs }), false);
  const described = ({ digest, size }: typeof layer, mediaType: string): object => ({
    mediaType,
    digest,
    size,
  });
  const manifest = await writeBlob(
    layout,
    bytes({
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.manifest,
      config: described(config, MEDIA_TYPES.config),
      layers: [described(layer, gzip ? MEDIA_TYPES.layerGzip : MEDIA_TYPES.layer)],
    }),
    false,
  );
  writeFileSync(join(layout, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  const index = { schemaVersion: 2, manifests: [described(manifest, MEDIA_TYPES.manifest)] };
  writeFileSync(join(layout, "index.json"), JSON.stringify(index));
  return layer.digest.slice("sha256:".length);
}

/** Reading, checking and listing a layer, against a copy by skopeo and a listing by tar. */
export async function layerComparisons(
  lab: Lab,
  scratch: string,
  seed: number,
  log: (line: string) => void,
): Promise<readonly Comparison[]> {
  if (!existsSync(BUILT)) {
    throw new LabError("lab/not-installed", `${BUILT} has not been built`, { hint: "npx pnpm@12 build" });
  }
  const made: Comparison[] = [];
  for (const form of ["plain", "gzip"] as const) {
    log(`making a ${form} layer of 1 GB in ${FILES} files`);
    const layout = join(scratch, form);
    const hex = await makeLayout(layout, seed, form === "gzip");
    const copy = join(scratch, `${form}-copy`);
    const fresh = (): void => rmSync(copy, { recursive: true, force: true });
    const script = `skopeo --insecure-policy copy --quiet oci:${layout} dir:${copy} && tar -tf ${copy}/${hex}`;
    made.push({
      name: `read, check and list a ${form} layer of 1 GB in ${FILES} files`,
      ours: {
        name: "bootc-store",
        command: () => [process.execPath, BUILT, `oci:${layout}`],
      },
      peers: [
        {
          name: "skopeo copy oci: dir:, then tar -t",
          command: () =>
            lab.peers.sh.command(["-c", form === "gzip" ? script.replace("tar -tf", "tar -tzf") : script]),
          before: fresh,
          after: fresh,
        },
      ],
    });
  }
  return made;
}
