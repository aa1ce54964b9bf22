import { createCipheriv, createHash } from "node:crypto";
import { linkSync, lutimesSync, mkdirSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Named workloads; each is a seed, not data. */
export const syntheticTrees = {
  "many-small": "20 000 files of up to 4 kB in 200 directories",
  "few-large": "8 files of 32 MiB",
  deep: "a chain of 100 directories with 5 files in each",
  wide: "20 000 empty files in one directory",
  "all-hardlinks": "200 files with 50 names each",
} as const;

export type SyntheticName = keyof typeof syntheticTrees;

export const isSyntheticName = (name: string): name is SyntheticName => Object.hasOwn(syntheticTrees, name);

/** Numbers and bytes from a seed: AES-256 in counter mode, so fast and the same everywhere. */
export class SeededBytes {
  readonly #cipher: ReturnType<typeof createCipheriv>;

  constructor(seed: string | number) {
    const key = createHash("sha256").update(String(seed)).digest();
    this.#cipher = createCipheriv("aes-256-ctr", key, Buffer.alloc(16));
  }

  bytes(length: number): Buffer {
    return this.#cipher.update(Buffer.alloc(length));
  }

  /** An integer from 0 to below `limit` (at most 2^32). */
  below(limit: number): number {
    return Math.floor((this.bytes(4).readUInt32LE(0) / 2 ** 32) * limit);
  }
}

/** 2001-09-09, the same on every file: a tree made twice is the same tree. */
const TIME = 1_000_000_000;

export interface SyntheticOptions {
  seed?: string | number;
  /** Scales the number of files (and the size of the large ones); 1 unless given. */
  scale?: number;
}

/** Makes a workload in an empty directory: the same seed and scale give the same names, bytes, modes and times. */
export function makeSyntheticTree(
  name: SyntheticName,
  directory: string,
  options: SyntheticOptions = {},
): void {
  const { seed = 1, scale = 1 } = options;
  const random = new SeededBytes(`${name} ${seed}`);
  const times = (n: number): number => Math.max(1, Math.round(n * scale));
  const touched: string[] = [directory];
  const folder = (path: string): string => {
    mkdirSync(path, { mode: 0o755 });
    touched.push(path);
    return path;
  };
  const file = (path: string, content: Uint8Array): void => {
    writeFileSync(path, content, { mode: 0o644, flag: "wx" });
    utimesSync(path, TIME, TIME);
  };

  switch (name) {
    case "many-small":
      for (let d = 0; d < times(200); d++) {
        const parent = folder(join(directory, `d${d}`));
        for (let f = 0; f < 100; f++) file(join(parent, `f${f}`), random.bytes(random.below(4097)));
        symlinkSync("f0", join(parent, "link"));
        lutimesSync(join(parent, "link"), TIME, TIME);
      }
      break;
    case "few-large":
      for (let f = 0; f < 8; f++) file(join(directory, `f${f}`), random.bytes(times(32 * 1024 * 1024)));
      break;
    case "deep": {
      let parent = directory;
      for (let d = 0; d < times(100); d++) {
        parent = folder(join(parent, `d${d}`));
        for (let f = 0; f < 5; f++) file(join(parent, `f${f}`), random.bytes(random.below(1025)));
      }
      break;
    }
    case "wide":
      for (let f = 0; f < times(20_000); f++) file(join(directory, `f${f}`), new Uint8Array());
      break;
    case "all-hardlinks":
      for (let f = 0; f < times(200); f++) {
        const first = join(directory, `f${f}-0`);
        file(first, random.bytes(random.below(8193)));
        for (let n = 1; n < 50; n++) linkSync(first, join(directory, `f${f}-${n}`));
      }
      break;
  }
  for (const path of touched.reverse()) utimesSync(path, TIME, TIME);
}
