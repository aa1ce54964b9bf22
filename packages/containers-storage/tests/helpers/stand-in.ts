import type { DropInContext } from "@bootc-store/backend/command";
import { silentLog, utf8 } from "@bootc-store/core";
import { createPool, Dir } from "@bootc-store/linux";

import { containersStorageDropIn } from "../../src/cli/drop-in.ts";
import type { StorePaths } from "./store.ts";

export interface Said {
  readonly out: string;
  readonly err: string;
  readonly code: number;
}

/** The stand-in, told something on a store. */
export async function ours(
  paths: StorePaths,
  args: readonly string[],
  input = "",
): Promise<Said & { readonly bytes: Buffer }> {
  const pool = createPool({ size: 0 });
  const opened: Dir[] = [];
  const out: Uint8Array[] = [];
  let err = "";
  const open = (path: string): Dir => {
    const dir = Dir.openHost(utf8(path));
    opened.push(dir);
    return dir;
  };
  const context: DropInContext = {
    argv: [...paths.cli, ...args],
    env: {},
    log: silentLog,
    signal: new AbortController().signal,
    cwd: "/",
    stdin: (async function* () {
      yield Buffer.from(input);
    })(),
    pool: () => pool,
    openDir: open,
    ensureDir: open,
    openImage: () => {
      throw new Error("no command here opens an image");
    },
    output: () => {
      throw new Error("a stand-in has its own output");
    },
    setExitCode: () => undefined,
    openSource: async () => undefined,
    async writeOut(data) {
      out.push(typeof data === "string" ? Buffer.from(data) : data);
    },
    async writeErr(data) {
      err += typeof data === "string" ? data : Buffer.from(data).toString();
    },
  };
  const code = await containersStorageDropIn.run(context);
  for (const dir of opened) dir[Symbol.dispose]();
  await pool[Symbol.asyncDispose]();
  const bytes = Buffer.concat(out);
  return { out: bytes.toString(), err, code, bytes };
}
