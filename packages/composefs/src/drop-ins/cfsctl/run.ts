// What a command of cfsctl is run with: its options, its repository, its output.

import { userInfo } from "node:os";

import type { DropInContext } from "@bootc-store/backend/command";
import { isStoreError, utf8 } from "@bootc-store/core";
import type { Dir } from "@bootc-store/linux";

import { ALGORITHMS, type ComposefsAlgorithm } from "../../algorithm.ts";
import type { ErofsVersion } from "../../format/meta-json.ts";
import { type OpenOptions, Repository } from "../../repository/repository.ts";
import type { ParsedCommand } from "../clap/parse.ts";
import { fail, Failure, messagesOf } from "./chain.ts";

export class Run {
  readonly context: DropInContext;
  readonly #global: ReadonlyMap<string, readonly string[]>;
  readonly #own: ReadonlyMap<string, readonly string[]>;

  constructor(context: DropInContext, top: ParsedCommand, own: ParsedCommand) {
    this.context = context;
    this.#global = top.values;
    this.#own = own.values;
  }

  flag(name: string): boolean {
    return this.#own.has(name);
  }

  value(name: string): string | undefined {
    return this.#own.get(name)?.at(-1);
  }

  values(name: string): readonly string[] {
    return this.#own.get(name) ?? [];
  }

  /** An operand that the command line must have. */
  operand(name: string): string {
    return this.value(name) ?? "";
  }

  globalFlag(name: string): boolean {
    return this.#global.has(name);
  }

  get hash(): ComposefsAlgorithm | undefined {
    return this.#global.get("hash")?.[0] as ComposefsAlgorithm | undefined;
  }

  get imageFormat(): ErofsVersion | undefined {
    return versionOf(this.#global.get("erofs-version")?.[0]);
  }

  /** That of `--repo`, `--user`, `--system`, or of who this is. */
  get repositoryPath(): string {
    const given = this.#global.get("repo")?.[0];
    if (given !== undefined) return given;
    const user = this.globalFlag("user") || (!this.globalFlag("system") && userInfo().uid !== 0);
    return user
      ? `${this.context.env["HOME"] ?? userInfo().homedir}/.var/lib/composefs`
      : "/sysroot/composefs";
  }

  get keepsUserXattrs(): boolean {
    return this.value("xattrs") === "keep-user-xattrs";
  }

  async print(text: string): Promise<void> {
    if (text !== "") await this.context.writeOut(text);
  }

  /** Two spaces, and a newline at the end. */
  async printJson(value: unknown): Promise<void> {
    await this.print(`${JSON.stringify(value, undefined, 2)}\n`);
  }

  /** Opens the repository that the command is about. */
  async open(): Promise<Repository> {
    const repository = await this.openAt(this.repositoryPath);
    try {
      this.#checkKind(repository);
      return repository;
    } catch (error) {
      await repository[Symbol.asyncDispose]();
      throw error;
    }
  }

  async openAt(path: string): Promise<Repository> {
    let dir: Dir;
    try {
      dir = this.context.openDir(path);
    } catch (error) {
      throw new Failure([`opening repository ${path}`, ...messagesOf(error)], { cause: error });
    }
    const refuse = this.globalFlag("no-upgrade");
    const options: OpenOptions = {
      old: refuse ? "refuse" : "upgrade",
      lockTimeout: Number.POSITIVE_INFINITY,
      signal: this.context.signal,
      ...(this.globalFlag("insecure") ? { verity: "try" } : {}),
      ...(this.imageFormat === undefined ? {} : { imageFormat: this.imageFormat }),
    };
    try {
      return await Repository.open(dir, options);
    } catch (error) {
      throw openFailure(error, path, dir, refuse);
    }
  }

  #checkKind({ algorithm, secure }: Repository): void {
    if (this.hash !== undefined && this.hash !== algorithm) {
      throw fail(
        `repository is configured for ${ALGORITHMS[algorithm].name} (from meta.json) but --hash ${this.hash} was specified`,
      );
    }
    if (this.globalFlag("require-verity") && !secure) {
      throw fail(
        "repository was not initialized with fs-verity (hint: re-create with `cfsctl init` on a verity-capable filesystem)",
      );
    }
  }
}

export function versionOf(text: string | undefined): ErofsVersion | undefined {
  const version = Number(text ?? "none");
  return version === 0 || version === 1 || version === 2 ? version : undefined;
}

function openFailure(error: unknown, path: string, dir: Dir, refuse: boolean): unknown {
  if (!isStoreError(error)) return error;
  switch (error.code) {
    case "composefs/metadata-missing":
      return fail(
        ...(refuse
          ? [`meta.json not found in ${path}; this repository must be initialized with \`cfsctl init\``]
          : [
              `no meta.json in ${path}; tried to infer algorithm from objects`,
              ...(dir.statOptional(utf8("objects")) === undefined
                ? ["opening objects/ directory", "No such file or directory (os error 2)"]
                : ["no objects found"]),
            ]),
      );
    case "composefs/version-unsupported":
    case "composefs/feature-unsupported":
      return fail(error.message.replace("this program supports", "this tool supports"));
    case "composefs/metadata-invalid":
      return fail(
        "Reading repository algorithm",
        "Reading repository metadata",
        "parsing meta.json",
        error.message,
      );
    default:
      return new Failure(messagesOf(error), { cause: error });
  }
}

/** A command. */
export type Command = (run: Run) => Promise<number | undefined>;
