import { isStoreError, Lifetime, textOf, utf8 } from "@bootc-store/core";
import { printOstreeKarg } from "@bootc-store/boot";
import { type Dir, type FileStat, type Pool, sameFile } from "@bootc-store/linux";

import { ostreeErrors } from "../errors.ts";
import { gvariant, lookupValue } from "../gvariant/index.ts";
import { Repo } from "../repo/repo.ts";
import {
  type OstreeBootEntry,
  readBootEntries,
  readBootVersion,
  readSubBootVersion,
} from "./boot-entries.ts";
import {
  type Deployment,
  deploymentBaseName,
  type DeploymentName,
  deploymentPath,
  isPinned,
  parseDeploymentName,
  readOrigin,
  unlockedOf,
} from "./deployment.ts";
import { readStaged } from "./staged.ts";

export interface OpenSysrootOptions {
  /** The root of the running system, by which the booted deployment is known. */
  readonly root?: Dir;
  /** `/run` of the running system. Without it nothing is booted, staged or unlocked for the time being. */
  readonly run?: Dir;
  /** The booted deployment, instead of finding it. */
  readonly booted?: DeploymentName;
  readonly pool?: Pool;
}

/** The deployment before the booted one of its stateroot, which comes next, and the one after it, to go back to. */
export interface Neighbours {
  readonly pending: Deployment | undefined;
  readonly rollback: Deployment | undefined;
}

/** A sysroot as it is when it is opened: its repository, its stateroots and deployments. Nothing is written. */
export class Sysroot implements Disposable {
  readonly dir: Dir;
  readonly repo: Repo;
  readonly bootVersion: 0 | 1;
  readonly subBootVersion: 0 | 1;
  /** In the order of the boot menu, a staged one first. */
  readonly deployments: readonly Deployment[];
  readonly bootEntries: readonly OstreeBootEntry[];
  readonly #lifetime = new Lifetime("sysroot");

  private constructor(dir: Dir, repo: Repo, options: OpenSysrootOptions) {
    this.dir = dir;
    this.repo = repo;
    this.bootVersion = readBootVersion(dir);
    this.subBootVersion = readSubBootVersion(dir, this.bootVersion);
    this.bootEntries = readBootEntries(dir, this.bootVersion);
    this.deployments = new Loader(dir, options).load(this.bootEntries);
  }

  /**
   * Opens a sysroot; `dir` is then its own to close. Directories of the options stay the caller's. Throws
   * `ostree/repo-not-found`, `ostree/sysroot-invalid`, `ostree/deployment-not-found`.
   */
  static open(dir: Dir, options: OpenSysrootOptions = {}): Sysroot {
    const repoDir = dir.openDirOptional(utf8("ostree/repo"));
    if (repoDir === undefined) {
      throw ostreeErrors.error("repo-not-found", "there is no ostree/repo, so this is no sysroot");
    }
    let repo: Repo;
    try {
      repo = Repo.open(repoDir, options.pool === undefined ? {} : { pool: options.pool });
    } catch (error) {
      repoDir[Symbol.dispose]();
      throw error;
    }
    try {
      return new Sysroot(dir, repo, options);
    } catch (error) {
      repo[Symbol.dispose]();
      throw error;
    }
  }

  get booted(): Deployment | undefined {
    return this.deployments.find((each) => each.booted);
  }

  /** Names of the stateroots, in byte order. */
  get stateroots(): string[] {
    using deploy = this.dir.openDirOptional(utf8("ostree/deploy"));
    if (deploy === undefined) return [];
    return deploy
      .list()
      .filter(({ type }) => type === "directory")
      .map(({ name }) => textOf(name))
      .filter((name) => name !== undefined)
      .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  }

  /** Of a stateroot; of the booted one unless given. Without a booted deployment in it there are none. */
  neighbours(stateroot = this.booted?.stateroot): Neighbours {
    const own = this.deployments.filter((each) => each.stateroot === stateroot);
    const at = own.findIndex((each) => each.booted);
    if (at < 0) return { pending: undefined, rollback: undefined };
    return { pending: at > 0 ? own[0] : undefined, rollback: own[at + 1] };
  }

  /** The deployment whose `/etc` a new one of this stateroot would get. */
  mergeDeployment(stateroot: string): Deployment | undefined {
    const { booted } = this;
    if (booted?.stateroot === stateroot) return booted;
    return this.deployments.find((each) => each.stateroot === stateroot);
  }

  /** The root of a deployment; the caller closes it. */
  openDeployment(name: DeploymentName): Dir {
    this.#lifetime.assertOpen();
    return this.dir.openDir(utf8(deploymentPath(name)));
  }

  [Symbol.dispose](): void {
    if (!this.#lifetime.end()) return;
    this.repo[Symbol.dispose]();
    this.dir[Symbol.dispose]();
  }
}

const BOOTED = gvariant("a{sv}");

/** Puts the deployments of a sysroot together from its boot entries, its links and what `/run` says. */
class Loader {
  readonly #dir: Dir;
  readonly #options: OpenSysrootOptions;
  readonly #run: Dir | undefined;
  /** What is known of the directory that the system runs from. */
  readonly #backing: BackingRoot | undefined;
  readonly #rootStat: FileStat | undefined;
  readonly #softReboot: BackingRoot | undefined;

  constructor(dir: Dir, options: OpenSysrootOptions) {
    this.#dir = dir;
    this.#options = options;
    const mark = options.run?.readFileOptional(utf8("ostree-booted"), { limit: 1 << 16 });
    const isBooted = mark !== undefined || options.booted !== undefined;
    this.#run = isBooted ? options.run : undefined;
    if (mark !== undefined) {
      this.#backing = backingRoot(mark);
      this.#rootStat = options.root?.statSelf();
    }
    const next = this.#run?.readFileOptional(utf8("ostree/nextroot-booted"), { limit: 1 << 16 });
    this.#softReboot = next === undefined ? undefined : backingRoot(next);
  }

  load(entries: readonly OstreeBootEntry[]): Deployment[] {
    const deployments: Deployment[] = [];
    const staged = this.#staged();
    if (staged !== undefined) deployments.push(staged);
    for (const entry of entries) deployments.push(this.#ofEntry(entry, deployments.length));
    const { booted } = this.#options;
    if (booted !== undefined && !deployments.some((each) => each.booted)) {
      throw ostreeErrors.error(
        "deployment-not-found",
        `there is no deployment ${deploymentBaseName(booted)} of ${booted.stateroot}`,
      );
    }
    return deployments;
  }

  #ofEntry({ config, karg, file }: OstreeBootEntry, index: number): Deployment {
    const link = printOstreeKarg(karg).slice(1);
    const target = this.#dir.readLinkOptional(utf8(link), { resolution: "inRoot" });
    const text = target === undefined ? undefined : textOf(target);
    const name =
      text === undefined ? undefined : parseDeploymentName(karg.stateroot, text.split("/").at(-1) ?? "");
    if (name === undefined) {
      throw ostreeErrors.error("sysroot-invalid", `the boot entry ${file} leads to no deployment: ${link}`, {
        context: { path: link },
      });
    }
    const origin = readOrigin(this.#dir, name);
    return {
      ...name,
      index,
      bootChecksum: karg.bootChecksum,
      bootSerial: karg.bootSerial,
      bootConfig: config,
      kargs: config.values.get("options"),
      origin,
      ...this.#state(name),
      staged: false,
      finalizationLocked: false,
      pinned: isPinned(origin),
      unlocked: unlockedOf(name, origin, this.#run),
    };
  }

  #staged(): Deployment | undefined {
    const staged = this.#run === undefined ? undefined : readStaged(this.#run);
    if (staged === undefined) return undefined;
    const { name } = staged;
    const origin = readOrigin(this.#dir, name);
    return {
      ...name,
      index: 0,
      bootChecksum: staged.bootChecksum,
      bootSerial: -1,
      bootConfig: undefined,
      kargs: staged.kargs?.join(" "),
      origin,
      ...this.#state(name),
      booted: false,
      staged: true,
      finalizationLocked: staged.locked,
      pinned: isPinned(origin),
      unlocked: unlockedOf(name, origin, this.#run),
    };
  }

  #state(name: DeploymentName): { readonly booted: boolean; readonly softRebootTarget: boolean } {
    using dir = this.#open(name);
    const stat = dir.statSelf();
    const { booted } = this.#options;
    const isBooted =
      booted === undefined
        ? (this.#backing !== undefined && isAt(stat, this.#backing)) ||
          (this.#rootStat !== undefined && sameFile(stat, this.#rootStat))
        : booted.stateroot === name.stateroot &&
          booted.checksum === name.checksum &&
          booted.serial === name.serial;
    return {
      booted: isBooted,
      softRebootTarget: this.#softReboot !== undefined && isAt(stat, this.#softReboot),
    };
  }

  #open(name: DeploymentName): Dir {
    const path = deploymentPath(name);
    try {
      return this.#dir.openDir(utf8(path));
    } catch (error) {
      if (!isStoreError(error, "linux/not-found")) throw error;
      throw ostreeErrors.error(
        "deployment-not-found",
        `a boot entry leads to ${path}, which does not exist`,
        {
          context: { path },
          cause: error,
        },
      );
    }
  }
}

interface BackingRoot {
  /** As the C library packs it. */
  readonly dev: bigint;
  readonly ino: bigint;
}

function isAt({ dev, ino }: FileStat, backing: BackingRoot): boolean {
  const major = BigInt(dev.major);
  const minor = BigInt(dev.minor);
  const packed =
    ((major & 0xfffn) << 8n) | (minor & 0xffn) | ((minor & ~0xffn) << 12n) | ((major & ~0xfffn) << 32n);
  return ino === backing.ino && packed === backing.dev;
}

/** Device and inode of the directory that is behind the running root. */
function backingRoot(bytes: Uint8Array): BackingRoot | undefined {
  // Earlier versions leave the file empty.
  if (bytes.length === 0) return undefined;
  const found = lookupValue(
    BOOTED.decode(bytes, { format: "ostree-booted" }),
    "backing-root-device-inode",
    "(tt)",
  );
  return found === undefined ? undefined : { dev: found[0], ino: found[1] };
}
