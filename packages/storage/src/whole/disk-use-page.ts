// A page of its own with a picture of what the stores take: no script, nothing loaded from elsewhere.

import { printable } from "@bootc-store/core";

import { bytesText as size } from "../bytes-text.ts";
import type { DiskUse, ImageDiskUse, LayerDiskUse, ThingDiskUse } from "./disk-use.ts";

export interface DiskUsePageInput {
  readonly root: string;
  readonly use: DiskUse;
}

const COLORS: Readonly<Record<string, string>> = {
  "containers-storage": "#3b82c4",
  composefs: "#8a63c9",
  ostree: "#d9822b",
};
const WIDTH = 720;
const ROW = 58;
const LABEL = 160;

const STYLE = `
:root { color-scheme: light dark; --ink: #1c2530; --soft: #66717e; --line: #d8dde3; --paper: #fbfbfa; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ec; --soft: #9aa5b1; --line: #38424d; --paper: #161b21; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 56rem; margin: 3rem auto; padding: 0 1.5rem; }
h1 { font-size: 1.6rem; margin: 0 0 .2rem; } h2 { font-size: 1.1rem; margin: 2.5rem 0 .6rem; }
.lead { font-size: 2.6rem; font-weight: 650; margin: 1.5rem 0 0; line-height: 1.1; } .soft { color: var(--soft); }
svg { width: 100%; height: auto; margin-top: 1.2rem; } text { fill: var(--ink); font-size: 14px; } text.soft { fill: var(--soft); font-size: 12px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; } th, td { text-align: left; padding: .4rem .8rem .4rem 0; border-bottom: 1px solid var(--line); }
th { font-weight: 600; color: var(--soft); font-size: .85rem; } td.n, th.n { text-align: right; } code { font-size: .85em; }
section { border-top: 1px solid var(--line); padding: .7rem 0; overflow-wrap: anywhere; } section p { margin: .2rem 0; } svg.bar { height: .8rem; margin: .4rem 0 0; display: block; }
summary { cursor: pointer; color: var(--soft); font-size: .85rem; } i { display: inline-block; width: .7em; height: .7em; margin-right: .5em; }
`;

/** The page as HTML. Everything in it that came from the root is escaped. */
export function diskUsePage({ root, use }: DiskUsePageInput): string {
  const saved = use.separateBytes - use.onDiskBytes;
  const lead = use.extents
    ? `${size(use.onDiskBytes)} on disk, ${size(saved)} saved by sharing`
    : `${size(use.onDiskBytes)} on disk`;
  const note = use.extents
    ? "A content that several stores have lies on disk once. Full colour is what a store has alone, hatching what it shares."
    : "This file system does not say where files lie, so nothing is known to be shared.";
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Stores of ${escape(root)}</title>
<style>${STYLE}</style>
<h1>What the stores of <code>${escape(root)}</code> take</h1>
<p class="lead">${lead}</p>
<p class="soft">${note}</p>
${picture(use)}
<h2>Stores</h2>
${storesTable(use)}
<h2>Images</h2>
${things(use.images, imageName, "There are none.")}
<h2>Layers</h2>
${things(use.layers.slice(0, MOST_LAYERS), layerName, "There are none.")}
${use.layers.length > MOST_LAYERS ? `<p class="soft">and ${use.layers.length - MOST_LAYERS} smaller ones</p>` : ""}
</html>
`;
}

function picture(use: DiskUse): string {
  const largest = Math.max(1, use.onDiskBytes, ...use.stores.map(({ onDiskBytes }) => onDiskBytes));
  const scale = (bytes: number): number => ((WIDTH - LABEL - 90) * bytes) / largest;
  const height = ROW * (use.stores.length + 1);
  const bars = use.stores.map((store, at) => {
    const color = COLORS[store.kind] ?? "#888";
    const y = at * ROW;
    const alone = store.exclusiveBytes ?? store.onDiskBytes;
    const [first, second] = [scale(alone), scale(store.onDiskBytes - alone)];
    return `
  <text x="0" y="${y + 24}">${store.kind}</text>
  <text x="0" y="${y + 40}" class="soft">${store.inodes.toLocaleString("en")} files</text>
  <rect x="${LABEL}" y="${y + 8}" width="${first.toFixed(1)}" height="28" fill="${color}"/>
  <rect x="${(LABEL + first).toFixed(1)}" y="${y + 8}" width="${second.toFixed(1)}" height="28" fill="url(#h-${store.kind})" stroke="${color}" stroke-width="${second > 0 ? 1 : 0}"/>
  <text x="${(LABEL + first + second + 8).toFixed(1)}" y="${y + 27}">${size(store.onDiskBytes)}</text>`;
  });
  const y = use.stores.length * ROW;
  const total = scale(use.onDiskBytes);
  const patterns = Object.entries(COLORS).map(
    ([kind, color]) =>
      `<pattern id="h-${kind}" width="8" height="8" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="8" height="8" fill="${color}" opacity=".18"/><line x1="0" y1="0" x2="0" y2="8" stroke="${color}" stroke-width="3" opacity=".7"/></pattern>`,
  );
  return `<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="What each store takes on disk, alone and shared">
  <defs>${patterns.join("")}</defs>${bars.join("")}
  <line x1="0" x2="${WIDTH}" y1="${y}" y2="${y}" stroke="currentColor" opacity=".2"/>
  <text x="0" y="${y + 30}" font-weight="600">together</text>
  <rect x="${LABEL}" y="${y + 12}" width="${total.toFixed(1)}" height="28" fill="currentColor" opacity=".75"/>
  <text x="${(LABEL + total + 8).toFixed(1)}" y="${y + 31}">${size(use.onDiskBytes)}</text>
</svg>`;
}

function storesTable({ stores }: DiskUse): string {
  const rows = stores.map(
    (each) =>
      `<tr><td>${each.kind}</td>${[
        each.apparentBytes,
        each.onDiskBytes,
        each.sharedBytes,
        each.exclusiveBytes,
      ]
        .map((bytes) => `<td class="n">${bytes === undefined ? "–" : size(bytes)}</td>`)
        .join("")}</tr>`,
  );
  return `<table><tr><th>store</th><th class="n">apparent</th><th class="n">on disk</th><th class="n">shared</th><th class="n">alone</th></tr>${rows.join("")}</table>`;
}

/** More would be no picture. */
const MOST_LAYERS = 40;

function imageName({ names, manifest }: ImageDiskUse): string {
  const shown = names.length === 0 ? "–" : names.map(escape).join("<br>");
  return `${shown}<br><code class="soft">${escape(manifest ?? "")}</code>`;
}

function layerName({ layer, images }: LayerDiskUse): string {
  const of = images.length === 0 ? "of no image" : `of ${images.map(escape).join(", ")}`;
  return `<code>${escape(layer.slice(0, 26))}…</code><br><span class="soft">${of}</span>`;
}

/** A bar for each: what goes with it in full colour, what others keep hatched; below it what each store has of it. */
function things<T extends ThingDiskUse>(all: readonly T[], name: (thing: T) => string, none: string): string {
  if (all.length === 0) return `<p class="soft">${none}</p>`;
  const largest = Math.max(1, ...all.map(({ onDiskBytes }) => onDiskBytes));
  const rows = all.map((thing) => {
    const { onDiskBytes, freedBytes, parts } = thing;
    const [whole, alone] = [(100 * onDiskBytes) / largest, (100 * freedBytes) / largest];
    const bar = `<svg class="bar" viewBox="0 0 100 6" preserveAspectRatio="none" role="img" aria-label="${size(freedBytes)} of ${size(onDiskBytes)} go with it"><rect width="${whole.toFixed(2)}" height="6" fill="currentColor" opacity=".18"/><rect width="${alone.toFixed(2)}" height="6" fill="currentColor" opacity=".75"/></svg>`;
    const stores = parts.map(
      ({ kind, apparentBytes, onDiskBytes: bytes, sharedBytes, exclusiveBytes }) =>
        `<tr><td><i style="background:${COLORS[kind] ?? "#888"}"></i>${kind}</td><td class="n">${size(apparentBytes)}</td><td class="n">${size(bytes)}</td><td class="n">${sharedBytes === undefined ? "–" : size(sharedBytes)}</td><td class="n">${size(exclusiveBytes)}</td></tr>`,
    );
    return `<section><div class="name">${name(thing)}</div>${bar}<p class="soft"><b>${size(onDiskBytes)}</b> on disk, of which <b>${size(freedBytes)}</b> go with it</p>
<details><summary>by store</summary><table><tr><th>store</th><th class="n">apparent</th><th class="n">on disk</th><th class="n">shared</th><th class="n">alone</th></tr>${stores.join("")}</table></details></section>`;
  });
  return rows.join("\n");
}

function escape(text: string): string {
  return printable(text).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
