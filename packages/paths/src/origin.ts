/** Groups and keys of a deployment's origin file, a key file beside the deployment. */
export const ORIGIN = {
  /** `[origin] container-image-reference`: the image, in ostree's spelling. */
  containerImageReference: { group: "origin", key: "container-image-reference" },
  /** `[origin] refspec`: a plain ostree ref, `REMOTE:REF`. */
  refspec: { group: "origin", key: "refspec" },
  /** `[boot] boot_type`: `bls` or `uki`. Composefs only. */
  bootType: { group: "boot", key: "boot_type" },
  /** `[boot] digest`: hexadecimal SHA-256 of the kernel followed by the initramfs. Composefs only. */
  bootDigest: { group: "boot", key: "digest" },
  /** `[image] manifest_digest`: `sha256:…`. Composefs only; absent in old installations. */
  manifestDigest: { group: "image", key: "manifest_digest" },
} as const;

/** Groups by which rpm-ostree says that a deployment is more than its image. */
export const ORIGIN_INCOMPATIBLE_GROUPS = ["rpmostree", "packages", "overrides", "modules"] as const;
