// Runs a stand-in in this process, as the program would.
import { mkdirSync } from "node:fs";
import { resolve } from "node:path";

import type { DropIn, DropInContext } from "@bootc-store/backend/command";
import { silentLog, utf8 } from "@bootc-store/core";
import { Dir, type Pool } from "@bootc-store/linux";

export interface ToolRun {
  readonly code: number;
  readonly out: Buffer;
  readonly err: string;
}

export interface ToolPlace {
  readonly cwd: string;
  readonly pool: Pool;
  readonly stdin?: string | Uint8Array;
  readonly env?: Readonly<Record<string, string>>;
}

export async function runTool(tool: DropIn, argv: readonly string[], place: ToolPlace): Promise<ToolRun> {
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  const dirs: Dir[] = [];
  const openDir = (path: string): Dir => {
    const dir = Dir.openHost(utf8(path === "" ? "" : resolve(place.cwd, path)));
    dirs.push(dir);
    return dir;
  };
  const unexpected = (): never => {
    throw new Error("a stand-in has its own output");
  };
  const context: DropInContext = {
    argv,
    env: place.env ?? {},
    log: silentLog,
    signal: new AbortController().signal,
    stdin: (async function* () {
      yield Buffer.from((place.stdin ?? "") as Uint8Array);
    })(),
    cwd: place.cwd,
    pool: () => place.pool,
    openDir,
    ensureDir: (path) => {
      mkdirSync(resolve(place.cwd, path), { recursive: true });
      return openDir(path);
    },
    openImage: () => {
      throw new Error("no command here opens an image");
    },
    output: unexpected,
    setExitCode: unexpected,
    writeOut: async (data) => void out.push(Buffer.from(data as Uint8Array)),
    writeErr: async (data) => void err.push(Buffer.from(data as Uint8Array)),
    openSource: async () => undefined,
  };
  try {
    const code = await tool.run(context);
    return { code, out: Buffer.concat(out), err: Buffer.concat(err).toString() };
  } finally {
    for (const dir of dirs) dir[Symbol.dispose]();
  }
}
