import type { Backend } from "@bootc-store/backend";
import { type Log, utf8 } from "@bootc-store/core";
import type { Dir } from "@bootc-store/linux";
import { type Deployment, Sysroot } from "@bootc-store/ostree";

import type { ComposefsCmdline } from "./composefs-cmdline.ts";
import type { Environment } from "./environment.ts";
import { storageErrors } from "./errors.ts";
import { getPhysicalRootAndRun, type ReadOnlyQuestions } from "./physical-root.ts";
import { type BootloaderKind, type Esp, type EspAccess, Storage, type StoreOpeners } from "./storage.ts";

/** A system booted by ostree: its repository, and the deployment that runs. */
export interface BootedOstree {
  readonly kind: "ostree";
  readonly repository: Backend;
  readonly stateroot: string;
  readonly deployment: Deployment;
}

/** A system booted from composefs: its repository, and what it was booted with. */
export interface BootedComposefs {
  readonly kind: "composefs";
  readonly repository: Backend;
  readonly cmdline: ComposefsCmdline;
}

/** Which store the running system was booted from. */
export type BootedStorageKind = BootedOstree | BootedComposefs;

export interface BootedOptions {
  /** The root of the host. */
  readonly host: Dir;
  readonly environment: Environment;
  readonly espAccess: EspAccess;
  readonly openers?: StoreOpeners;
  /** Finds and mounts the EFI system partition of the physical root's disk. */
  readonly mountEsp?: (physicalRoot: Dir, access: EspAccess) => Promise<Esp>;
  /** Which kind of boot loader the firmware started. */
  readonly bootloader?: BootloaderKind;
  readonly ask?: ReadOnlyQuestions;
  readonly log?: Log;
}

/** The storage of the running system. */
export class BootedStorage extends Storage {
  readonly #environment: Environment;
  /** The root that the system runs on. */
  readonly #host: Dir;

  private constructor(
    environment: Environment,
    host: Dir,
    options: ConstructorParameters<typeof Storage>[0],
  ) {
    super(options);
    this.#environment = environment;
    this.#host = host.duplicate();
  }

  /**
   * `undefined` in a container and on a system booted otherwise. For the other two the caller has entered a mount
   * namespace of its own, since a physical root that is mounted read-only is remounted.
   */
  static async open(options: BootedOptions): Promise<BootedStorage | undefined> {
    const { environment, host, openers } = options;
    if (environment.kind === "container" || environment.kind === "other") return undefined;
    const { physicalRoot, run, readOnly } = getPhysicalRootAndRun(host, options.ask);
    let bootDir: Dir | undefined;
    let esp: Esp | undefined;
    try {
      if (environment.kind === "composefs-booted") {
        if (options.mountEsp === undefined) throw storageErrors.error("esp-absent", "ESP not found");
        esp = await options.mountEsp(physicalRoot, options.espAccess);
        bootDir =
          options.bootloader === "bls-compatible" ? esp.dir.duplicate() : physicalRoot.openDir(utf8("boot"));
      }
    } catch (error) {
      await esp?.[Symbol.asyncDispose]();
      run[Symbol.dispose]();
      physicalRoot[Symbol.dispose]();
      throw error;
    }
    return new BootedStorage(environment, host, {
      physicalRoot,
      physicalRootPath: "/sysroot",
      run,
      readOnly,
      ...(bootDir === undefined ? {} : { bootDir }),
      ...(esp === undefined ? {} : { esp }),
      ...(openers === undefined ? {} : { openers }),
      ...(options.log === undefined ? {} : { log: options.log }),
    });
  }

  /** Opens the store that the system was booted from. */
  async kind(): Promise<BootedStorageKind> {
    const environment = this.#environment;
    switch (environment.kind) {
      case "composefs-booted":
        return {
          kind: "composefs",
          repository: await this.getEnsureComposefs(),
          cmdline: environment.cmdline,
        };
      case "ostree-booted":
        return await this.#bootedOstree();
      default:
        throw storageErrors.error("not-booted", "System not booted via bootc");
    }
  }

  async #bootedOstree(): Promise<BootedOstree> {
    using sysroot = Sysroot.open(this.physicalRoot.duplicate(), { root: this.#host, run: this.run });
    const deployment = sysroot.booted;
    if (deployment === undefined) {
      throw storageErrors.error("not-booted", "Unexpectedly missing booted deployment");
    }
    return {
      kind: "ostree",
      repository: await this.openOstree(),
      stateroot: deployment.stateroot,
      deployment,
    };
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    this.#host[Symbol.dispose]();
    await super[Symbol.asyncDispose]();
  }
}
