import { LabError } from "../errors.ts";
import { succeed } from "../exec.ts";
import type { FileSystem } from "../filesystems/filesystem.ts";
import { requireProgram } from "../host.ts";

/** `EXT4_IOC_SHUTDOWN` and `XFS_IOC_GOINGDOWN` are one number: _IOR('X', 125, __u32). */
const SHUTDOWN = 0x8004587d;

/** Without writing the journal out (EXT4_GOING_FLAGS_NOLOGFLUSH, XFS_FSOP_GOING_FLAGS_NOLOGFLUSH). */
const NO_FLUSH = 2;

/**
 * Cuts the power of a mounted ext4 or XFS: what was not synced is lost, the journal is replayed, and the file system is mounted
 * again at the same path. Nobody may hold a file of it: end the program first. SIGKILL alone loses nothing: what a program
 * wrote stays in the page cache.
 */
export async function powerCut(fs: FileSystem): Promise<void> {
  if (fs.type !== "ext4" && fs.type !== "xfs")
    throw new LabError("lab/bad-argument", `the power of ${fs.kind} cannot be cut`, {
      context: { kind: fs.kind },
      hint: "ext4 and xfs can be shut down",
    });
  const perl = requireProgram("perl", "perl-base");
  const script =
    'open my $d, "<", $ARGV[0] or die "$!\\n"; ioctl $d, $ARGV[1], pack "L", $ARGV[2] or die "$!\\n"';
  // Perl opens directories too: only reading from them is refused.
  await succeed([perl, "-e", script, fs.path, String(SHUTDOWN), String(NO_FLUSH)]);
  await fs.cycle();
}
