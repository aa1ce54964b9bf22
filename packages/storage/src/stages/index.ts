// The way of an image through the three stores, as a table: the order is here, and everything that tells of it is derived
// from it.
//
// | stage | reads | writes | how content crosses |
// | --- | --- | --- | --- |
// | containers-storage | an OCI image from anywhere | layers and an image record | bytes, unpacked while they are hashed |
// | composefs | the layers as segments | splitstreams, objects, EROFS images | reflink, else copied |
// | ostree | the layers as segments | a commit for each layer and one of the merged tree | reflink, else copied; never linked, since one inode carries one label |

/** The stages in their order. */
export const STAGES = ["containers-storage", "composefs", "ostree"] as const;

export type StageName = (typeof STAGES)[number];
