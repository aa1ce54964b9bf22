/* oxlint-disable typescript/await-thenable -- the linter does not know of async disposal in test files */
import { mkdirSync } from "node:fs";
import { utf8 } from "@bootc-store/core";
import { silentLog } from "@bootc-store/core";
import { createPool, Dir, type Pool } from "@bootc-store/linux";

import { ostreeDropIn } from "../../src/cli/drop-in.ts";

export interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

const pools = new Map<number, Pool>();

/** Kept for all runs of a test file; idle workers do not hold the process up. */
function poolOf(size: number): Pool {
  let pool = pools.get(size);
  if (pool === undefined) {
    pool = createPool({ size });
    pools.set(size, pool);
  }
  return pool;
}

/** Runs the stand-in in this process, as an app would. */
export async function runOurs(
  cwd: string,
  argv: readonly string[],
  options: {
    readonly env?: Readonly<Record<string, string>>;
    readonly stdin?: Uint8Array;
    readonly workers?: number;
  } = {},
): Promise<Ended> {
  const out: Uint8Array[] = [];
  const err: Uint8Array[] = [];
  const pool = poolOf(options.workers ?? 2);
  const openDir = (path: string): Dir => Dir.openHost(utf8(path.startsWith("/") ? path : `${cwd}/${path}`));
  const code = await ostreeDropIn.run({
    argv,
    env: options.env ?? {},
    log: silentLog,
    signal: new AbortController().signal,
    pool: () => pool,
    cwd,
    openDir,
    ensureDir: (path) => {
      mkdirSync(path.startsWith("/") ? path : `${cwd}/${path}`, { recursive: true });
      return openDir(path);
    },
    openImage: () => {
      throw new Error("no command of ostree opens an image");
    },
    output: () => {
      throw new Error("a stand-in writes its own output");
    },
    setExitCode: () => {},
    stdin: (async function* () {
      if (options.stdin !== undefined) yield options.stdin;
    })(),
    writeOut: async (data) => void out.push(Buffer.from(data)),
    writeErr: async (data) => void err.push(Buffer.from(data)),
    openSource: async () => undefined,
  });
  return { code, out: Buffer.concat(out).toString("utf8"), err: Buffer.concat(err).toString("utf8") };
}
