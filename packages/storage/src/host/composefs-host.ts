// The status of a host that was booted from composefs. bootc, crates/lib/src/bootc_composefs/status.rs.

import { createHash } from "node:crypto";

import { BlsEntry, composefsKarg, type EntryReader, KernelCmdline } from "@bootc-store/boot";
import {
  type ComposefsBackend,
  type ComposefsDeployment,
  type ComposefsDeployments,
} from "@bootc-store/composefs";
import { type OperationOptions, printDigest, throwIfAborted, utf8 } from "@bootc-store/core";
import type { Dir } from "@bootc-store/linux";

import { storageErrors } from "../errors.ts";
import type { ImageStatus } from "../image-status.ts";
import { imageStatusOf, referenceOfOrigin, type StatusDocuments } from "./image-documents.ts";
import { type Host, type HostBootloader, type HostEntry, hostOf, type UsrOverlay } from "./schema.ts";

export interface ComposefsHostOptions extends OperationOptions {
  /** Where the boot entries are: the EFI system partition, or `/boot`. */
  readonly boot: Dir;
  readonly bootloader: HostBootloader;
  /** Whether the running command line accepts objects without fs-verity. Default: what the booted entry says. */
  readonly missingVerityAllowed?: boolean;
  readonly usrOverlay?: UsrOverlay;
  readonly readOnly?: boolean;
}

/** By which rule a boot loader orders entries. */
export function readerOf(bootloader: HostBootloader): EntryReader {
  return bootloader === "grub" || bootloader === "grub-cc" ? "grub" : "systemd-boot";
}

/** Throws `storage/deployments-unreadable` where no booted deployment is known or an image is gone. */
export async function composefsHost(
  repository: ComposefsBackend,
  deployments: ComposefsDeployments,
  options: ComposefsHostOptions,
): Promise<Host> {
  const { booted, staged, rollback, others, rollbackQueued } = deployments;
  if (booted === undefined) {
    throw storageErrors.error("deployments-unreadable", "no boot entry boots the deployment that is booted");
  }
  const missingVerityAllowed =
    options.missingVerityAllowed ??
    composefsKarg(cmdlineOf(options.boot, booted) ?? KernelCmdline.parse(""))?.allowMissingVerity === true;
  const read = async (deployment: ComposefsDeployment, downloadOnly = false): Promise<HostEntry> => {
    throwIfAborted(options.signal);
    const { origin, verity } = deployment;
    return {
      image: await imageOf(repository, deployment),
      cachedUpdate: null,
      incompatible: false,
      pinned: false,
      softRebootCapable: canSoftRebootTo(options.boot, booted, deployment),
      downloadOnly,
      store: null,
      ostree: null,
      composefs: {
        verity,
        bootType: origin.bootType === "uki" ? "Uki" : "Bls",
        bootloader: options.bootloader,
        bootDigest: origin.bootDigest ?? null,
        missingVerityAllowed,
      },
    };
  };
  const stagedEntry = staged === undefined ? null : await read(staged, staged.finalizationLocked);
  const bootedEntry = await read(booted);
  const otherEntries: HostEntry[] = [];
  for (const each of others) otherEntries.push(await read(each));
  return hostOf(
    {
      staged: stagedEntry,
      booted: bootedEntry,
      rollback: rollback === undefined ? null : await read(rollback),
      otherDeployments: otherEntries,
      rollbackQueued,
      type: null,
      usrOverlay: options.usrOverlay ?? null,
      readOnly: options.readOnly === true,
    },
    {
      image: (stagedEntry ?? bootedEntry).image?.image ?? null,
      bootOrder: rollbackQueued ? "rollback" : "default",
    },
  );
}

async function imageOf(repository: ComposefsBackend, deployment: ComposefsDeployment): Promise<ImageStatus> {
  const reference = referenceOfOrigin(deployment.origin.imageReference, deployment.verity);
  return imageStatusOf(reference, await documentsOf(repository, deployment), "manifest-annotation");
}

async function documentsOf(
  repository: ComposefsBackend,
  { verity, origin, imageInfo }: ComposefsDeployment,
): Promise<StatusDocuments> {
  const { manifestDigest } = origin;
  if (manifestDigest !== undefined) {
    await using image = await repository.openImage(printDigest(manifestDigest));
    if (image !== undefined) {
      return {
        manifestDigest: printDigest(manifestDigest),
        manifest: Buffer.from(image.manifest.bytes).toString("utf8"),
        config: Buffer.from(image.config.bytes).toString("utf8"),
      };
    }
  } else if (imageInfo !== undefined) {
    return legacyDocuments(verity, imageInfo);
  }
  throw storageErrors.error(
    "deployments-unreadable",
    `the deployment ${verity} is of the image ${manifestDigest === undefined ? "that its origin does not name" : printDigest(manifestDigest)}, which is not in the repository`,
    { context: { deployment: verity } },
  );
}

/** Older deployments hold both documents as values of one; their digest is that of the manifest printed again, without `sha256:`. */
function legacyDocuments(verity: string, text: string): StatusDocuments {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw storageErrors.error("deployments-unreadable", `the image information of ${verity} is not JSON`, {
      context: { deployment: verity },
      cause,
    });
  }
  const { manifest, config } = (value ?? {}) as Readonly<Record<string, unknown>>;
  const printed = JSON.stringify(manifest ?? {});
  return {
    manifestDigest: createHash("sha256").update(printed).digest("hex"),
    manifest: printed,
    config: JSON.stringify(config ?? {}),
  };
}

/** Arguments of a Type 1 entry; a UKI has them inside of it, where they are not looked for. */
function cmdlineOf(boot: Dir, { entry }: ComposefsDeployment): KernelCmdline | undefined {
  if (entry?.kind !== "bls") return undefined;
  const bytes = boot.readFileOptional(utf8(entry.file), { limit: 1 << 20 });
  if (bytes === undefined) return undefined;
  return KernelCmdline.parse(BlsEntry.parse(bytes.toString("utf8")).getAll("options").join(" "));
}

/**
 * A soft reboot keeps the kernel, so it must be the same one with the same arguments; the booted deployment itself is none to go
 * to. bootc compares SELinux policies too, which is not done here.
 */
function canSoftRebootTo(boot: Dir, booted: ComposefsDeployment, target: ComposefsDeployment): boolean {
  const { bootDigest } = booted.origin;
  if (target.verity === booted.verity || bootDigest === undefined || bootDigest !== target.origin.bootDigest)
    return false;
  const [from, to] = [cmdlineOf(boot, booted), cmdlineOf(boot, target)];
  return from !== undefined && to !== undefined && withoutImage(from) === withoutImage(to);
}

function withoutImage(cmdline: KernelCmdline): string {
  return cmdline.kargs
    .filter(({ key }) => key !== "composefs")
    .map((each) => each.raw)
    .sort()
    .join(" ");
}
