// The two plain texts that ostree writes for boot loaders that read no entries. Blocks and lines of others are kept.

/** What one deployment gives to such a text; paths as in its boot entry. */
export interface LoaderEntry {
  readonly title: string;
  readonly linux: string;
  readonly initrd?: string;
  readonly devicetree?: string;
  readonly fdtdir?: string;
  readonly options?: string;
}

/** By this text in its label ostree knows a block of its own. */
const OURS = "(ostree";

/**
 * syslinux.cfg with the blocks of ostree's deployments made anew. `prefix` is put before paths: `/boot` unless the entries
 * have it already.
 */
export function updateSyslinux(text: string, entries: readonly LoaderEntry[], prefix = "/boot"): string {
  const kept: string[] = [];
  let defaultLabel: string | undefined;
  let skipping = false;
  for (const line of text.split("\n")) {
    const label = /^LABEL (.*)$/.exec(line)?.[1];
    if (label !== undefined) skipping = label.includes(OURS);
    else if (skipping && !/^[ \t]/.test(line)) skipping = false;
    if (skipping) continue;
    const wanted = /^DEFAULT (.*)$/.exec(line)?.[1];
    if (wanted === undefined) kept.push(line);
    else defaultLabel = wanted;
  }
  const [first] = entries;
  const ours = defaultLabel === undefined || defaultLabel.includes(OURS);
  const label = ours ? first?.title : defaultLabel;
  const blocks = entries.map((entry) =>
    [
      `LABEL ${entry.title}`,
      `\tKERNEL ${prefix}${entry.linux}`,
      ...(entry.initrd === undefined ? [] : [`\tINITRD ${prefix}${entry.initrd}`]),
      ...(entry.devicetree === undefined ? [] : [`\tDEVICETREE ${prefix}${entry.devicetree}`]),
      ...(entry.options === undefined ? [] : [`\tAPPEND ${entry.options}`]),
    ].join("\n"),
  );
  while (kept.at(-1) === "") kept.pop();
  return `${[...kept, ...(label === undefined ? [] : [`DEFAULT ${label}`]), ...blocks].join("\n")}\n`;
}

/** Labels of a syslinux.cfg with what they boot. */
export function parseSyslinux(text: string): {
  readonly default?: string;
  readonly labels: readonly LoaderEntry[];
} {
  const labels: { -readonly [K in keyof LoaderEntry]: LoaderEntry[K] }[] = [];
  let defaultLabel: string | undefined;
  for (const line of text.split("\n")) {
    const [, key = "", value = ""] = /^\s*([A-Za-z]+)[ \t]+(.*?)\s*$/.exec(line) ?? [];
    const current = labels.at(-1);
    switch (key.toUpperCase()) {
      case "DEFAULT":
        defaultLabel = value;
        break;
      case "LABEL":
        labels.push({ title: value, linux: "" });
        break;
      case "KERNEL":
        if (current !== undefined) current.linux = value;
        break;
      case "INITRD":
        if (current !== undefined) current.initrd = value;
        break;
      case "DEVICETREE":
        if (current !== undefined) current.devicetree = value;
        break;
      case "APPEND":
        if (current !== undefined) current.options = value;
        break;
      default:
    }
  }
  return { ...(defaultLabel === undefined ? {} : { default: defaultLabel }), labels };
}

/** U-Boot's uEnv.txt: the first entry has plain names, the second and later ones a number after them. */
export function printUEnv(entries: readonly LoaderEntry[], extra = "", prefix = "/boot"): string {
  const lines = entries.flatMap((entry, index) => {
    const suffix = index === 0 ? "" : String(index + 1);
    return [
      `kernel_image${suffix}=${prefix}${entry.linux}`,
      ...(entry.initrd === undefined ? [] : [`ramdisk_image${suffix}=${prefix}${entry.initrd}`]),
      ...(entry.devicetree === undefined ? [] : [`fdt_file${suffix}=${prefix}${entry.devicetree}`]),
      ...(entry.fdtdir === undefined ? [] : [`fdtdir${suffix}=${prefix}${entry.fdtdir}`]),
      ...(entry.options === undefined ? [] : [`bootargs${suffix}=${entry.options}`]),
    ];
  });
  return `${lines.join("\n")}\n${extra}`;
}

/** Variables of a uEnv.txt, in order. */
export function parseUEnv(text: string): Map<string, string> {
  const variables = new Map<string, string>();
  for (const line of text.split("\n")) {
    const equals = line.indexOf("=");
    if (equals > 0 && !line.startsWith("#")) variables.set(line.slice(0, equals), line.slice(equals + 1));
  }
  return variables;
}
