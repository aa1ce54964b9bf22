// A layer's files beside what its tar says of them. The tar that is made again from the stored headers is the same whatever
// became of owners, modes, attributes and links on the disk, so those are looked at one by one.

import { type ByteString, displayName, isStoreError, throwIfAborted } from "@bootc-store/core";
import { type Dir, type FileStat, sameFile } from "@bootc-store/linux";
import { segmentItems, type TarEntry } from "@bootc-store/oci";
import { OPAQUE_NAME, WHITEOUT_PREFIX } from "@bootc-store/tree";

import { cleanPath } from "./format/tar-split.ts";
import type { LayerRecord } from "./format/layers-json.ts";
import { openLayerRecord, type StoreRoot } from "./ports/layer-source.ts";

/** What is other than the tar says, a sentence each; of many the first. */
export interface MetadataDifferences {
  readonly differences: readonly string[];
  readonly more: number;
}

const MOST = 5;
/** The label belongs to the place, and overlay's marks to overlay. */
const NOT_THE_LAYERS = /^(?:security\.selinux$|trusted\.overlay\.|user\.overlay\.|security\.ima$)/;

export async function compareMetadata(
  root: StoreRoot,
  record: LayerRecord,
  signal: AbortSignal | undefined,
): Promise<MetadataDifferences> {
  const { places } = root;
  const expected = new Map<ByteString, Wanted>();
  const layer = openLayerRecord(root, record);
  for await (const item of segmentItems(layer.segments(signal === undefined ? {} : { signal }))) {
    throwIfAborted(signal);
    if (item.kind === "entry" && item.entry.type !== "global") expect(expected, item.entry);
  }
  const found = new Differences();
  using diff = places.dir("content").openDir(places.diffPath(record.id));
  // Ids on the disk are mapped, and the map is not looked through here.
  const owners = record.uidmap.length === 0 && record.gidmap.length === 0;
  for (const [path, wanted] of expected) {
    throwIfAborted(signal);
    comparePath(diff, path, wanted, owners, found);
  }
  // In a layer of vfs is all that its parents have, and what lies behind a link has another path than the tar gives it.
  if (places.driver !== "overlay" || found.throughLinks) return found;
  for (const { path, type } of diff.walk()) {
    throwIfAborted(signal);
    // Directories that the tar does not name are made on the way to what it does.
    if (type !== "directory" && !expected.has(path)) found.add(path, "is not of the layer");
  }
  return found;
}

interface Wanted {
  readonly entry: TarEntry;
  readonly kind: "entry" | "whiteout";
  /** Of a hard link. */
  readonly target?: ByteString;
}

function expect(expected: Map<ByteString, Wanted>, entry: TarEntry): void {
  const path = cleanPath(entry.name);
  const slash = path.lastIndexOf("/");
  const name = path.slice(slash + 1);
  if (name === OPAQUE_NAME) return;
  if (name.startsWith(WHITEOUT_PREFIX)) {
    const hidden = `${path.slice(0, slash + 1)}${name.slice(WHITEOUT_PREFIX.length)}` as ByteString;
    if (!expected.has(hidden)) expected.set(hidden, { entry, kind: "whiteout" });
    return;
  }
  if (path === "" || path === ".") return;
  if (entry.type !== "hardlink") {
    expected.set(path, { entry, kind: "entry" });
    return;
  }
  const target = cleanPath(entry.linkName);
  expected.set(path, { entry, kind: "entry", target });
  // The last name that was unpacked has set what all of them have.
  const first = expected.get(target);
  if (first !== undefined && first.target === undefined)
    expected.set(target, { ...first, entry: { ...first.entry, ...metadataOf(entry) } });
}

function metadataOf({ mode, uid, gid }: TarEntry): Pick<TarEntry, "mode" | "uid" | "gid"> {
  return { mode, uid, gid };
}

const TYPES: Readonly<Record<string, FileStat["type"]>> = {
  file: "regular",
  sparse: "regular",
  directory: "directory",
  symlink: "symlink",
  char: "character",
  block: "block",
  fifo: "fifo",
};

function comparePath(
  diff: Dir,
  path: ByteString,
  { entry, kind, target }: Wanted,

  owners: boolean,
  found: Differences,
): void {
  const direct = statOr(diff, path);
  const stat = direct ?? statOr(diff, path, "inRoot");
  if (direct === undefined && stat !== undefined) found.throughLinks = true;
  if (stat === undefined) {
    // What a whiteout hides may be below another whiteout, where there is no place for it.
    if (kind === "entry" || parentOf(diff, path)?.type === "directory") found.add(path, "is missing");
    return;
  }
  if (kind === "whiteout") {
    if (stat.type !== "character" || stat.rdev.major !== 0 || stat.rdev.minor !== 0)
      found.add(path, "is no whiteout");
    return;
  }
  if (target !== undefined) {
    const other = diff.statOptional(target, { resolution: "inRoot" });
    if (other === undefined || !sameFile(stat, other))
      found.add(path, `is not the same file as ${displayName(target)}`);
    return;
  }
  const type = TYPES[entry.type];
  if (type === undefined) return;
  if (stat.type !== type) {
    found.add(path, `is a ${stat.type} and not a ${type}`);
    return;
  }
  if (type !== "symlink" && (stat.mode & 0o7777) !== entry.mode)
    found.add(path, `has the mode ${(stat.mode & 0o7777).toString(8)} and not ${entry.mode.toString(8)}`);
  if (owners && (stat.uid !== entry.uid || stat.gid !== entry.gid))
    found.add(path, `belongs to ${stat.uid}:${stat.gid} and not to ${entry.uid}:${entry.gid}`);
  if (type === "regular" && stat.size !== entry.size)
    found.add(path, `has ${stat.size} bytes and not ${entry.size}`);
  if (type === "symlink" && diff.readLink(path, { resolution: "inRoot" }) !== entry.linkName)
    found.add(path, `leads to ${displayName(diff.readLink(path, { resolution: "inRoot" }))}`);
  if ((type === "character" || type === "block") && !isDevice(stat, entry))
    found.add(path, `is the device ${stat.rdev.major}:${stat.rdev.minor}`);
  if (type === "regular" || type === "directory") compareXattrs(diff, path, entry, found);
}

/** `undefined` too where the way to it is blocked. */
function statOr(diff: Dir, path: ByteString, resolution?: "inRoot"): FileStat | undefined {
  try {
    return diff.statOptional(path, resolution === undefined ? {} : { resolution });
  } catch (error) {
    if (isStoreError(error, "linux/path-symlink", "linux/path-loop", "linux/not-a-directory"))
      return undefined;
    throw error;
  }
}

function parentOf(diff: Dir, path: ByteString): FileStat | undefined {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? diff.statSelf() : statOr(diff, path.slice(0, slash) as ByteString);
}

function isDevice({ rdev }: FileStat, entry: TarEntry): boolean {
  return rdev.major === entry.devMajor && rdev.minor === entry.devMinor;
}

function compareXattrs(diff: Dir, path: ByteString, { xattrs, pax }: TarEntry, found: Differences): void {
  for (const [name, value] of xattrs) {
    // The library gives a file only those of this spelling.
    if (NOT_THE_LAYERS.test(name) || !pax.has(`SCHILY.xattr.${name}` as ByteString)) continue;
    const stored = diff.getXattrOptional(path, name, { resolution: "inRoot" });
    if (stored === undefined) found.add(path, `has lost its attribute ${displayName(name)}`);
    else if (stored.toString("latin1") !== value)
      found.add(path, `has another value of its attribute ${displayName(name)}`);
  }
}

class Differences implements MetadataDifferences {
  readonly differences: string[] = [];
  more = 0;
  /** Whether the tar names something by way of a link. */
  throughLinks = false;

  add(path: ByteString, problem: string): void {
    if (this.differences.length < MOST) this.differences.push(`${displayName(path)} ${problem}`);
    else this.more++;
  }
}
