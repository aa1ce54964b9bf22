// Names that are made of a digest or an id, as pure functions.

import {
  BOOT_ARTEFACT_PREFIX,
  BOOTC_TAG_PREFIX,
  BOOTC_UKI_DIR,
  COMPOSEFS_STATE,
  EFI_LINUX,
  OSTREE_DEPLOY,
} from "./constants.ts";

/** Hexadecimal digits of a SHA-512 fs-verity digest, by which composefs deployments are named. */
export const COMPOSEFS_ID = /^[0-9a-f]{128}$/;

/** `CHECKSUM.SERIAL`, the name of an ostree deployment's directory. */
export const OSTREE_DEPLOYMENT_NAME = /^([0-9a-f]{64})\.(0|[1-9][0-9]*)$/;

/** State directory of a composefs deployment, relative to the physical root. */
export function composefsStateDir(id: string): string {
  return `${COMPOSEFS_STATE}/${id}`;
}

/** Origin file of a composefs deployment, relative to the physical root. */
export function composefsOrigin(id: string): string {
  return `${COMPOSEFS_STATE}/${id}/${id}.origin`;
}

/** Old record of a composefs deployment's manifest and config, relative to the physical root. */
export function composefsImageInfo(id: string): string {
  return `${COMPOSEFS_STATE}/${id}/${id}.imginfo`;
}

/** Directory of an ostree deployment, relative to the physical root. */
export function ostreeDeploymentDir(stateroot: string, checksum: string, serial: number): string {
  return `${OSTREE_DEPLOY}/${stateroot}/deploy/${checksum}.${serial}`;
}

/** Origin file of an ostree deployment, relative to the physical root. */
export function ostreeOrigin(stateroot: string, checksum: string, serial: number): string {
  return `${ostreeDeploymentDir(stateroot, checksum, serial)}.origin`;
}

/** Checksum and serial of an ostree deployment directory's name; `undefined` for any other name. */
export function parseOstreeDeploymentName(name: string): { checksum: string; serial: number } | undefined {
  const match = OSTREE_DEPLOYMENT_NAME.exec(name);
  if (match === null) return undefined;
  const serial = Number(match[2]);
  return Number.isSafeInteger(serial) ? { checksum: match[1] as string, serial } : undefined;
}

/** The tag by which bootc keeps an image alive in the composefs repository. */
export function bootcTag(manifestDigest: string): string {
  return `${BOOTC_TAG_PREFIX}${manifestDigest}`;
}

/** Directory of a composefs deployment's kernel and initramfs, for boot loaders that read the ESP. */
export function espKernelDir(id: string): string {
  return `${EFI_LINUX}/${BOOT_ARTEFACT_PREFIX}${id}`;
}

/** UKI of a composefs deployment, relative to the ESP. */
export function espUki(id: string): string {
  return `${BOOTC_UKI_DIR}/${BOOT_ARTEFACT_PREFIX}${id}.efi`;
}
