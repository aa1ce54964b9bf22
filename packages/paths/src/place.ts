/** Which tool makes a place and sets its rules. */
export type Owner = "ostree" | "composefs" | "containers-storage" | "bootc" | "bootloader" | "system";

export type PlaceKind = "directory" | "file" | "symlink";

/** What a place's path is relative to. */
export type Base =
  /** The physical root: `/sysroot` on a booted host, the top of a mounted disk otherwise. */
  | "physical-root"
  /** The composefs repository, `composefs` below the physical root. */
  | "composefs-repository"
  /** The boot directory: `boot` below the physical root for GRUB, the top of the ESP for systemd-boot. */
  | "boot"
  /** `/run`. */
  | "run"
  /** The root of an image or of a booted deployment. */
  | "image-root"
  /** `/var` of the running system. */
  | "var";

/** One name on disk that several tools agree on. */
export interface Place {
  readonly base: Base;
  /** Relative, without a leading or trailing slash. */
  readonly path: string;
  readonly kind: PlaceKind;
  readonly owner: Owner;
  /** Permission bits that its owner sets and insists on; absent where the umask decides. */
  readonly mode?: number;
  /** What it is, in one sentence. */
  readonly about: string;
}
