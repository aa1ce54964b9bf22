/** How an image is named in bootc's status. */
export interface ImageReference {
  readonly image: string;
  readonly transport: string;
  readonly signature?: "insecure" | "containerPolicy" | { readonly ostreeRemote: string };
}

/** What bootc's status says of an image. */
export interface ImageStatus {
  readonly image: ImageReference;
  readonly version: string | null;
  /** RFC 3339, UTC. */
  readonly timestamp: string | null;
  readonly imageDigest: string;
  /** In OCI's words: `amd64`, `arm64`. */
  readonly architecture: string;
}

/** A deployment's image, and the update that was seen for it last. */
export interface CachedImageStatus {
  readonly image?: ImageStatus;
  readonly cachedUpdate?: ImageStatus;
}
