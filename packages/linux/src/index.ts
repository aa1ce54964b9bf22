export { type AtomicWriteOptions } from "./atomic-write.ts";
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
export { type XattrMode } from "./calls/xattr.ts";
export { Dir, type NodeType, type OpenFileOptions, type StatOptions } from "./dir.ts";
export { type SyncPolicy } from "./durability.ts";
export { errnoName } from "./errno.ts";
export { linuxErrors } from "./errors.ts";
export { type Access, File } from "./file.ts";
export { type DirEntry } from "./list.ts";
export { type Resolution, type ResolveOptions } from "./resolve.ts";
export { isTempName, type PublishOptions, TEMP_PREFIX, TempFile, type TempFileOptions } from "./temp-file.ts";
export { type WalkEntry, type WalkOptions } from "./walk.ts";
