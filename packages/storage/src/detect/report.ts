import type { Finding } from "@bootc-store/core";

/** What an unknown root holds. This is what `status --json` prints; its schema is in the documentation. */
export interface RootReport {
  /** Whether the file system is mounted read-only. */
  readonly readOnly: boolean;
  /** Which stores have deployments that can be booted. Upstream picks by the kernel command line only. */
  readonly bootBackend: "none" | "ostree" | "composefs" | "both";
  readonly bootcRoot: BootcRootReport;
  readonly stores: {
    readonly ostree: OstreeReport | null;
    readonly composefs: ComposefsReport | null;
    readonly containersStorage: ContainersStorageReport | null;
  };
  readonly deployments: {
    readonly ostree: readonly OstreeDeploymentReport[];
    readonly composefs: readonly ComposefsDeploymentReport[];
  };
  readonly boot: BootReport;
  /** What is damaged or odd. The rest is reported all the same. */
  readonly findings: readonly Finding[];
}

/** `ostree/bootc`: a link on a composefs installation, a directory on an ostree one or an upgraded old one. */
export interface BootcRootReport {
  readonly kind: "absent" | "directory" | "link" | "other";
  /** Text of the link. */
  readonly target?: string;
  /** Whether the link leads to a directory in this root. */
  readonly resolves?: boolean;
}

export interface OstreeReport {
  readonly path: string;
  /** `bare`, `bare-user`, `bare-user-only`, `archive`, `bare-split-xattrs`; null if the config does not say. */
  readonly mode: string | null;
  readonly repoVersion: number | null;
  readonly stateroots: readonly string[];
  readonly remotes: readonly string[];
}

export interface ComposefsReport {
  readonly path: string;
  /** `current`: described by meta.json; `old`: objects without it, which an upgrade must describe first. */
  readonly format: "current" | "old" | "empty" | "damaged";
  readonly version: number | null;
  /** `fsverity-sha512-12` and the like; of an old repository, what the names of its objects say. */
  readonly algorithm: string | null;
  readonly erofsFormats: readonly number[];
  readonly features: {
    readonly compatible: readonly string[];
    readonly readOnlyCompatible: readonly string[];
    readonly incompatible: readonly string[];
  };
  /** Four octal digits; 0700 is as it should be. */
  readonly mode: string;
  readonly images: number;
  readonly streams: number;
  readonly tags: readonly string[];
}

export interface ContainersStorageReport {
  readonly path: string;
  /** False if the graph root is there and holds no image records yet. */
  readonly initialised: boolean;
  readonly driver: string | null;
  readonly images: readonly ContainerImageReport[];
  readonly layers: number;
}

export interface ContainerImageReport {
  readonly id: string;
  readonly names: readonly string[];
  readonly digest: string | null;
  readonly created: string | null;
}

export interface OstreeDeploymentReport {
  readonly stateroot: string;
  readonly checksum: string;
  readonly serial: number;
  readonly pinned: boolean;
  /** Whether it has the composefs image by which ostree mounts it. */
  readonly composefs: boolean;
  readonly imageReference: string | null;
  readonly refspec: string | null;
}

export interface ComposefsDeploymentReport {
  readonly id: string;
  readonly imageReference: string | null;
  /** `bls` or `uki`. */
  readonly bootType: string | null;
  readonly manifestDigest: string | null;
  /** Whether the repository has the image. */
  readonly image: boolean;
}

export interface BootReport {
  /** Whether there is a boot directory; on some systems what it holds is on another partition. */
  readonly present: boolean;
  readonly entries: readonly BootEntryReport[];
  readonly stagedEntries: readonly BootEntryReport[];
  readonly grubMenu: boolean;
}

export interface BootEntryReport {
  readonly file: string;
  readonly title: string | null;
  readonly version: string | null;
  /** Which store it boots, by its kernel arguments. */
  readonly boots: "ostree" | "composefs" | "other";
  /** `ostree=` as written, or the composefs id. */
  readonly target: string | null;
}
