// Reading the plain texts that ostree writes for boot loaders that read no entries.

/** What one label boots. */
export interface LoaderEntry {
  readonly title: string;
  readonly linux: string;
  readonly initrd?: string;
  readonly devicetree?: string;
  readonly options?: string;
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

/** Variables of a uEnv.txt, in order. */
export function parseUEnv(text: string): Map<string, string> {
  const variables = new Map<string, string>();
  for (const line of text.split("\n")) {
    const equals = line.indexOf("=");
    if (equals > 0 && !line.startsWith("#")) variables.set(line.slice(0, equals), line.slice(equals + 1));
  }
  return variables;
}
