// An image over its objects: EROFS of the image's file, and overlay that finds the content of files by their digests.

import { isStoreError } from "@bootc-store/core";
import {
  createMount,
  type Dir,
  type File,
  LoopDevice,
  type MountSpec,
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
  /** What mountinfo shows as the source. Default `composefs`. */
  readonly source?: string;
  /** Makes the mount writable; changes are kept in `upper`. `work` is an empty directory of the same file system. */
  readonly changes?: { readonly upper: Dir; readonly work: Dir };
  /** Forbids writing although there is a place for changes. Without one it is always so. */
  readonly readOnly?: boolean;
}

/**
 * A detached mount of an image: its top directory, to be used by its descriptor or put onto a directory with `attachMount`.
 * Closing it takes the mount away if it was not attached. Needs a kernel of 6.15 or later, since older ones do not take
 * directories as layers by descriptor. Throws `composefs/mount-refused` with what the kernel said, and the errors of
 * `verifyMeasuredVerity`.
 */
export function mountImage(options: MountImageOptions): Dir {
  const { image, digest, verity = "require" } = options;
  if (options.objects.length === 0) throw new TypeError("no directory of objects was given");
  if (digest !== undefined) verifyMeasuredVerity(image, digest.algorithm, digest.hex);
  using erofs = refusable("the image", () => mountErofs(image, options.devices));
  try {
    return refusable("the overlay", () => createMount(overlayOf(erofs, options, verity !== "off")));
  } catch (error) {
    if (verity !== "try" || !isStoreError(error) || error.context["call"] !== "fsconfig verity") throw error;
    return refusable("the overlay", () => createMount(overlayOf(erofs, options, false)));
  }
}

/** The files and attributes alone: files that are not in the image have no content here. */
function mountErofs(image: File, devices: Dir | undefined): Dir {
  const spec = (source: string): MountSpec => ({
    type: "erofs",
    source,
    options: [["ro", true], ...(hasAcl(image) ? [] : [["noacl", true] as const])],
    attributes: ["readOnly"],
  });
  try {
    return createMount(spec(`/proc/self/fd/${image.fd}`));
  } catch (error) {
    if (devices === undefined || !isStoreError(error) || error.context["errno"] !== ENOTBLK) throw error;
  }
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

function overlayOf(
  erofs: Dir,
  { objects, changes, source, readOnly }: MountImageOptions,
  verity: boolean,
): MountSpec {
  return {
    type: "overlay",
    source: source ?? "composefs",
    options: [
      ["metacopy", "on"],
      ["redirect_dir", "on"],
      ...(verity ? [["verity", "require"] as const] : []),
      ["lowerdir+", { fd: erofs.fd }],
      ...objects.map(({ fd }) => ["datadir+", { fd }] as const),
      ...(changes === undefined
        ? []
        : ([
            ["upperdir", { fd: changes.upper.fd }],
            ["workdir", { fd: changes.work.fd }],
          ] as const)),
    ],
    attributes: changes === undefined || readOnly === true ? ["readOnly"] : [],
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
