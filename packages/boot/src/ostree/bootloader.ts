import type { OstreeBootConfig } from "../bls/ostree-entry.ts";
import { bootErrors } from "../errors.ts";

// The configurations that ostree writes from its boot entries for boot loaders that cannot read those. The entries
// are given in the order of the menu, the default first.

const UNTITLED = "(Untitled)";

export interface SyslinuxOptions {
  /** Whether the entries' paths begin with `/boot` already (`sysroot.bootprefix`); if not it is put before them. */
  readonly bootPrefix: boolean;
}

/**
 * A `syslinux.cfg` made from the one before it: labels whose kernel is not ostree's stay, those of ostree are written
 * anew, and so is the default if it was ostree's or there was none. Throws `boot/syslinux-syntax`.
 */
export function printSyslinuxConfig(
  before: string,
  entries: readonly OstreeBootConfig[],
  options: SyslinuxOptions,
): string {
  const kept: string[] = [];
  let label: string[] | undefined;
  let kernel: string | undefined;
  let defaultSeen = false;
  let newDefault = false;
  const endLabel = (): void => {
    if (label === undefined) return;
    if (kernel === undefined)
      throw bootErrors.error("syslinux-syntax", "No KERNEL argument found after LABEL");
    if (!/^(?:\/boot)?\/ostree\//.test(kernel)) kept.push(...label);
    label = undefined;
  };
  for (const line of before.split("\n")) {
    if (label !== undefined && !line.startsWith("\t")) endLabel();
    if (label === undefined && line.startsWith("LABEL ")) label = [];
    else if (label !== undefined && line.startsWith("\tKERNEL ")) kernel = line.slice("\tKERNEL ".length);
    else if (label === undefined && line.startsWith("DEFAULT ")) {
      defaultSeen = true;
      newDefault ||= line.startsWith("DEFAULT ostree:") || line.includes("(ostree");
      continue;
    }
    (label ?? kept).push(line);
  }
  endLabel();
  for (const [at, entry] of entries.entries()) {
    const title = entry.values.get("title") ?? UNTITLED;
    if (at === 0 && (newDefault || !defaultSeen)) kept.push(`DEFAULT ${title}`);
    kept.push(`LABEL ${title}`);
    const prefix = options.bootPrefix ? "" : "/boot";
    kept.push(`\tKERNEL ${prefix}${kernelOf(entry)}`);
    const initrd = entry.values.get("initrd");
    if (initrd !== undefined) kept.push(`\tINITRD ${prefix}${initrd}`);
    const devicetree = entry.values.get("devicetree");
    if (devicetree !== undefined) kept.push(`\tDEVICETREE ${prefix}${devicetree}`);
    const kernelArguments = entry.values.get("options");
    if (kernelArguments !== undefined) kept.push(`\tAPPEND ${kernelArguments}`);
  }
  return joinLines(kept);
}

/**
 * A `uEnv.txt` for U-Boot. `systemEnvironment` is the text of `usr/lib/ostree-boot/uEnv.txt` in the first deployment,
 * where that exists.
 */
export function printUbootEnvironment(
  entries: readonly OstreeBootConfig[],
  systemEnvironment?: string,
): string {
  const lines: string[] = [];
  for (const [at, entry] of entries.entries()) {
    const suffix = at === 0 ? "" : String(at + 1);
    lines.push(`kernel_image${suffix}=/boot${kernelOf(entry)}`);
    for (const [name, key] of [
      ["ramdisk_image", "initrd"],
      ["fdt_file", "devicetree"],
      ["fdtdir", "fdtdir"],
    ] as const) {
      const value = entry.values.get(key);
      if (value !== undefined) lines.push(`${name}${suffix}=/boot${value}`);
    }
    const kernelArguments = entry.values.get("options");
    if (kernelArguments === undefined) continue;
    lines.push(`bootargs${suffix}=${kernelArguments}`);
    if (at === 0 && systemEnvironment !== undefined) lines.push(systemEnvironment);
  }
  return joinLines(lines);
}

export interface OstreeGrubOptions {
  /** What `grub2-mkconfig`'s script gives in `GRUB2_BOOT_DEVICE_ID`: part of the entries' ids. */
  readonly bootDeviceId: string;
  /** What it gives in `GRUB2_PREPARE_ROOT_CACHE`: commands that find the boot device. */
  readonly prepareRootCache: string;
  /** What ends the names of the commands `linux` and `initrd`: `efi` or `16` on x86, nothing elsewhere. */
  readonly commandSuffix: "" | "16" | "efi";
}

/** The menu that `ostree admin instutil grub2-generate` prints for `grub2-mkconfig`. */
export function printOstreeGrubMenu(
  entries: readonly OstreeBootConfig[],
  options: OstreeGrubOptions,
): string {
  let text = "";
  for (const [at, entry] of entries.entries()) {
    const id = `ostree-${at}-${options.bootDeviceId}`;
    const classes = "--class gnu-linux --class gnu --class os --unrestricted";
    text += `menuentry ${shellQuote(entry.values.get("title") ?? UNTITLED)} ${classes} ${shellQuote(id)} {\n`;
    text += `load_video\nset gfxpayload=keep\ninsmod gzio\n${options.prepareRootCache}\n`;
    const kernelArguments = entry.values.get("options");
    text += `linux${options.commandSuffix} ${kernelOf(entry)}${kernelArguments === undefined ? "" : ` ${kernelArguments}`}\n`;
    const initrd = entry.values.get("initrd");
    if (initrd !== undefined) text += `initrd${options.commandSuffix} ${initrd}\n`;
    const devicetree = entry.values.get("devicetree");
    if (devicetree !== undefined) text += `devicetree ${devicetree}\n`;
    text += "}\n";
  }
  return text;
}

function kernelOf({ values }: OstreeBootConfig): string {
  const kernel = values.get("linux");
  if (kernel === undefined) throw bootErrors.error("entry-invalid", 'No "linux" key in bootloader config');
  return kernel;
}

function shellQuote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** As ostree joins them: of all empty lines only one stays, and none at the beginning. */
function joinLines(lines: readonly string[]): string {
  let emptySeen = false;
  let text = "";
  for (const [at, line] of lines.entries()) {
    if (line === "") {
      if (emptySeen || at === 0) continue;
      emptySeen = true;
    }
    text += `${line}\n`;
  }
  return text;
}
