import { BlsEntry, composefsKarg, KernelCmdline } from "@bootc-store/boot";
import { utf8 } from "@bootc-store/core";
import {
  BOOT_ARTEFACT_PREFIX,
  GRUB_USER_CFG,
  LOADER_ENTRIES,
  LOADER_ENTRIES_STAGED,
  OSTREE_KARG,
} from "@bootc-store/paths";

import { type Probe, shown } from "./probe.ts";
import type { BootEntryReport, BootReport } from "./report.ts";

export function probeBoot(probe: Probe): BootReport {
  using boot = probe.dir("boot", undefined);
  if (boot === undefined) return { present: false, entries: [], stagedEntries: [], grubMenu: false };
  return {
    present: true,
    entries: probeEntries(probe, LOADER_ENTRIES),
    stagedEntries: probeEntries(probe, LOADER_ENTRIES_STAGED),
    grubMenu:
      probe.attempt(`boot/${GRUB_USER_CFG}`, undefined, () => boot.statOptional(utf8(GRUB_USER_CFG))) !==
      undefined,
  };
}

function probeEntries(probe: Probe, place: string): BootEntryReport[] {
  const path = `boot/${place}`;
  // ostree keeps the live entries behind a link: loader -> loader.0 or loader.1.
  using dir = probe.attempt(path, undefined, () =>
    probe.root.openDirOptional(utf8(path), { resolution: "beneath" }),
  );
  const found: BootEntryReport[] = [];
  for (const { name, type } of probe.list(dir, path, undefined)) {
    if (!name.endsWith(".conf") || type !== "regular" || dir === undefined) continue;
    const text = probe.text(dir, name, `${path}/${shown(name)}`, undefined);
    if (text !== undefined) found.push(entryOf(shown(name), text));
  }
  return found;
}

function entryOf(file: string, text: string): BootEntryReport {
  const entry = BlsEntry.parse(text);
  const cmdline = KernelCmdline.parse(entry.options ?? "");
  const kind = entry.kind();
  const composefs = composefsKarg(cmdline)?.digest ?? (kind.kind === "efi" ? idOfUki(kind.path) : undefined);
  const ostree = cmdline.valueOf(OSTREE_KARG);
  return {
    file,
    title: entry.title ?? null,
    version: entry.version ?? null,
    boots: composefs !== undefined ? "composefs" : ostree !== undefined ? "ostree" : "other",
    target: composefs ?? ostree ?? null,
  };
}

/** The deployment of a UKI by its file name; its own command line is inside of it. */
function idOfUki(path: string): string | undefined {
  const name = path.split("/").at(-1) ?? "";
  return name.startsWith(BOOT_ARTEFACT_PREFIX) && name.endsWith(".efi")
    ? name.slice(BOOT_ARTEFACT_PREFIX.length, -4)
    : undefined;
}
