import { type ByteString, textOf, utf8 } from "@bootc-store/core";
import { KeyFile } from "@bootc-store/core/codec";
import type { OstreeBootConfig } from "@bootc-store/boot";
import type { Dir } from "@bootc-store/linux";

import { type Checksum, isChecksum } from "../format/checksum.ts";

/** Which deployment: a commit, of which a stateroot may have several. */
export interface DeploymentName {
  readonly stateroot: string;
  readonly checksum: Checksum;
  readonly serial: number;
}

/** In which way `/usr` of a deployment can be written to. */
export type Unlocked = "none" | "development" | "transient" | "hotfix";

/** A deployment of a sysroot. */
export interface Deployment extends DeploymentName {
  /** Its place in the list; 0 is booted next. */
  readonly index: number;
  /** Of kernel and initramfs. */
  readonly bootChecksum: string | undefined;
  /** Tells deployments with one {@link bootChecksum} apart. */
  readonly bootSerial: number;
  /** As its boot entry has it; a staged one has none yet. */
  readonly bootConfig: OstreeBootConfig | undefined;
  /** All kernel arguments, `ostree=` with them; those of a staged one as far as they are settled. */
  readonly kargs: string | undefined;
  readonly origin: KeyFile | undefined;
  readonly booted: boolean;
  readonly staged: boolean;
  /** Staged, and not to be made the default when the system goes down. */
  readonly finalizationLocked: boolean;
  readonly pinned: boolean;
  readonly unlocked: Unlocked;
  /** What a soft reboot goes to. */
  readonly softRebootTarget: boolean;
}

export function deploymentBaseName({ checksum, serial }: DeploymentName): string {
  return `${checksum}.${serial}`;
}

/** Where a deployment's root is, relative to the sysroot. */
export function deploymentPath(name: DeploymentName): string {
  return `ostree/deploy/${name.stateroot}/deploy/${deploymentBaseName(name)}`;
}

/** `CHECKSUM.SERIAL`; `undefined` for other texts. */
export function parseDeploymentName(stateroot: string, text: string): DeploymentName | undefined {
  const found = /^([0-9a-f]{64})\.(0|[1-9][0-9]{0,8})$/.exec(text);
  const checksum = found?.[1];
  if (checksum === undefined || !isChecksum(checksum)) return undefined;
  return { stateroot, checksum, serial: Number(found?.[2]) };
}

/** The origin of a deployment, or `undefined` if it has none. Throws the errors of key files. */
export function readOrigin(sysroot: Dir, name: DeploymentName): KeyFile | undefined {
  const path = utf8(`${deploymentPath(name)}.origin`);
  const bytes = sysroot.readFileOptional(path, { limit: 1 << 20 });
  return bytes === undefined
    ? undefined
    : KeyFile.parse(textOf(bytes.toString("latin1") as ByteString) ?? "");
}

export function isPinned(origin: KeyFile | undefined): boolean {
  return origin?.get("libostree-transient", "pinned")?.trim() === "true";
}

/** By marks that last until the next boot, or by the origin for one that stays. */
export function unlockedOf(
  name: DeploymentName,
  origin: KeyFile | undefined,
  run: Dir | undefined,
): Unlocked {
  for (const kind of ["development", "transient"] as const) {
    const mark = `ostree/deployment-state/${deploymentBaseName(name)}/unlocked-${kind}`;
    if (run?.statOptional(utf8(mark)) !== undefined) return kind;
  }
  return origin?.get("origin", "unlocked")?.trim() === "hotfix" ? "hotfix" : "none";
}
