export { type AtomicWriteOptions } from "./atomic-write.ts";
export {
  blockDeviceReadOnly,
  blockDeviceSize,
  type InodeFlag,
  inodeFlags,
  setInodeFlag,
} from "./calls/block.ts";
export { type LockKind, type LockMode } from "./calls/lock.ts";
export { type RenameMode } from "./calls/link.ts";
export { type TimeChange } from "./calls/metadata.ts";
export {
  type DeviceNumber,
  type FileAttribute,
  fileKey,
  type FileStat,
  type FileSystemStat,
  type FileType,
  fileTypeOf,
  hasAttribute,
  sameFile,
  type TimeSpec,
} from "./calls/stat.ts";
export { enableVerity, measureVerity, type VerityMeasurement, verifyMeasuredVerity } from "./calls/verity.ts";
export { type XattrMode } from "./calls/xattr.ts";
export { type FileHash, hashFile } from "./digest/hash-file.ts";
export { hashBytes, Hasher, type HashResults, type HashSpec, type HashSpecs } from "./digest/hasher.ts";
export { type FileHashResult, type FileToHash, hashFiles, type HashFilesInput } from "./digest/tasks.ts";
export { computeVerity, VerityHasher } from "./digest/verity/compute.ts";
export { VERITY_ALGORITHMS, type VerityAlgorithm, type VerityParams } from "./digest/verity/params.ts";
export { copyContent } from "./copy.ts";
export { Dir, type NodeType, type StatOptions } from "./dir.ts";
export { type EnsureDirOptions } from "./dir-names.ts";
export { type OpenFileOptions } from "./dir-open.ts";
export { type SyncPolicy } from "./durability.ts";
export { errnoName } from "./errno.ts";
export { linuxErrors } from "./errors.ts";
export { type Extent, readExtents, sharedBytes } from "./fiemap.ts";
export { type Access, File } from "./file.ts";
export { type DirEntry } from "./list.ts";
export { holderOf, type Lock, type LockOptions, type LockWaitOptions } from "./lock.ts";
export { LoopDevice, type LoopOptions } from "./loop.ts";
export {
  attachMount,
  changeMount,
  cloneMount,
  createMount,
  type MountChange,
  mountOn,
  type MountSpec,
  remount,
  unmount,
  unshareMounts,
} from "./mount.ts";
export { type MountInfo, parseMountInfo } from "./mountinfo.ts";
export { type MountAttribute, type Propagation } from "./calls/mount.ts";
export { type Capability, probe, type Probe } from "./probe.ts";
export { createPool, type MapOptions, type Pool, type PoolOptions, type RunOptions } from "./pool/pool.ts";
export { defineTask, type Task, type TaskContext } from "./pool/task.ts";
export { cloneFile, cloneOrCopy, type HowPlaced, placeContent, type PlaceOptions } from "./reflink.ts";
export { reflinksSupported } from "./reflink-probe.ts";
export { type Resolution, type ResolveOptions } from "./resolve.ts";
export { type CancelSignal, throwIfCancelled } from "./signal.ts";
export { copyDescriptor, type CopyInput, syncDescriptor, type SyncInput } from "./tasks.ts";
export { isTempName, type PublishOptions, TEMP_PREFIX, TempFile, type TempFileOptions } from "./temp-file.ts";
export { type WalkEntry, type WalkOptions } from "./walk.ts";
