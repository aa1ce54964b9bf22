/** Each peer: the program's name, and the Debian package that brings it into the tree. */
const DEBIAN_PEERS = {
  ostree: "ostree",
  mkcomposefs: "composefs",
  "mount.composefs": "composefs",
  "composefs-info": "composefs",
  podman: "podman",
  skopeo: "skopeo",
  buildah: "buildah",
  "containers-storage": "containers-storage",
  umoci: "umoci",
  "mkfs.erofs": "erofs-utils",
  "dump.erofs": "erofs-utils",
  "fsck.erofs": "erofs-utils",
  fsverity: "fsverity",
  "docker-registry": "docker-registry",
  flock: "util-linux",
  mount: "mount",
  umount: "mount",
  setfattr: "attr",
  getfattr: "attr",
  tar: "tar",
  bsdtar: "libarchive-tools",
  gzip: "gzip",
  zstd: "zstd",
  sha256sum: "coreutils",
  cp: "coreutils",
  find: "findutils",
  sh: "dash",
  python3: "python3-minimal",
  setpriv: "util-linux",
  unshare: "util-linux",
  filefrag: "e2fsprogs",
  "mkfs.ext4": "e2fsprogs",
  debugfs: "e2fsprogs",
  "mkfs.xfs": "xfsprogs",
  xfs_io: "xfsprogs",
  "mkfs.btrfs": "btrfs-progs",
  busybox: "busybox-static",
  depmod: "kmod",
  gpg: "gpg",
} as const;

export type PeerName = keyof typeof DEBIAN_PEERS | "cfsctl";

export const CFSCTL_VERSION = "0.9.4";

/** The package of a peer; undefined for cfsctl, which cargo builds. */
export const packageOf = (name: PeerName): string | undefined =>
  name === "cfsctl" ? undefined : DEBIAN_PEERS[name];

export const peerNames: readonly PeerName[] = [
  ...(Object.keys(DEBIAN_PEERS) as (keyof typeof DEBIAN_PEERS)[]),
  "cfsctl",
];

export const isPeerName = (name: string): name is PeerName =>
  name === "cfsctl" || Object.hasOwn(DEBIAN_PEERS, name);

/** Debian's suite of the peers: the only one that has composefs. */
export const PEER_SUITE = "forky";

/** What the tree is made of: every peer's package, and what those want without depending on it. */
export const treePackages: readonly string[] = [
  ...new Set([
    ...Object.values(DEBIAN_PEERS),
    "ca-certificates",
    "gpgv",
    "gpg-agent",
    // Overlay and user namespaces of containers-storage, xattrs in tar, the libraries of cfsctl and of Node.
    "fuse-overlayfs",
    "uidmap",
    "libcap2-bin",
    "fuse3",
    "libssl3t64",
    "liblzma5",
    "zlib1g",
    "libstdc++6",
    "libatomic1",
  ]),
].sort();
