import { composefsKarg, KernelCmdline } from "@bootc-store/boot";
import { byteString, utf8 } from "@bootc-store/core";
import { type Dir, parseMountInfo } from "@bootc-store/linux";
import { COMPOSEFS_ID } from "@bootc-store/paths";

import { storageErrors } from "./errors.ts";

/** What the kernel command line and the root mount say of a composefs boot. */
export interface ComposefsCmdline {
  /** The deployment's id: the fs-verity digest of its EROFS image, 128 hexadecimal digits. */
  readonly digest: string;
  /** Whether the argument had a `?`: objects without fs-verity are accepted. */
  readonly allowMissingVerity: boolean;
  /** Whether the root mount is of another deployment than the command line's, as after a soft reboot. */
  readonly softRebooted: boolean;
}

const MOST_CMDLINE = 1 << 20;
const MOST_MOUNTINFO = 64 << 20;

/** `undefined` if the system was not booted from composefs. */
export function readComposefsCmdline(host: Dir): ComposefsCmdline | undefined {
  const bytes = host.readFileOptional(utf8("proc/cmdline"), { resolution: "inRoot", limit: MOST_CMDLINE });
  if (bytes === undefined) return undefined;
  const karg = composefsKarg(KernelCmdline.parse(byteString(bytes)));
  if (karg === undefined) return undefined;
  const booted = { ...karg, digest: checkDigest(karg.digest, "the kernel command line") };
  const mounted = rootMountDigest(host);
  if (mounted === booted.digest) return { ...booted, softRebooted: false };
  // After a soft reboot the command line is that of the boot before; the mount is right, and knows of no `?`.
  const digest = checkDigest(mounted, "the source of the root mount");
  return { digest, allowMissingVerity: false, softRebooted: true };
}

/** The digest that the mount at `/` was made from. Throws `storage/root-mount-not-composefs`. */
function rootMountDigest(host: Dir): string {
  const path = utf8("proc/self/mountinfo");
  const bytes = host.readFile(path, { resolution: "inRoot", limit: MOST_MOUNTINFO });
  const source = parseMountInfo(byteString(bytes)).findLast((mount) => mount.mountPoint === "/")?.source;
  const digest = /^(?:composefs:|transient:composefs=)(.+)$/.exec(source ?? "")?.[1];
  if (digest !== undefined) return digest;
  throw storageErrors.error(
    "root-mount-not-composefs",
    `root not mounted using composefs (source: ${source ?? "none"})`,
  );
}

function checkDigest(digest: string, where: string): string {
  if (COMPOSEFS_ID.test(digest)) return digest;
  throw storageErrors.error(
    "cmdline-digest-invalid",
    `${where} has no SHA-512 digest for composefs: "${digest.slice(0, 160)}"`,
  );
}
