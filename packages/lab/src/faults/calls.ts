/**
 * The system calls that change a file system, with what the tracer needs to know of each: which arguments name files (`p` path,
 * `a` directory and path, `f` open file) and when it counts (`o` and `w` only when opening creates or cuts, `i` only
 * the ioctls that change a file). Numbers: x86-64, arm64; undefined where there is no such call.
 */
interface CallFacts {
  x64: number | undefined;
  arm64: number | undefined;
  shape: string;
}

const call = (x64: number | undefined, arm64: number | undefined, shape: string): CallFacts => ({
  x64,
  arm64,
  shape,
});

export const CHANGING_CALLS = {
  open: call(2, undefined, "o1+p0"),
  creat: call(85, undefined, "p0"),
  openat: call(257, 56, "o2+a0"),
  openat2: call(437, 437, "w2+a0"),
  write: call(1, 64, "f0"),
  pwrite64: call(18, 68, "f0"),
  writev: call(20, 66, "f0"),
  pwritev: call(296, 70, "f0"),
  pwritev2: call(328, 287, "f0"),
  sendfile: call(40, 71, "f0"),
  copy_file_range: call(326, 285, "f2"),
  splice: call(275, 76, "f2"),
  truncate: call(76, 45, "p0"),
  ftruncate: call(77, 46, "f0"),
  fallocate: call(285, 47, "f0"),
  ioctl: call(16, 29, "i1+f0"),
  mkdir: call(83, undefined, "p0"),
  mkdirat: call(258, 34, "a0"),
  mknod: call(133, undefined, "p0"),
  mknodat: call(259, 33, "a0"),
  link: call(86, undefined, "p0+p1"),
  linkat: call(265, 37, "a0+a2"),
  symlink: call(88, undefined, "p1"),
  symlinkat: call(266, 36, "a1"),
  rename: call(82, undefined, "p0+p1"),
  renameat: call(264, 38, "a0+a2"),
  renameat2: call(316, 276, "a0+a2"),
  unlink: call(87, undefined, "p0"),
  unlinkat: call(263, 35, "a0"),
  rmdir: call(84, undefined, "p0"),
  chmod: call(90, undefined, "p0"),
  fchmod: call(91, 52, "f0"),
  fchmodat: call(268, 53, "a0"),
  fchmodat2: call(452, 452, "a0"),
  chown: call(92, undefined, "p0"),
  lchown: call(94, undefined, "p0"),
  fchown: call(93, 55, "f0"),
  fchownat: call(260, 54, "a0"),
  utimensat: call(280, 88, "a0"),
  setxattr: call(188, 5, "p0"),
  lsetxattr: call(189, 6, "p0"),
  fsetxattr: call(190, 7, "f0"),
  setxattrat: call(463, 463, "a0"),
  removexattr: call(197, 14, "p0"),
  lremovexattr: call(198, 15, "p0"),
  fremovexattr: call(199, 16, "f0"),
  fsync: call(74, 82, "f0"),
  fdatasync: call(75, 83, "f0"),
  syncfs: call(306, 267, "f0"),
  sync_file_range: call(277, 84, "f0"),
} as const satisfies Record<string, CallFacts>;

export type ChangingCall = keyof typeof CHANGING_CALLS;

export const changingCalls = Object.keys(CHANGING_CALLS) as readonly ChangingCall[];

/** The tracer's table for these calls on this machine. */
export function shapes(names: readonly ChangingCall[], arch: string = process.arch): string {
  return names
    .map((name) => {
      const facts: CallFacts = CHANGING_CALLS[name];
      const number = arch === "arm64" ? facts.arm64 : facts.x64;
      return number === undefined ? undefined : `${name}=${number}:${facts.shape}`;
    })
    .filter((one) => one !== undefined)
    .join(",");
}
