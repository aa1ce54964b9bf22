import { resolve } from "node:path";
import { setFlagsFromString } from "node:v8";

import type {
  CommandContext,
  DropInContext,
  OpenedImage,
  OpenImageOptions,
  Output,
} from "@bootc-store/backend/command";
import { type Log, type LogLevel, utf8 } from "@bootc-store/core";
import { createPool, Dir, type Pool } from "@bootc-store/linux";

import { openStore } from "./stores.ts";
import { TerminalOutput } from "./output/output.ts";
import { write } from "./output/streams.ts";

/**
 * A pool, for a run that takes its time. From here on heaps grow by less at once than V8 lets them: of a whole system's image
 * a few ten megabytes live, and without that four times as many are taken for what is garbage soon.
 */
function makePool(): Pool {
  setFlagsFromString("--heap-growing-percent=40");
  return createPool();
}

const LEVELS: readonly LogLevel[] = ["error", "warn", "info", "debug"];

/** What the process gives to its commands. Here, and nowhere in the libraries, are its environment and streams. */
export class AppContext implements CommandContext, AsyncDisposable {
  readonly env = process.env;
  readonly #controller = new AbortController();
  readonly #dirs: Dir[] = [];
  #pool: Pool | undefined;
  readonly log: Log;
  exitCode = 0;

  constructor() {
    const wanted = LEVELS.indexOf((process.env["BOOTC_STORE_LOG"] ?? "warn") as LogLevel);
    const most = wanted < 0 ? LEVELS.indexOf("warn") : wanted;
    this.log = {
      log(level, message, fields) {
        if (LEVELS.indexOf(level) > most) return;
        const shown = Object.entries(fields ?? {}).map(([key, value]) => ` ${key}=${String(value)}`);
        process.stderr.write(`${level}: ${message}${shown.join("")}\n`);
      },
    };
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  abort(): void {
    this.#controller.abort();
  }

  setExitCode(code: number): void {
    this.exitCode = code;
  }

  pool(): Pool {
    this.#pool ??= makePool();
    return this.#pool;
  }

  openDir(path: string): Dir {
    const dir = Dir.openHost(utf8(path));
    this.#dirs.push(dir);
    return dir;
  }

  get cwd(): string {
    return process.cwd();
  }

  ensureDir(path: string): Dir {
    const full = resolve(path);
    using host = Dir.openHost(utf8("/"));
    if (full !== "/") host.ensureDir(utf8(full.slice(1)), { parents: true, resolution: "inRoot" });
    return this.openDir(full);
  }

  async openImage(reference: string, options?: OpenImageOptions): Promise<OpenedImage> {
    const { openImage } = await import("./images.ts");
    return await openImage(this, reference, options);
  }

  output(options: { readonly json?: boolean }): Output {
    return new TerminalOutput(options.json === true);
  }

  forDropIn(argv: readonly string[]): DropInContext {
    return {
      argv,
      env: this.env,
      log: this.log,
      signal: this.signal,
      get stdin() {
        return process.stdin;
      },
      pool: () => this.pool(),
      cwd: this.cwd,
      openDir: (path) => this.openDir(path),
      ensureDir: (path) => this.ensureDir(path),
      openImage: (reference, options) => this.openImage(reference, options),
      output: (options) => this.output(options),
      setExitCode: (code) => this.setExitCode(code),
      writeOut: (data) => write("stdout", data),
      writeErr: (data) => write("stderr", data),
      openSource: (transport) => openStore(transport, this),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool?.[Symbol.asyncDispose]();
    for (const dir of this.#dirs.reverse()) dir[Symbol.dispose]();
  }
}
