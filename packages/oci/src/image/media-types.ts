// Media types of an image's parts, and what each of them means. The Docker types are twins of the OCI ones: same
// bytes, other names.

export const MEDIA_TYPES = {
  manifest: "application/vnd.oci.image.manifest.v1+json",
  index: "application/vnd.oci.image.index.v1+json",
  config: "application/vnd.oci.image.config.v1+json",
  empty: "application/vnd.oci.empty.v1+json",
  layer: "application/vnd.oci.image.layer.v1.tar",
  layerGzip: "application/vnd.oci.image.layer.v1.tar+gzip",
  layerZstd: "application/vnd.oci.image.layer.v1.tar+zstd",
  dockerManifest: "application/vnd.docker.distribution.manifest.v2+json",
  dockerIndex: "application/vnd.docker.distribution.manifest.list.v2+json",
  dockerConfig: "application/vnd.docker.container.image.v1+json",
  dockerLayer: "application/vnd.docker.image.rootfs.diff.tar",
  dockerLayerGzip: "application/vnd.docker.image.rootfs.diff.tar.gzip",
  dockerSchema1: "application/vnd.docker.distribution.manifest.v1+json",
  dockerSchema1Signed: "application/vnd.docker.distribution.manifest.v1+prettyjws",
  cosignSignature: "application/vnd.dev.cosign.simplesigning.v1+json",
} as const;

export type Compression = "none" | "gzip" | "zstd";

const OCI_LAYER = /^application\/vnd\.oci\.image\.layer\.(?:nondistributable\.)?v1\.tar(?:\+(gzip|zstd))?$/;
const DOCKER_LAYER = /^application\/vnd\.docker\.image\.rootfs\.(?:foreign\.)?diff\.tar(?:\.(gzip|zstd))?$/;

/** How a layer of this type is compressed; `undefined` if the type is none of a layer's. */
export function layerCompression(mediaType: string): Compression | undefined {
  const match = OCI_LAYER.exec(mediaType) ?? DOCKER_LAYER.exec(mediaType);
  if (match === null) return undefined;
  return (match[1] as Compression | undefined) ?? "none";
}

export type DocumentKind = "manifest" | "index";

/** Whether a type is that of a manifest or of an index, in either spelling. */
export function documentKind(mediaType: string): DocumentKind | undefined {
  switch (mediaType) {
    case MEDIA_TYPES.manifest:
    case MEDIA_TYPES.dockerManifest:
      return "manifest";
    case MEDIA_TYPES.index:
    case MEDIA_TYPES.dockerIndex:
      return "index";
    default:
      return undefined;
  }
}

/** The type without its parameters, in lower case; empty where it is none. */
export function essenceOf(contentType: string | undefined): string {
  const essence = (contentType ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
  return /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+$/.test(essence) ? essence : "";
}
