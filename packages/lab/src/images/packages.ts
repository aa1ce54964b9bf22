/** Trees made from Debian packages: names, suites, lists. */
export interface TreeRecipe {
  suite: string;
  /** mmdebstrap's variant: `extract` runs no maintainer scripts. */
  variant: "minbase" | "extract";
  packages: readonly string[];
  /** Raised when the tree is made in another way with the same packages. */
  version: number;
}

const words = (text: string): readonly string[] => text.trim().split(/\s+/);

/**
 * `os`: a whole operating system of 1 GB and some 20 000 files, bootable. `small`: 87 MB, 3 000 files, not bootable.
 * policycoreutils is left out: it brings an /etc/selinux/config without a policy.
 */
export const treeRecipes = {
  os: {
    suite: "trixie",
    variant: "minbase",
    version: 1,
    packages: words(`
      linux-image-amd64 dracut systemd systemd-sysv systemd-resolved systemd-boot-efi udev dbus
      libpam-systemd ostree ostree-boot podman skopeo openssh-server sudo python3 perl vim-tiny less
      iproute2 iputils-ping curl ca-certificates xfsprogs e2fsprogs btrfs-progs locales
      network-manager man-db attr libcap2-bin cryptsetup lvm2 gdisk dosfstools git gcc`),
  },
  small: {
    suite: "trixie",
    variant: "extract",
    version: 1,
    packages: words(`
      base-files base-passwd bash coreutils dash libc-bin libc6 sed grep findutils passwd mount
      util-linux iputils-ping libcap2-bin systemd systemd-sysv login perl-base tzdata kmod iproute2`),
  },
} as const satisfies Record<string, TreeRecipe>;

export type TreeName = keyof typeof treeRecipes;

export const isTreeName = (name: string): name is TreeName => Object.hasOwn(treeRecipes, name);
