// A host's status for people, as bootc prints it on a terminal. bootc, crates/lib/src/status.rs.

import { printable } from "@bootc-store/core";

import type { ImageReference, ImageStatus } from "../image-status.ts";
import type { Host, HostEntry, UsrOverlay } from "./schema.ts";
import { shortTimestamp } from "./timestamp.ts";

type Slot = "staged" | "booted" | "rollback" | "other";

/** How a slot's first line begins: of an image, and of a deployment without one. */
const LABELS: Readonly<Record<Slot, readonly [image: string, plain: string]>> = {
  staged: ["  Staged", "  Staged"],
  booted: ["● Booted", "● Booted"],
  rollback: ["  Rollback", "  Rollback"],
  other: ["   Other", " Other"],
};

/** Ends with a line's end. */
export function printHostForPeople(host: Host, verbose = false): string {
  const { staged, booted, rollback, otherDeployments, usrOverlay } = host.status;
  if (booted === null) return "System is not deployed via bootc.\n";
  const slots: (readonly [Slot, HostEntry | null])[] = [
    ["staged", staged],
    ["booted", booted],
    ["rollback", rollback],
    ...otherDeployments.map((entry) => ["other", entry] as const),
  ];
  return slots
    .flatMap(([slot, entry]) =>
      entry === null ? [] : [printSlot(slot, entry, slot === "booted" ? usrOverlay : null, verbose)],
    )
    .join("\n");
}

function printSlot(slot: Slot, entry: HostEntry, overlay: UsrOverlay | null, verbose: boolean): string {
  const [imageLabel, plainLabel] = LABELS[slot];
  if (entry.image !== null) {
    const title = `${imageLabel} image`;
    const lines = imageRows(slot, entry, entry.image, overlay, verbose);
    return `${title}: ${printable(nameOf(entry.image.image))}\n${table(lines, Array.from(title).length)}`;
  }
  if (entry.ostree !== null) {
    const title = `${plainLabel} ostree`;
    const { stateroot, checksum, deploySerial } = entry.ostree;
    const rows: Rows = [
      ["Commit", checksum],
      ...pinnedRow(entry),
      ...overlayRow(overlay),
      ...(verbose
        ? ([
            ["StateRoot", stateroot],
            ["Deploy serial", String(deploySerial)],
            ["Staged", yesNo(slot === "staged")],
            ["Soft-reboot", yesNo(entry.softRebootCapable)],
            ...downloadRow(slot, entry),
          ] as const)
        : []),
    ];
    return `${title}\n${table(rows, Buffer.byteLength(title))}`;
  }
  if (entry.composefs !== null) {
    // Of others, bootc prints nothing.
    if (slot === "other") return "";
    const title = `${plainLabel} composefs`;
    return `${title}\n${table([["Commit", entry.composefs.verity]], Buffer.byteLength(title))}`;
  }
  return `Current ${slot} state is unknown\n`;
}

type Rows = readonly (readonly [label: string, value: string])[];

function imageRows(
  slot: Slot,
  entry: HostEntry,
  image: ImageStatus,
  overlay: UsrOverlay | null,
  verbose: boolean,
): Rows {
  const { ostree, composefs, cachedUpdate } = entry;
  const signature = signatureOf(image.image);
  return [
    ["Digest", `${image.imageDigest} (${image.architecture})`],
    ...(composefs === null ? [] : ([["Verity", composefs.verity]] as const)),
    ...versionRow(image),
    ...pinnedRow(entry),
    ...(cachedUpdate === null || cachedUpdate.imageDigest === image.imageDigest
      ? []
      : updateRows(cachedUpdate)),
    ...overlayRow(overlay),
    ...(verbose
      ? ([
          ...(ostree === null
            ? []
            : ([
                ["StateRoot", ostree.stateroot],
                ["Deploy serial", String(ostree.deploySerial)],
                ["Staged", yesNo(slot === "staged")],
                ["Commit", ostree.checksum],
              ] as const)),
          ...(signature === undefined ? [] : ([["Signature", signature]] as const)),
          ["Soft-reboot", yesNo(entry.softRebootCapable)],
          ...(composefs === null
            ? []
            : ([["FsVerity", composefs.missingVerityAllowed ? "Not Enforced" : "Enforced"]] as const)),
          ...downloadRow(slot, entry),
        ] as const)
      : []),
  ];
}

function versionRow(image: ImageStatus): Rows {
  if (image.version !== null) return [["Version", versionOf(image, image.version)]];
  return image.timestamp === null ? [] : [["Timestamp", shortTimestamp(image.timestamp)]];
}

function versionOf({ timestamp }: ImageStatus, version: string): string {
  return timestamp === null ? version : `${version} (${shortTimestamp(timestamp)})`;
}

function updateRows(update: ImageStatus): Rows {
  return [
    update.version === null ? ["Update", "Available"] : ["UpdateVersion", versionOf(update, update.version)],
    ["UpdateDigest", update.imageDigest],
  ];
}

function pinnedRow({ pinned }: HostEntry): Rows {
  return pinned ? [["Pinned", "yes"]] : [];
}

function overlayRow(overlay: UsrOverlay | null): Rows {
  if (overlay === null) return [];
  const mode = overlay.accessMode === "readOnly" ? "read-only" : "read/write";
  return [["/usr overlay", `${overlay.persistence}, ${mode}`]];
}

function downloadRow(slot: Slot, { downloadOnly }: HostEntry): Rows {
  return slot === "staged" ? [["Download-only", yesNo(downloadOnly)]] : [];
}

function signatureOf({ signature }: ImageReference): string | undefined {
  if (signature === undefined) return undefined;
  if (typeof signature === "object") return `ostree-remote:${signature.ostreeRemote}`;
  return signature === "containerPolicy" ? "container-policy" : "insecure";
}

function nameOf({ transport, image }: ImageReference): string {
  return transport === "registry" ? image : `${transport}:${image}`;
}

function yesNo(value: boolean): string {
  return value ? "yes" : "no";
}

function table(rows: Rows, width: number): string {
  return rows.map(([label, value]) => `${label.padStart(width)}: ${printable(value)}\n`).join("");
}
