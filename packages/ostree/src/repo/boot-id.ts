import { type ByteString, utf8 } from "@bootc-store/core";
import { Dir } from "@bootc-store/linux";

/** The kernel's name for this boot, by which staging directories are told apart from those that a crash has left. */
export function readBootId(): string {
  using dir = Dir.openHost(utf8("/proc/sys/kernel/random"));
  return dir
    .readFile("boot_id" as ByteString)
    .toString("latin1")
    .trim();
}
