/** Which program's image is wanted: they differ in corners that decide the digest. */
export interface WriterRules {
  readonly name: string;
  /** At most so many shared attributes of one inode; the others are written in full. */
  readonly sharedLimit: number;
  /** Whether an attribute that is added takes the place of one that is there. */
  readonly replacesXattrs: boolean;
  /** Whether a whiteout of the root that looks like one of those that hide the object store is taken for one. */
  readonly recognisesStubs: boolean;
  /** Whether the least time is found among signed seconds. */
  readonly signedTimes: boolean;
  /** Whether a size that was recorded for a device or pipe makes its inode a large one. */
  readonly sizeOfDevices: boolean;
  /** Whether any name that begins with that of an access control list is one. */
  readonly aclByPrefix: boolean;
  /** Files of more chunks are refused. */
  readonly chunkLimit: number;
  /** Whether a whiteout may have several names. */
  readonly hardlinkedWhiteouts: boolean;
}

/** The C library, libcomposefs 1.0.8. Formats 0 and 1. */
export const cWriter: WriterRules = Object.freeze({
  name: "c",
  sharedLimit: 128,
  replacesXattrs: true,
  recognisesStubs: false,
  signedTimes: true,
  sizeOfDevices: true,
  aclByPrefix: false,
  chunkLimit: 1024,
  hardlinkedWhiteouts: true,
});

/** composefs-rs 0.9. Formats 0, 1 and 2. */
export const composefsRsWriter: WriterRules = Object.freeze({
  name: "composefs-rs",
  sharedLimit: Number.MAX_SAFE_INTEGER,
  replacesXattrs: false,
  recognisesStubs: true,
  signedTimes: false,
  sizeOfDevices: false,
  aclByPrefix: true,
  chunkLimit: Number.MAX_SAFE_INTEGER,
  hardlinkedWhiteouts: false,
});
