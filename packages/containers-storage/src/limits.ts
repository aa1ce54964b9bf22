/** How many lower layers overlay takes, as the real library counts them. */
export const MAX_LOWERS = 500;

/** Bytes of an index file. podman's largest known stores have some 10 MB. */
export const INDEX_LIMIT = 256 << 20;

/** Bytes of a manifest, config or other big data item that is read into memory. */
export const BIG_DATA_LIMIT = 64 << 20;

/** Bytes of one line of a tar-split: the headers of one entry in base64, whose own limit is 1 MiB in a tar. */
export const TAR_SPLIT_LINE_LIMIT = 4 << 20;

/** Bytes of a `lower`, `lower-layers` or `link` file. */
export const LOWER_LIMIT = 1 << 20;
