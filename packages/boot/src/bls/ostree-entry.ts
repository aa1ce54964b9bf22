/** A boot entry as ostree keeps it. */
export interface OstreeBootConfig {
  /** One value a key; of `initrd` the primary one. */
  readonly values: ReadonlyMap<string, string>;
  /** The further `initrd` lines. */
  readonly overlayInitrds: readonly string[];
}

/** In this order ostree writes the keys it knows; the others follow, in the order of the map. */
const KEY_ORDER = ["title", "version", "options", "devicetree", "linux", "initrd"];

/**
 * Reads a boot entry as ostree does: a line that begins with a letter has a key, which ends at the first blank or tab;
 * the rest is the value as it is. The last line of a key counts, but of `initrd` the first, and the others are overlays.
 * All other lines are lost.
 */
export function parseOstreeBootConfig(text: string): OstreeBootConfig {
  const values = new Map<string, string>();
  const overlayInitrds: string[] = [];
  for (const line of text.split("\n")) {
    const split = /^([A-Za-z][^ \t]*)[ \t]([^]*)$/.exec(line);
    if (split === null) continue;
    const [, key = "", value = ""] = split;
    if (key === "initrd" && values.has(key)) overlayInitrds.push(value);
    else values.set(key, value);
  }
  return { values, overlayInitrds };
}

/** Writes a boot entry as ostree does. */
export function printOstreeBootConfig({ values, overlayInitrds }: OstreeBootConfig): string {
  const known = KEY_ORDER.filter((key) => values.has(key));
  const others = [...values.keys()].filter((key) => !KEY_ORDER.includes(key));
  const line = (key: string, value: string): string => `${key} ${value}\n`;
  const text = known.map((key) => line(key, values.get(key) ?? "")).join("");
  const overlays = overlayInitrds.map((value) => line("initrd", value)).join("");
  return text + overlays + others.map((key) => line(key, values.get(key) ?? "")).join("");
}
