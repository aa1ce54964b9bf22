// The names of bootc's store module and its neighbours. Values are bootc's own; a change here is a change of
// what is read and written on disk.

/** Name of the physical root below `/` on a booted host. */
export const SYSROOT = "sysroot";

/** The composefs repository, relative to the physical root. */
export const COMPOSEFS = "composefs";

/** Permission bits of the composefs repository: others must not reach objects by their digest. */
export const COMPOSEFS_MODE = 0o700;

/** bootc's own root, relative to the physical root: a directory, or on composefs systems a link. */
export const BOOTC_ROOT = "ostree/bootc";

/** Where that link leads, relative to the physical root. */
export const COMPOSEFS_BOOTC_ROOT = "composefs/bootc";

/** Exact text of the link at {@link BOOTC_ROOT} on composefs systems. */
export const BOOTC_ROOT_LINK_TARGET = "../composefs/bootc";

/** The containers-storage graph root, relative to bootc's own root. */
export const STORAGE_SUBPATH = "storage";

/** The containers-storage graph root, relative to the physical root. */
export const STORAGE = `${BOOTC_ROOT}/${STORAGE_SUBPATH}`;

/** The containers-storage run root, relative to `/run`. */
export const STORAGE_RUN_ROOT = "bootc/storage";

/** Where bootc's storage is shown to podman, which keeps absolute paths in its database. */
export const STORAGE_ALIAS = "/run/bootc/storage";

/** In the graph root: the SELinux labels have been set. */
export const STORAGE_LABELED_STAMP = ".bootc_labeled";

/** The graph root is labelled as if it were here. */
export const STORAGE_LABEL_REFERENCE = "/var/lib/containers/storage";

/** ostree's repository, relative to the physical root. */
export const OSTREE_REPO = "ostree/repo";

/** Stateroots, relative to the physical root. */
export const OSTREE_DEPLOY = "ostree/deploy";

/** The kernel argument that names a composefs deployment. */
export const COMPOSEFS_KARG = "composefs";

/** The kernel argument that names an ostree deployment. */
export const OSTREE_KARG = "ostree";

/** State of composefs deployments, relative to the physical root. */
export const COMPOSEFS_STATE = "state/deploy";

/** The one `/var` that all composefs deployments share, relative to the physical root. */
export const COMPOSEFS_SHARED_VAR = "state/os/default/var";

/** Text of the `var` link in a composefs deployment's state directory. */
export const COMPOSEFS_VAR_LINK_TARGET = "../../os/default/var";

/** Transient composefs state, relative to `/run`. */
export const COMPOSEFS_TRANSIENT_STATE = "composefs";

/** The record of a staged composefs deployment, in {@link COMPOSEFS_TRANSIENT_STATE}. */
export const COMPOSEFS_STAGED_DEPLOYMENT = "staged-deployment";

/** Boot entries, relative to the boot directory: live ones, and those that a reboot will exchange them for. */
export const LOADER_ENTRIES = "loader/entries";
export const LOADER_ENTRIES_STAGED = "loader/entries.staged";

/** GRUB's menus of UKIs, relative to the boot directory. */
export const GRUB_USER_CFG = "grub2/user.cfg";
export const GRUB_USER_CFG_STAGED = "grub2/user.cfg.staged";
export const GRUB_EFI_UUID_CFG = "grub2/efiuuid.cfg";

/** Kernel directories and UKIs, relative to the ESP. */
export const EFI_LINUX = "EFI/Linux";

/** UKIs of composefs deployments, relative to the ESP. */
export const BOOTC_UKI_DIR = "EFI/Linux/bootc";

/** How the names of a composefs deployment's kernel directory and UKI begin; its id follows. */
export const BOOT_ARTEFACT_PREFIX = "bootc_composefs-";

/** How bootc's own tags in the composefs repository begin; a manifest digest follows. */
export const BOOTC_TAG_PREFIX = "localhost/bootc-";

/** Quadlets of bound images, relative to an image's root. */
export const BOUND_IMAGES = "usr/lib/bootc/bound-images.d";

/** Kernel arguments that an image brings, relative to its root. */
export const KARGS_D = "usr/lib/bootc/kargs.d";

/** Prefix of the refs that keep the base of locally derived deployments. */
export const BASE_IMAGE_REF_PREFIX = "ostree/container/baseimage/bootc";

/** Name under which a booted image is copied to the default container store. */
export const COPY_DEFAULT_NAME = "localhost/bootc";

/** Asks for a destructive clean-up after an installation, relative to the ostree sysroot. */
export const DESTRUCTIVE_CLEANUP = "etc/bootc-destructive-cleanup";

/** What an installation to disk left behind of how it was done, relative to the physical root. */
export const ALEPH = ".bootc-aleph.json";

/** Marks a system booted by ostree, relative to `/run`. */
export const OSTREE_BOOTED = "ostree-booted";

/** ostree's staged deployment and its lock, relative to `/run`. */
export const OSTREE_STAGED_DEPLOYMENT = "ostree/staged-deployment";
export const OSTREE_STAGED_LOCKED = "ostree/staged-deployment-locked";

/** Written after staging, relative to `/run`. */
export const REBOOT_REQUIRED = "reboot-required";

/** An EFI variable by which a boot loader says which one it is. */
export const LOADER_INFO_VARIABLE = "LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f";
