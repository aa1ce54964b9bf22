// The status of a host from its physical root: of the one that runs, or of one that is only looked at and told which of its
// deployments to take for the booted one.

import { ComposefsBackend, readDeployments } from "@bootc-store/composefs";
import { byteString, type OperationOptions, signalOf, utf8 } from "@bootc-store/core";
import { type Dir, parseMountInfo, type Pool } from "@bootc-store/linux";
import { type DeploymentName, parseDeploymentName, Sysroot } from "@bootc-store/ostree";
import { COMPOSEFS, COMPOSEFS_ID, GRUB_USER_CFG, LOADER_ENTRIES } from "@bootc-store/paths";

import type { Environment } from "../environment.ts";
import { storageErrors } from "../errors.ts";
import { composefsHost, readerOf } from "./composefs-host.ts";
import { ostreeHost } from "./ostree-host.ts";
import { type Host, type HostBootloader, hostOf, NO_STATUS, type UsrOverlay } from "./schema.ts";

/** A deployment that is booted, or taken to be. */
export type BootedName =
  | { readonly kind: "ostree"; readonly name: DeploymentName }
  | { readonly kind: "composefs"; readonly verity: string };

export interface HostOfRootOptions extends OperationOptions {
  readonly pool: Pool;
  /** Of a root that is only looked at. */
  readonly booted?: BootedName;
  /** The system that runs from this root. */
  readonly running?: { readonly host: Dir; readonly run: Dir; readonly environment: Environment };
  /** The EFI system partition, where it is not below the root. */
  readonly esp?: Dir;
  readonly readOnly?: boolean;
}

/** `STATEROOT/CHECKSUM.SERIAL`, or the id of a composefs image. Throws `storage/argument-invalid`. */
export function parseBootedName(text: string): BootedName {
  if (COMPOSEFS_ID.test(text)) return { kind: "composefs", verity: text };
  const slash = text.indexOf("/");
  const name = slash < 1 ? undefined : parseDeploymentName(text.slice(0, slash), text.slice(slash + 1));
  if (name !== undefined) return { kind: "ostree", name };
  throw storageErrors.error(
    "argument-invalid",
    `"${text.slice(0, 300)}" names no deployment: it is STATEROOT/CHECKSUM.SERIAL, or the 128 digits of a composefs id`,
  );
}

/**
 * As `bootc status` tells it. Where nothing of bootc's was booted, and nothing is taken to be, it is a host without deployments.
 * Throws `storage/deployments-unreadable`, `storage/esp-absent`, and the errors of the stores.
 */
export async function hostOfRoot(root: Dir, options: HostOfRootOptions): Promise<Host> {
  const { booted, running, readOnly = false } = options;
  if (booted?.kind === "ostree" || running?.environment.kind === "ostree-booted") {
    using sysroot = Sysroot.open(root.duplicate(), {
      pool: options.pool,
      ...(booted?.kind === "ostree" ? { booted: booted.name } : {}),
      ...(running === undefined ? {} : { root: running.host, run: running.run }),
    });
    return ostreeHost(sysroot, { readOnly, ...signalOf(options) });
  }
  if (booted?.kind === "composefs" || running?.environment.kind === "composefs-booted")
    return await ofComposefs(root, options);
  return hostOf(NO_STATUS);
}

async function ofComposefs(root: Dir, options: HostOfRootOptions): Promise<Host> {
  const { booted, running, readOnly = false } = options;
  using boot = findBoot(root, options);
  const cmdline = running?.environment.kind === "composefs-booted" ? running.environment.cmdline : undefined;
  const verity = booted?.kind === "composefs" ? booted.verity : cmdline?.digest;
  const deployments = readDeployments({
    root,
    boot: boot.dir,
    reader: readerOf(boot.bootloader),
    ...(running === undefined ? {} : { run: running.run }),
    ...(verity === undefined ? {} : { booted: verity }),
    ...signalOf(options),
  });
  using dir = root.openDir(utf8(COMPOSEFS));
  await using repository = await ComposefsBackend.open(dir, {
    pool: options.pool,
    readOnly: true,
    old: "upgrade",
  });
  const overlay = running === undefined ? undefined : overlayOf(running.host);
  return await composefsHost(repository, deployments, {
    boot: boot.dir,
    bootloader: boot.bootloader,
    readOnly,
    ...(cmdline === undefined ? {} : { missingVerityAllowed: cmdline.allowMissingVerity }),
    ...(overlay === undefined ? {} : { usrOverlay: overlay }),
    ...signalOf(options),
  });
}

interface FoundBoot extends Disposable {
  readonly dir: Dir;
  readonly bootloader: HostBootloader;
}

const PLACES = ["boot/efi", "efi", "boot"];

/** Where boot entries are: first the EFI system partition, then `/boot`. */
function findBoot(root: Dir, { esp, running }: HostOfRootOptions): FoundBoot {
  const tops = running === undefined ? [root] : [running.host, root];
  const candidates = function* (): Generator<Dir> {
    if (esp !== undefined) yield esp.duplicate();
    for (const top of tops) {
      for (const place of PLACES) {
        const dir = top.openDirOptional(utf8(place), { resolution: "inRoot" });
        if (dir !== undefined) yield dir;
      }
    }
  };
  for (const dir of candidates()) {
    const has = (path: string): boolean => dir.statOptional(utf8(path)) !== undefined;
    const bootloader =
      has(GRUB_USER_CFG) || has("grub2") ? "grub" : has(LOADER_ENTRIES) ? "systemd" : undefined;
    if (bootloader !== undefined) return { dir, bootloader, [Symbol.dispose]: () => dir[Symbol.dispose]() };
    dir[Symbol.dispose]();
  }
  throw storageErrors.error(
    "esp-absent",
    `no boot entries were found in ${PLACES.join(", ")}; say where the EFI system partition is mounted`,
  );
}

/** A mount at `/usr` is an overlay that does not outlive the boot. */
function overlayOf(host: Dir): UsrOverlay | undefined {
  const bytes = host.readFileOptional(utf8("proc/self/mountinfo"), {
    resolution: "inRoot",
    limit: 64 << 20,
  });
  const mount =
    bytes === undefined
      ? undefined
      : parseMountInfo(byteString(bytes)).findLast((each) => each.mountPoint === "/usr");
  if (mount === undefined) return undefined;
  const readOnly = mount.options.includes("ro");
  return { accessMode: readOnly ? "readOnly" : "readWrite", persistence: "transient" };
}
