import { mkdirSync, mkdtempSync } from "node:fs";
import { join } from "node:path";
import { removeTree } from "./atomic.ts";
import { type CachePaths, cachePaths } from "./cache.ts";
import { Enclosure } from "./enclosure.ts";
import { type FileSystem, type FileSystemOptions, makeFileSystem } from "./filesystems/filesystem.ts";
import { type FileSystemKind, whyNot } from "./filesystems/kinds.ts";
import { findProgram, isRoot } from "./host.ts";
import { type PeerName, peerNames } from "./peers/names.ts";
import { Peer } from "./peers/peer.ts";
import { peerStatus } from "./peers/status.ts";
import { treePlace } from "./peers/tree.ts";
import { VirtualMachine } from "./vm/machine.ts";
import { openSession, type Session } from "./session.ts";

export interface LabOptions {
  /** Cache directory; see `defaultCache`. */
  cache?: string | undefined;
  /** Further directories that peers see at the same path. What is mounted below them later is seen only where they are shared mounts. */
  visible?: readonly string[];
}

/** A directory of its own for one test; removed, with what is mounted below it, when disposed. */
export interface Scratch extends AsyncDisposable {
  readonly path: string;
}

export interface Needs {
  root?: boolean;
  peers?: readonly PeerName[];
  filesystems?: readonly FileSystemKind[];
  /** Programs of this machine, by name. */
  programs?: readonly string[];
}

/**
 * The lab as one process sees it: the peers, scratch directories, file systems.
 * Nothing is made on disk before it is used. What was made goes at `close`, at the exit of the process, or, when that was
 * killed, as soon as another session opens.
 */
export class Lab implements AsyncDisposable {
  readonly cache: CachePaths;
  readonly peers: Readonly<Record<PeerName, Peer>>;
  /** A small machine whose kernel has fs-verity. */
  readonly vm: VirtualMachine;
  readonly #visible: readonly string[];
  #session: Session | undefined;
  #enclosure: Enclosure | undefined;
  readonly #atExit = (): void => this.close();

  constructor(options: LabOptions = {}) {
    this.cache = cachePaths(options.cache);
    this.#visible = options.visible ?? [];
    const status = new Map(peerStatus(options.cache).map((one) => [one.name, one]));
    const home = { enclosure: () => this.#enter(), directory: () => this.directory };
    this.peers = Object.fromEntries(
      peerNames.map((name) => {
        const one = status.get(name) ?? { name, available: false as const, reason: "unknown" };
        return [name, new Peer(one, home)];
      }),
    ) as Record<PeerName, Peer>;
    this.vm = new VirtualMachine({
      cache: this.cache,
      directory: () => this.directory,
      peer: (name) => this.peer(name),
    });
  }

  peer(name: PeerName): Peer {
    return this.peers[name];
  }

  /** Why a test with these needs cannot run here; undefined when it can. */
  missing(needs: Needs): string | undefined {
    if (needs.root === true && !isRoot()) return "needs root";
    const hasPeer = (name: PeerName): boolean => this.peers[name].available;
    const absent = [
      ...(needs.peers ?? []).map((name) => this.peers[name].reason),
      ...(needs.filesystems ?? []).map((kind) => whyNot(kind, hasPeer)),
      ...(needs.programs ?? []).map((name) =>
        findProgram(name) ? undefined : `${name} is not on this machine`,
      ),
    ].filter((reason) => reason !== undefined);
    return absent.length === 0 ? undefined : [...new Set(absent)].join("; ");
  }

  /** The session's directory; peers see it at the same path. */
  get directory(): string {
    return this.#open().path;
  }

  /** A new empty directory that peers see at the same path. */
  scratch(prefix = "t"): Scratch {
    const path = mkdtempSync(join(this.directory, `${prefix}-`));
    return { path, [Symbol.asyncDispose]: () => removeTree(path) };
  }

  /** Makes a file system of its own and mounts it; peers see it at the same path. */
  async filesystem(kind: FileSystemKind, options: FileSystemOptions = {}): Promise<FileSystem> {
    const directory = mkdtempSync(join(this.directory, `${kind}-`));
    return await makeFileSystem(kind, { directory, peer: (name) => this.peer(name) }, options);
  }

  #open(): Session {
    if (!this.#session) {
      this.#session = openSession(this.cache);
      process.once("exit", this.#atExit);
    }
    return this.#session;
  }

  #enter(): Enclosure {
    if (!this.#enclosure) {
      const session = this.#open();
      const state = join(session.path, "state");
      mkdirSync(state, { recursive: true });
      mkdirSync(this.cache.images, { recursive: true });
      this.#enclosure = Enclosure.open({
        root: treePlace(this.cache).root,
        shared: [this.cache.scratch, ...this.#visible],
        readOnly: [this.cache.images],
        state,
      });
    }
    return this.#enclosure;
  }

  /** Ends the peers' namespace, unmounts and removes what the session made. Waits in place. */
  close(): void {
    process.off("exit", this.#atExit);
    this.#enclosure?.close();
    this.#enclosure = undefined;
    this.#session?.close();
    this.#session = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }
}

export const openLab = (options: LabOptions = {}): Lab => new Lab(options);
