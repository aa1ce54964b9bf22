import { type ChildProcess, spawn } from "node:child_process";
import type { Enclosure } from "../enclosure.ts";
import { peerEnvironment } from "../enclosure.ts";
import { LabError } from "../errors.ts";
import {
  type Command,
  run,
  runSync,
  type RunOptions,
  type RunResult,
  succeed,
  succeedSync,
} from "../exec.ts";
import type { PeerName } from "./names.ts";
import type { PeerStatus } from "./status.ts";

/** What a peer needs of its lab. */
export interface PeerHome {
  /** The namespace of the peers, set up when first asked for. */
  enclosure(): Enclosure;
  /** Where peers run unless told otherwise: the session's directory. */
  directory(): string;
}

/**
 * One of the real tools. Paths below a scratch directory or /tmp are the same for it as for us; the rest of the
 * machine is not there for it. It starts with an environment of its own (`PATH`, `HOME`, `LANG=C.UTF-8`, `TZ=UTC`), to
 * which `env` adds.
 */
export class Peer {
  readonly name: PeerName;
  readonly #status: PeerStatus;
  readonly #home: PeerHome;

  constructor(status: PeerStatus, home: PeerHome) {
    this.name = status.name;
    this.#status = status;
    this.#home = home;
  }

  get available(): boolean {
    return this.#status.available;
  }

  /** Why it cannot be run; undefined when it can. */
  get reason(): string | undefined {
    return this.#status.available ? undefined : this.#status.reason;
  }

  /** Version of its package; undefined when it is not there. */
  get version(): string | undefined {
    return this.#status.available ? this.#status.version : undefined;
  }

  /** The command as this machine has to start it, for `spawn` and the fault functions. */
  command(args: readonly string[], cwd: string = this.#home.directory()): Command {
    if (!this.#status.available)
      throw new LabError("lab/not-installed", `${this.name}: ${this.#status.reason}`, {
        context: { peer: this.name },
        hint: "harness peers install",
      });
    return this.#home.enclosure().command([this.name, ...args], cwd);
  }

  /** Runs it to its end; any exit code is a result. Ends it after 120 s unless `timeout` says otherwise. */
  async run(args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    return await run(this.command(args, options.cwd), outside(options), peerEnvironment());
  }

  /** As {@link run}; an exit code other than 0 throws `lab/command-failed` with what the tool said. */
  async succeed(args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    return await succeed(this.command(args, options.cwd), outside(options), peerEnvironment());
  }

  /** As {@link run}, waiting in place. */
  runSync(args: readonly string[], options: Omit<RunOptions, "signal"> = {}): RunResult {
    return runSync(this.command(args, options.cwd), outside(options), peerEnvironment());
  }

  /** As {@link succeed}, waiting in place. */
  succeedSync(args: readonly string[], options: Omit<RunOptions, "signal"> = {}): RunResult {
    return succeedSync(this.command(args, options.cwd), outside(options), peerEnvironment());
  }

  /** Starts it and lets it run: servers and lock holders. The caller ends it. */
  spawn(args: readonly string[], options: Pick<RunOptions, "cwd" | "env"> = {}): ChildProcess {
    const [program, ...rest] = this.command(args, options.cwd);
    return spawn(program, rest, {
      env: { ...peerEnvironment(), ...options.env },
      stdio: ["pipe", "pipe", "pipe"],
    });
  }
}

/** The working directory is entered inside, by the command itself. */
function outside<O extends RunOptions>(options: O): O {
  const copy = { ...options };
  delete copy.cwd;
  return copy;
}
