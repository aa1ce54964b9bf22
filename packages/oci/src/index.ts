export {
  type CopiedBlob,
  copyImage,
  type CopyImageOptions,
  type CopyImageResult,
  type CopyProgress,
} from "./copy/copy-image.ts";
export { decompress, type DecompressOptions, sniffCompression } from "./decompress/decompress.ts";
export { DECOMPRESS_LIMITS, type DecompressLimits } from "./decompress/limits.ts";
export { ociErrors } from "./errors.ts";
export { type CredentialHelper, type CredentialOptions, findCredential } from "./host-config/auth-file.ts";
export { loadCerts } from "./host-config/certs.ts";
export { type HostEnvironment } from "./host-config/environment.ts";
export {
  type Endpoint,
  endpointsFor,
  loadRegistriesConf,
  type Mirror,
  parseRegistriesConf,
  type RegistriesConf,
  type RegistryRule,
  resolveShortName,
} from "./host-config/registries-conf.ts";
export { chainIds, type HistoryEntry, type ImageConfig, parseConfig } from "./image/config.ts";
export {
  describeBytes,
  type Descriptor,
  embeddedData,
  type ExactDocument,
  exactDocument,
  type Platform,
} from "./image/descriptor.ts";
export {
  type OciImage,
  type OciLayer,
  type ReadLayerOptions,
  readImage,
  readImageManifest,
  type ReadImageOptions,
} from "./image/image.ts";
export {
  DOCUMENT_LIMIT,
  type ImageIndex,
  type Manifest,
  parseManifest,
  type ParseManifestOptions,
} from "./image/manifest.ts";
export {
  type Compression,
  documentKind,
  type DocumentKind,
  layerCompression,
  MEDIA_TYPES,
} from "./image/media-types.ts";
export {
  choosePlatform,
  type ChoosePlatformOptions,
  hostPlatform,
  parsePlatform,
  printPlatform,
} from "./image/platform.ts";
export { type JsonObject, type JsonValue, parseJson, type ParseJsonOptions } from "./json/parse.ts";
export { checkPolicy, policyCheck, type PolicyCheckOptions, requirementsFor } from "./policy/check.ts";
export {
  acceptsAnythingByDefault,
  type KeySource,
  loadPolicy,
  parsePolicy,
  type PolicyRequirement,
  type SignaturePolicy,
  type SignedIdentity,
} from "./policy/policy.ts";
export {
  loadRegistriesD,
  type RegistriesD,
  signaturePlaces,
  type SignaturePlaces,
} from "./policy/registries-d.ts";
export { type SigstoreSignature, verifySigstoreSignature } from "./policy/sigstore.ts";
export { type VerifiedSimpleSignature, verifySimpleSignature } from "./policy/simple-signing.ts";
export {
  type DockerReference,
  parseDockerReference,
  printDockerReference,
  printFamiliarReference,
  repositoryOf,
  withDefaultTag,
} from "./reference/docker-reference.ts";
export {
  type ImageReference,
  type ImageSelector,
  parseImageReference,
  printImageReference,
  type TransportName,
} from "./reference/image-reference.ts";
export {
  type BootcImageReference,
  type BootcTransport,
  imageReferenceOf,
  type OstreeImageReference,
  parseBootcReference,
  parseOstreeReference,
  printBootcReference,
  printOstreeReference,
  type SignatureSource,
} from "./reference/ostree-reference.ts";
export { peekBytes } from "./peek.ts";
export { RegistryAccess, type RegistryAccessOptions } from "./registry/access.ts";
export { type Challenge, parseChallenges } from "./registry/challenge.ts";
export { RegistryClient, type RegistryClientOptions, type RegistryRequest } from "./registry/client.ts";
export { Credential } from "./registry/credential.ts";
export { DockerSink, type DockerSinkOptions, DockerSource } from "./registry/docker-transport.ts";
export { type HttpOptions, type HttpRequest, type HttpResponse, type TlsOptions } from "./registry/http.ts";
export { Proxies } from "./registry/proxy.ts";
export { parseRetryAfter, type RetryOptions } from "./registry/retry.ts";
export { uploadBlob, uploadManifest, type UploadOptions } from "./registry/upload.ts";
export { type SparsePiece, type TarEntry, type TarEntryType, type TarFormat } from "./tar/entry.ts";
export {
  type FilePlace,
  layerEntries,
  type LayerEntriesOptions,
  tarContentKey,
} from "./tar/layer-entries.ts";
export { TAR_LIMITS, type TarLimits } from "./tar/limits.ts";
export { type TarEvents, TarParser } from "./tar/parser.ts";
export { readSegments, readTar, type ReadTarOptions, type TarItem } from "./tar/reader.ts";
export {
  type ContentFile,
  type ContentSegment,
  type InlineSegment,
  segmentBytes,
  type SegmentContent,
  type TarSegment,
} from "./tar/segments.ts";
export { segmentItems } from "./tar/segment-items.ts";
export { fileContent } from "./tar/sparse-content.ts";
export {
  encodeTarEntry,
  TAR_END,
  type TarEntryInit,
  type TarEntryToWrite,
  tarPadding,
  writeTar,
  type WriteTarOptions,
} from "./tar/writer.ts";
export { type Host } from "./transport/host.ts";
export {
  openImageSink,
  openImageSource,
  type OpenImageOptions,
  type OpenSinkOptions,
} from "./transport/open.ts";
export {
  type BlobContent,
  type BlobRole,
  type HowWritten,
  type ImageTransportSink,
  type ImageTransportSource,
} from "./transport/port.ts";
export { isEstargz, readEstargzFooter, readEstargzToc } from "./toc/estargz.ts";
export {
  checkTocEntries,
  parseToc,
  type Toc,
  type TocChunk,
  type TocEntry,
  type TocEntryType,
} from "./toc/toc.ts";
export {
  type ChunkedPositions,
  isZstdChunked,
  type Position,
  type ReadRange,
  readZstdChunkedFooter,
  readZstdChunkedToc,
  tarSplitEntries,
} from "./toc/zstd-chunked.ts";
