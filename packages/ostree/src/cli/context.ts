import type { DropInContext } from "@bootc-store/backend/command";
import { type ByteString, isStoreError, utf8 } from "@bootc-store/core";
import { type Dir, type File, type Pool } from "@bootc-store/linux";

import { Repo } from "../repo/repo.ts";
import { OstreeFailure } from "./failure.ts";

/** What a command works with. */
export class Cli {
  readonly context: DropInContext;
  #out: string[] = [];
  #size = 0;

  constructor(context: DropInContext) {
    this.context = context;
  }

  /** Threads are made only by who needs them. */
  get pool(): Pool {
    return this.context.pool();
  }

  async line(text: string): Promise<void> {
    await this.write(`${text}\n`);
  }

  async write(text: string): Promise<void> {
    this.#out.push(text);
    this.#size += text.length;
    if (this.#size > 65_536) await this.flush();
  }

  async bytes(data: Uint8Array): Promise<void> {
    await this.flush();
    await this.context.writeOut(data);
  }

  async flush(): Promise<void> {
    if (this.#out.length === 0) return;
    const text = this.#out.join("");
    this.#out = [];
    this.#size = 0;
    await this.context.writeOut(text);
  }

  async note(text: string): Promise<void> {
    await this.flush();
    await this.context.writeErr(`${text}\n`);
  }

  /** The repository that was asked for, or is found as ostree finds it. */
  openRepo(path: string | undefined, options: { readonly threads?: boolean } = {}): Repo {
    const { env } = this.context;
    const wanted = path ?? env["OSTREE_REPO"] ?? this.#besides();
    const bootId = env["OSTREE_BOOTID"];
    let dir: Dir;
    try {
      dir = this.context.openDir(wanted);
    } catch (error) {
      if (path === undefined) throw new OstreeFailure("Command requires a --repo argument", true);
      if (!isStoreError(error, "linux/not-found")) throw error;
      throw new OstreeFailure(`opening repo: opendir(${path}): No such file or directory`);
    }
    this.#ensureTmp(dir);
    try {
      return Repo.open(dir, {
        ...(options.threads === true ? { pool: this.pool } : {}),
        ...(bootId === undefined ? {} : { bootId }),
      });
    } catch (error) {
      dir[Symbol.dispose]();
      if (!isStoreError(error, "ostree/repo-not-found")) throw error;
      if (path === undefined) throw new OstreeFailure("Command requires a --repo argument", true);
      throw new OstreeFailure(`opening repo: opendir(objects): No such file or directory`);
    }
  }

  /** Some clean `tmp` away; a repository that can be written to has it. */
  #ensureTmp(dir: Dir): void {
    if (dir.typeOptional("objects" as ByteString) === undefined) return;
    const cache = this.context.env["OSTREE_SKIP_CACHE"] === undefined;
    try {
      dir.ensureDir((cache ? "tmp/cache" : "tmp") as ByteString, { mode: 0o775, parents: true });
    } catch (error) {
      if (!isStoreError(error, "linux/read-only", "linux/permission-denied")) throw error;
    }
  }

  #besides(): string {
    using here = this.context.openDir(".");
    if (
      here.typeOptional("objects" as ByteString) === "directory" &&
      here.typeOptional("config" as ByteString) !== undefined
    ) {
      return ".";
    }
    return `${this.context.env["OSTREE_SYSROOT"] ?? "/"}/ostree/repo`;
  }

  /** A directory that was named, with what is to be made in it. */
  openParent(path: string): { readonly dir: Dir; readonly name: ByteString } {
    const trimmed = path.replace(/\/+$/, "") || "/";
    const slash = trimmed.lastIndexOf("/");
    const name = trimmed.slice(slash + 1);
    const parent = slash < 0 ? "." : slash === 0 ? "/" : trimmed.slice(0, slash);
    return { dir: this.context.openDir(parent), name: utf8(name) };
  }

  /** A file that was named. */
  openFile(path: string): File {
    const { dir, name } = this.openParent(path);
    using _dir = dir;
    return dir.openFile(name, { resolution: "beneath", type: "any" });
  }

  readText(path: string): string {
    using file = this.openFile(path);
    return file.readAll().toString("utf8");
  }
}
