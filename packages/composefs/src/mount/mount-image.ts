// An image over its objects: EROFS of the image's file, and overlay that finds the content of files by their digests.

import { randomBytes } from "node:crypto";

import { isStoreError, utf8 } from "@bootc-store/core";
import {
  attachMount,
  changeMount,
  createMount,
  type Dir,
  type File,
  LoopDevice,
  type MountSpec,
  unmount,
  type VerityAlgorithm,
  verifyMeasuredVerity,
} from "@bootc-store/linux";

import { composefsErrors } from "../errors.ts";

export interface MountImageOptions {
  /** The image's file, open for reading. */
  readonly image: File;
  /** Directories with the objects, `XX/…`; the first that has one is taken. */
  readonly objects: readonly Dir[];
  /** What the kernel must measure of the image; without it the image is believed. */
  readonly digest?: { readonly algorithm: VerityAlgorithm; readonly hex: string };
  /**
   * Whether the kernel compares what it reads of objects with the digests in the image: `require` (the default), `try` where the
   * kernel can (6.6 and later), or `off`.
   */
  readonly verity?: "require" | "try" | "off";
  /** The host's `/dev`, for a loop device where the kernel does not mount a file (before 6.12). */
  readonly devices?: Dir;
  /** How the image is mounted: as a `file`, from a `loop` device, or as works (the default). */
  readonly through?: "file" | "loop";
  /**
   * A directory, such as the host's `/tmp`, in which a mount point can be made meanwhile: for kernels that take no directories as layers
   * by descriptor (before 6.15).
   */
  readonly scratch?: Dir;
  /** How overlay is told its layers: by `descriptors`, by `paths`, or as works (the default). */
  readonly layers?: "descriptors" | "paths";
  /** A user namespace by whose map the owners of files are shown. */
  readonly idMap?: File;
  /** What mountinfo shows as the source. Default `composefs`. */
  readonly source?: string;
  /** Makes the mount writable; changes are kept in `upper`. `work` is an empty directory of the same file system. */
  readonly changes?: { readonly upper: Dir; readonly work: Dir };
  /** Whether the mount forbids writing. Default: unless there is a place for changes. */
  readonly readOnly?: boolean;
}

/**
 * A detached mount of an image: its top directory, to be used by its descriptor or put onto a directory with `attachMount`.
 * Closing it takes the mount away if it was not attached. Before Linux 6.15 it needs `scratch`, before 6.12 also `devices`; 6.5 is
 * the oldest that will do. Throws `composefs/mount-refused` with what the kernel said, and the errors of
 * `verifyMeasuredVerity`.
 */
export function mountImage(options: MountImageOptions): Dir {
  const { image, digest, verity = "require" } = options;
  if (options.objects.length === 0) throw new TypeError("no directory of objects was given");
  if (digest !== undefined) verifyMeasuredVerity(image, digest.algorithm, digest.hex);
  using erofs = refusable("the image", () => mountErofs(image, options));
  if (options.idMap !== undefined) changeMount(erofs, { idMap: options.idMap });
  try {
    return refusable("the overlay", () => mountOverlay(erofs, options, verity !== "off"));
  } catch (error) {
    if (verity !== "try" || !isStoreError(error) || error.context["call"] !== "fsconfig verity") throw error;
    return refusable("the overlay", () => mountOverlay(erofs, options, false));
  }
}

function mountOverlay(erofs: Dir, options: MountImageOptions, verity: boolean): Dir {
  const { scratch, layers } = options;
  if (layers === "paths" && scratch === undefined)
    throw new TypeError("no directory for a mount point was given");
  if (layers !== "paths") {
    try {
      return createMount(overlayOf(options, verity, layersOf(erofs, options)));
    } catch (error) {
      const told = isStoreError(error) ? error.context["call"] : undefined;
      const old = told === "fsconfig lowerdir+" || told === "fsconfig datadir+" || told === "fsconfig create";
      if (layers === "descriptors" || scratch === undefined || !old) throw error;
    }
  }
  return mountByPaths(erofs, options, verity, scratch as Dir);
}

/** Overlay takes a mount by its path only where that is attached somewhere, so it is, for as long as this takes. */
function mountByPaths(erofs: Dir, options: MountImageOptions, verity: boolean, scratch: Dir): Dir {
  const name = utf8(`.composefs.${randomBytes(9).toString("hex")}`);
  scratch.makeDir(name, 0o700);
  try {
    using point = scratch.openDir(name);
    attachMount(erofs, point);
    try {
      const path = ({ fd }: Dir): string => `/proc/self/fd/${fd}`;
      const { changes, objects } = options;
      return createMount(
        overlayOf(options, verity, [
          ...(changes === undefined
            ? []
            : ([
                ["upperdir", path(changes.upper)],
                ["workdir", path(changes.work)],
              ] as const)),
          ["lowerdir", [path(erofs), ...objects.map((each) => `:${path(each)}`)].join(":")],
        ]),
      );
    } finally {
      unmount(scratch, name, { detach: true });
    }
  } finally {
    scratch.removeOptional(name);
  }
}

/** The files and attributes alone: files that are not in the image have no content here. */
function mountErofs(image: File, { devices, through }: MountImageOptions): Dir {
  const spec = (source: string): MountSpec => ({
    type: "erofs",
    source,
    options: [["ro", true], ...(hasAcl(image) ? [] : [["noacl", true] as const])],
    attributes: ["readOnly"],
  });
  if (through !== "loop") {
    try {
      return createMount(spec(`/proc/self/fd/${image.fd}`));
    } catch (error) {
      const notBlock = isStoreError(error) && error.context["errno"] === ENOTBLK;
      if (devices === undefined || through === "file" || !notBlock) throw error;
    }
  }
  if (devices === undefined) throw new TypeError("no directory of devices was given");
  // The device goes away by itself with the mount.
  using loop = LoopDevice.attach(devices, image);
  return createMount(spec(loop.path));
}

const ENOTBLK = 15;
const FLAGS_OFFSET = 8;
const FLAG_HAS_ACL = 1;

function hasAcl(image: File): boolean {
  const header = new Uint8Array(32);
  if (image.readFull(header, 0) < header.length) {
    throw composefsErrors.error("mount-refused", `${image.label}: too short for an image`);
  }
  return ((header[FLAGS_OFFSET] ?? 0) & FLAG_HAS_ACL) !== 0;
}

type MountOptions = NonNullable<MountSpec["options"]>;

function layersOf(erofs: Dir, { objects, changes }: MountImageOptions): MountOptions {
  return [
    ["lowerdir+", { fd: erofs.fd }],
    ...objects.map(({ fd }) => ["datadir+", { fd }] as const),
    ...(changes === undefined
      ? []
      : ([
          ["upperdir", { fd: changes.upper.fd }],
          ["workdir", { fd: changes.work.fd }],
        ] as const)),
  ];
}

function overlayOf(
  { changes, source, readOnly = changes === undefined }: MountImageOptions,
  verity: boolean,
  layers: MountOptions,
): MountSpec {
  return {
    type: "overlay",
    source: source ?? "composefs",
    options: [
      ["metacopy", "on"],
      ["redirect_dir", "on"],
      ...(verity ? [["verity", "require"] as const] : []),
      ...layers,
    ],
    attributes: readOnly ? ["readOnly"] : [],
  };
}

function refusable<T>(what: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!isStoreError(error)) throw error;
    const { log } = error.context;
    const said = typeof log === "string" && log !== "" ? log : error.message;
    throw composefsErrors.error("mount-refused", `the kernel does not mount ${what}: ${said}`, {
      context: error.context,
      cause: error,
    });
  }
}
