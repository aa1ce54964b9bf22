// Damage to a repository, as recordings describe it.
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";

export interface DamageOp {
  readonly op: string;
  readonly path: string;
  readonly offset?: number;
  readonly xor?: number;
  readonly size?: number;
  readonly text?: string;
  readonly target?: string;
  readonly to?: string;
}

export function damage(
  repository: string,
  { op, path, offset = 0, xor = 0, size = 0, text = "", target = "", to = "" }: DamageOp,
): void {
  const at = join(repository, path);
  const other = join(repository, to);
  const done: { readonly [name: string]: () => void } = {
    flip() {
      const bytes = readFileSync(at);
      bytes[offset] = (bytes[offset] as number) ^ xor;
      writeFileSync(at, bytes);
    },
    truncate: () => truncateSync(at, size),
    append: () => appendFileSync(at, text),
    write: () => writeFileSync(at, text),
    unlink: () => unlinkSync(at),
    symlink: () => symlinkSync(target, at),
    mkdir: () => void mkdirSync(at),
    rename: () => renameSync(at, other),
    rmtree: () => rmSync(at, { recursive: true }),
    copy: () => copyFileSync(at, other),
  };
  const work = done[op];
  if (work === undefined) throw new Error(`unknown damage: ${op}`);
  for (const place of [at, other]) mkdirSync(dirname(place), { recursive: true });
  work();
}
