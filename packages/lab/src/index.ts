export { type AptView, debianMirror, type Mirror } from "./apt.ts";
export { type CachePaths, cachePaths, defaultCache } from "./cache.ts";
export { LabError, type LabErrorCode, type LabErrorOptions } from "./errors.ts";
export {
  type Command,
  quoted,
  run,
  runSync,
  type RunOptions,
  type RunResult,
  succeed,
  succeedSync,
} from "./exec.ts";
export type { FileSystem, FileSystemOptions } from "./filesystems/filesystem.ts";
export {
  type FileSystemKind,
  fileSystemKinds,
  type FileSystemTrait,
  isFileSystemKind,
  type KindFacts,
  kinds,
} from "./filesystems/kinds.ts";
export { findProgram, isRoot } from "./host.ts";
export { Lab, type LabOptions, type Needs, openLab, type Scratch } from "./lab.ts";
export { type HeldLock, lock } from "./lock.ts";
export { type Mount, mounts, unmountBelow } from "./mounts.ts";
export { installPeers, type InstallOptions } from "./peers/install.ts";
export { isPeerName, type PeerName, peerNames } from "./peers/names.ts";
export { Peer } from "./peers/peer.ts";
export { type PeerStatus, peerStatus } from "./peers/status.ts";
export { cutFile, type Damage, flipByte } from "./faults/bytes.ts";
export { type ChangingCall, changingCalls } from "./faults/calls.ts";
export { type DiskFault, fullDisk, readOnlyDisk } from "./faults/disk.ts";
export { powerCut } from "./faults/power-cut.ts";
export {
  type CrashPointOptions,
  eachCrashPoint,
  type Errno,
  type FailedAt,
  failSyscall,
  type KilledAt,
  killAtSyscall,
  traceCalls,
  type Traced,
  type TracedCall,
  type WatchOptions,
} from "./faults/trace.ts";
export { secondWriter, type SecondWriter, type WriterTask } from "./faults/writer.ts";
export type { GuestFile } from "./vm/disk.ts";
export { installVirtualMachine, type KernelModule, type KernelRecord } from "./vm/kernel.ts";
export { type MachineResult, type MachineRun, VirtualMachine } from "./vm/machine.ts";
export { workspaceFiles } from "./vm/workspace.ts";
export { buildOciLayout, type OciLayout } from "./images/oci.ts";
export { isTreeName, type TreeName, type TreeRecipe, treeRecipes } from "./images/packages.ts";
export {
  isSyntheticName,
  makeSyntheticTree,
  SeededBytes,
  type SyntheticName,
  type SyntheticOptions,
  syntheticTrees,
} from "./images/synthetic.ts";
export { buildOsTree, count, findOsTree, type OsTree } from "./images/tree.ts";
export {
  compare,
  type Comparison,
  type ComparisonResult,
  type Contender,
  type Measured,
  spread,
  type Spread,
} from "./bench/bench.ts";
export { type Cost, measure } from "./bench/measure.ts";
export { machineLine, markdownTable } from "./bench/table.ts";
