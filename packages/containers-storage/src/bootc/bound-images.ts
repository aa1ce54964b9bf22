// Images that belong to a bootable image: links in /usr/lib/bootc/bound-images.d to quadlets that name them.

import { isStoreError, textOf, utf8 } from "@bootc-store/core";
import { KeyFile } from "@bootc-store/core/codec";
import type { Dir } from "@bootc-store/linux";
import { BOUND_IMAGES } from "@bootc-store/paths";

import { containersStorageErrors } from "../errors.ts";
import { normalName } from "../format/image-name.ts";

/** An image that must be present for a deployment. */
export interface BoundImage {
  /** Name of the link. */
  readonly file: string;
  /** As it is written, specifiers resolved. */
  readonly image: string;
}

const FILE_LIMIT = 1 << 20;

/**
 * The images that the root of an image or deployment is bound to, by name of the link. A directory that is missing
 * binds none. Throws `containers-storage/bound-image-invalid` for anything in it that is not as it should be.
 * @param root of the deployment or of the unpacked image; links lead nowhere outside
 */
export function readBoundImages(root: Dir): BoundImage[] {
  const path = utf8(BOUND_IMAGES);
  using dir = root.openDirOptional(path, { resolution: "inRoot" });
  return (dir?.list() ?? []).map(({ name, type }) => {
    const file = textOf(name);
    if (file === undefined) throw invalid(name, "its name is no text");
    if (type !== "symlink") throw invalid(file, "Not a symlink");
    return { file, image: parseBoundImage(file, readThroughLink(root, file)) };
  });
}

/** The image that a quadlet's text names. @param file its name, of which the extension counts. */
export function parseBoundImage(file: string, text: string): string {
  const dot = file.lastIndexOf(".");
  const extension = dot <= 0 ? "" : file.slice(dot + 1);
  const group = { image: "Image", container: "Container" }[extension];
  if (group === undefined) throw invalid(file, `Invalid file extension: ${extension}`);
  let quadlet: KeyFile;
  try {
    quadlet = KeyFile.parse(text, "systemd");
  } catch (cause) {
    throw invalid(file, "not a quadlet", cause);
  }
  const image = quadlet.get(group, "Image");
  if (image === undefined) throw invalid(file, "Missing Image field");
  if (group === "Image" && quadlet.get(group, "AuthFile") !== undefined) {
    throw invalid(file, "AuthFile is not supported by bound bootc images");
  }
  return withoutSpecifiers(file, image);
}

/**
 * The bound images of deployments as the names to keep, in the form in which the store has them. Names that differ only
 * in how they are spelled are one.
 */
export function namesToKeep(images: Iterable<BoundImage>): string[] {
  return [...new Set([...images].map(({ image }) => normalName(image)))].sort();
}

function readThroughLink(root: Dir, file: string): string {
  try {
    const path = utf8(`${BOUND_IMAGES}/${file}`);
    return root.readFile(path, { resolution: "inRoot", limit: FILE_LIMIT }).toString("utf8");
  } catch (cause) {
    if (!isStoreError(cause)) throw cause;
    throw invalid(file, "what it leads to cannot be read", cause);
  }
}

/** `%%` is a percent sign; the specifiers of systemd mean nothing here, and are refused. */
function withoutSpecifiers(file: string, value: string): string {
  return value.replace(/%(.?)/gs, (_, next: string) => {
    if (next === "%") return "%";
    throw invalid(
      file,
      next === "" ? "Unterminated %" : `Systemd specifiers are not supported by bound bootc images: %${next}`,
    );
  });
}

function invalid(file: string, problem: string, cause?: unknown): Error {
  return containersStorageErrors.error("bound-image-invalid", `${BOUND_IMAGES}/${file}: ${problem}`, {
    context: { path: `${BOUND_IMAGES}/${file}` },
    ...(cause === undefined ? {} : { cause }),
  });
}
