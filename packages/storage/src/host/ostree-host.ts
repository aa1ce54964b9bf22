// The status of a host that was booted by ostree. bootc, crates/lib/src/status.rs.

import { type OperationOptions, throwIfAborted, utf8 } from "@bootc-store/core";
import {
  type Deployment,
  deploymentPath,
  imageOfCommit,
  readCachedUpdate,
  type StoredImage,
  type Sysroot,
} from "@bootc-store/ostree";

import type { ImageReference } from "../image-status.ts";
import { imageStatusOf, referenceOfOrigin } from "./image-documents.ts";
import { type Host, type HostEntry, hostOf, NO_STATUS, type UsrOverlay } from "./schema.ts";

export interface OstreeHostOptions extends OperationOptions {
  /**
   * Whether the running system can restart without its kernel. Default: what the booted deployment's systemd can; one without
   * systemd is taken to be run by one that can.
   */
  readonly softReboot?: boolean;
  readonly readOnly?: boolean;
}

/** Groups of an origin that ask for what bootc cannot do. */
const INCOMPATIBLE = ["rpmostree", "packages", "overrides", "modules"];

/**
 * Which deployments play which part, as bootc tells them apart: by their order in the boot menu. Without a booted deployment
 * nothing is told. Throws `storage/deployments-unreadable`.
 */
export function ostreeHost(sysroot: Sysroot, options: OstreeHostOptions = {}): Host {
  const { booted, deployments } = sysroot;
  const reader = new EntryReader(sysroot, booted, options);
  if (booted === undefined) return hostOf({ ...NO_STATUS, readOnly: options.readOnly === true });
  const own = deployments.filter(({ stateroot }) => stateroot === booted.stateroot);
  const foreign = deployments.filter(({ stateroot }) => stateroot !== booted.stateroot);
  const staged = own.find((each) => each.staged);
  const [rollback, ...rest] = own.filter((each) => each !== staged && each !== booted);
  const rollbackQueued = rollback !== undefined && rollback.index < booted.index;
  const bootedEntry = reader.read(booted);
  const asked = reader.imageOf(staged ?? booted);
  return hostOf(
    {
      staged: staged === undefined ? null : reader.read(staged),
      booted: bootedEntry,
      rollback: rollback === undefined ? null : reader.read(rollback),
      otherDeployments: [...rest, ...foreign].map((each) => reader.read(each)),
      rollbackQueued,
      type: bootedEntry.image === null ? null : "bootcHost",
      usrOverlay: overlayOf(booted),
      readOnly: options.readOnly === true,
    },
    { image: asked ?? null, bootOrder: rollbackQueued ? "rollback" : "default" },
  );
}

class EntryReader {
  readonly #sysroot: Sysroot;
  readonly #booted: Deployment | undefined;
  readonly #options: OstreeHostOptions;
  readonly #softReboot: boolean;

  constructor(sysroot: Sysroot, booted: Deployment | undefined, options: OstreeHostOptions) {
    this.#sysroot = sysroot;
    this.#booted = booted;
    this.#options = options;
    this.#softReboot = options.softReboot ?? (booted !== undefined && canSoftReboot(sysroot, booted));
  }

  read(deployment: Deployment): HostEntry {
    throwIfAborted(this.#options.signal);
    const { origin, pinned, finalizationLocked, stateroot, checksum, serial } = deployment;
    const reference = this.imageOf(deployment);
    const stored = reference === undefined ? undefined : imageOfCommit(this.#sysroot.repo, checksum);
    return {
      image:
        reference === undefined || stored === undefined
          ? null
          : imageStatusOf(reference, documentsOf(stored), "config-labels"),
      cachedUpdate: this.#cachedUpdate(reference, stored),
      incompatible: isIncompatible(deployment),
      pinned,
      softRebootCapable: this.#softReboot && this.#sameKernel(deployment),
      downloadOnly: deployment.staged && finalizationLocked,
      // Named for the backend that reads origins, so it is told of every deployment that has one.
      store: origin === undefined ? null : "ostreeContainer",
      ostree: { stateroot, checksum, deploySerial: serial },
      composefs: null,
    };
  }

  /** What the origin asks for; `undefined` where it asks for no image, or for more than one. */
  imageOf(deployment: Deployment): ImageReference | undefined {
    const text = deployment.origin?.get("origin", "container-image-reference");
    if (text === undefined || isIncompatible(deployment)) return undefined;
    return referenceOfOrigin(text, deploymentPath(deployment));
  }

  #cachedUpdate(
    reference: ImageReference | undefined,
    stored: StoredImage | undefined,
  ): HostEntry["cachedUpdate"] {
    const update =
      reference === undefined || stored === undefined
        ? undefined
        : readCachedUpdate(this.#sysroot.repo, stored);
    return update === undefined || reference === undefined
      ? null
      : imageStatusOf(reference, update, "config-labels");
  }

  /** A soft reboot keeps the kernel, so it must be the same one with the same arguments. */
  #sameKernel(deployment: Deployment): boolean {
    const booted = this.#booted;
    return (
      booted !== undefined &&
      booted.bootChecksum === deployment.bootChecksum &&
      kargsOf(booted) === kargsOf(deployment)
    );
  }
}

function kargsOf({ kargs }: Deployment): string {
  return (kargs ?? "")
    .split(/\s+/)
    .filter((karg) => karg !== "" && !karg.startsWith("ostree="))
    .join(" ");
}

function isIncompatible({ origin }: Deployment): boolean {
  return origin !== undefined && INCOMPATIBLE.some((group) => origin.hasGroup(group));
}

function documentsOf({ manifestDigest, manifest, config }: StoredImage): {
  manifestDigest: string;
  manifest: string;
  config: string;
} {
  return { manifestDigest, manifest, config: config ?? "{}" };
}

function overlayOf({ unlocked }: Deployment): UsrOverlay | null {
  switch (unlocked) {
    case "development":
      return { accessMode: "readWrite", persistence: "transient" };
    case "hotfix":
      return { accessMode: "readWrite", persistence: "persistent" };
    case "transient":
      return { accessMode: "readOnly", persistence: "transient" };
    default:
      return null;
  }
}

const SYSTEMD = "usr/lib/systemd/systemd";
const SOFT_REBOOT = "usr/lib/systemd/system/soft-reboot.target";

function canSoftReboot(sysroot: Sysroot, booted: Deployment): boolean {
  using root = sysroot.openDeployment(booted);
  const has = (path: string): boolean =>
    root.statOptional(utf8(path), { resolution: "inRoot" }) !== undefined;
  return has(SOFT_REBOOT) || !has(SYSTEMD);
}
