/** Where bootc looks for registry credentials as root, in this order, relative to the base directory. */
export const AUTH_FILES = [
  "run/ostree/auth.json",
  "etc/ostree/auth.json",
  "usr/lib/ostree/auth.json",
] as const;
