// bootc's own status of a host: `org.containers.bootc/v1`, kind `BootcHost`. Fields are in the order in which bootc
// prints them as YAML. bootc, crates/lib/src/spec.rs and docs/src/host-v1.schema.json.

import type { ImageReference, ImageStatus } from "../image-status.ts";

export const HOST_API_VERSION = "org.containers.bootc/v1";

export interface OstreeEntry {
  readonly stateroot: string;
  readonly checksum: string;
  readonly deploySerial: number;
}

export interface ComposefsEntry {
  /** Id of the EROFS image: the fs-verity digest, SHA-512. */
  readonly verity: string;
  readonly bootType: "Bls" | "Uki";
  readonly bootloader: HostBootloader;
  /** SHA-256 over kernel and initramfs. */
  readonly bootDigest: string | null;
  /** Whether the running command line accepts objects without fs-verity. */
  readonly missingVerityAllowed: boolean;
}

export type HostBootloader = "grub" | "grub-cc" | "systemd" | "none";

/** A deployment that can be booted. */
export interface HostEntry {
  /** `null` where it was made from no container image, or from one that was changed on the host. */
  readonly image: ImageStatus | null;
  readonly cachedUpdate: ImageStatus | null;
  /** The origin asks for what only rpm-ostree can do. */
  readonly incompatible: boolean;
  readonly pinned: boolean;
  readonly softRebootCapable: boolean;
  readonly downloadOnly: boolean;
  readonly store: "ostreeContainer" | null;
  readonly ostree: OstreeEntry | null;
  readonly composefs: ComposefsEntry | null;
}

export interface UsrOverlay {
  readonly accessMode: "readOnly" | "readWrite";
  readonly persistence: "transient" | "persistent";
}

export interface HostStatus {
  readonly staged: HostEntry | null;
  readonly booted: HostEntry | null;
  readonly rollback: HostEntry | null;
  /** Printed only where there are some. */
  readonly otherDeployments: readonly HostEntry[];
  readonly rollbackQueued: boolean;
  readonly type: "bootcHost" | null;
  readonly usrOverlay: UsrOverlay | null;
  readonly readOnly: boolean;
}

export interface Host {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly labels?: Readonly<Record<string, string>>;
    readonly namespace?: string;
  };
  readonly spec: {
    readonly image: ImageReference | null;
    readonly bootOrder: "default" | "rollback";
  };
  readonly status: HostStatus;
}

/** What bootc says in a container, and where nothing of its own was booted. */
export const NO_STATUS: HostStatus = {
  staged: null,
  booted: null,
  rollback: null,
  otherDeployments: [],
  rollbackQueued: false,
  type: null,
  usrOverlay: null,
  readOnly: false,
};

/** A host around its status: what is asked for is what is staged, else what is booted. */
export function hostOf(status: HostStatus, spec: Partial<Host["spec"]> = {}): Host {
  return {
    apiVersion: HOST_API_VERSION,
    kind: "BootcHost",
    metadata: { name: "host" },
    spec: { image: null, bootOrder: "default", ...spec },
    status,
  };
}
