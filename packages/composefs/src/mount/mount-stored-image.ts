import { utf8 } from "@bootc-store/core";
import { type Dir, measureVerity } from "@bootc-store/linux";

import { resolveImage } from "../oci/erofs-image.ts";
import type { Repository } from "../repository/repository.ts";
import { mountImage, type MountImageOptions } from "./mount-image.ts";

/**
 * A detached mount of an image of a repository over the repository's objects; see {@link mountImage}. Where the image has
 * fs-verity, and always in a secure repository, the kernel checks it and every content.
 * @param name an id, or `refs/NAME`
 */
export function mountStoredImage(
  repository: Repository,
  name: string,
  options: Pick<MountImageOptions, "devices" | "scratch"> = {},
): Dir {
  const { objects, algorithm, secure, dir } = repository;
  const id = resolveImage(repository, name);
  using image = objects.open(id);
  using top = dir.openDir(utf8("objects"));
  // Without fs-verity of the image itself nothing vouches for the digests in it.
  const sealed = secure || measureVerity(image).state === "enabled";
  return mountImage({
    ...options,
    image,
    objects: [top],
    verity: sealed ? "require" : "off",
    source: `composefs:${id}`,
    ...(sealed ? { digest: { algorithm, hex: id } } : {}),
  });
}
