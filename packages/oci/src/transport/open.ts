// From a reference to the place it names.

import type { OperationOptions } from "@bootc-store/core";
import type { Dir, SyncPolicy } from "@bootc-store/linux";

import type { DecompressOptions } from "../decompress/decompress.ts";
import { ociErrors } from "../errors.ts";
import { type ImageReference, printImageReference } from "../reference/image-reference.ts";
import type { RegistryAccess } from "../registry/access.ts";
import { DockerSink, type DockerSinkOptions, DockerSource } from "../registry/docker-transport.ts";
import { openArchive } from "./archive/archive-file.ts";
import { DockerArchiveSink } from "./archive/docker-archive-sink.ts";
import { DockerArchiveSource } from "./archive/docker-archive-source.ts";
import { OciArchiveSink } from "./archive/oci-archive-sink.ts";
import type { TarIndex } from "./archive/tar-index.ts";
import { DirSink, DirSource } from "./dir-transport.ts";
import { DirStore } from "./file-store.ts";
import {
  ensureHostDir,
  type Host,
  openHostDir,
  openHostDirOptional,
  openHostFile,
  openHostParent,
} from "./host.ts";
import { LayoutSink } from "./layout/layout-sink.ts";
import { LayoutSource } from "./layout/layout-source.ts";
import type { ImageTransportSink, ImageTransportSource } from "./port.ts";

export interface OpenImageOptions extends OperationOptions, DecompressOptions {
  readonly host: Host;
  /** How registries are got at; without it `docker:` cannot be opened. */
  readonly registries?: RegistryAccess;
  /** Where compressed archives are unpacked meanwhile; their own directory unless given. */
  readonly scratch?: Dir;
}

export interface OpenSinkOptions extends OpenImageOptions, DockerSinkOptions {
  /** What is synced before the image becomes visible. Default `data-and-directories`. */
  readonly sync?: SyncPolicy;
}

/** Opens the image that a reference names. The caller disposes of it. Throws `oci/transport-unknown`. */
export async function openImageSource(
  reference: ImageReference,
  options: OpenImageOptions,
): Promise<ImageTransportSource> {
  const { host } = options;
  switch (reference.transport) {
    case "docker":
      if (reference.unknownDigest === true) throw unknown(reference, "read");
      return await DockerSource.open(reference.reference, registriesOf(reference, options), options);
    case "oci": {
      const dir = openHostDirOptional(host, reference.path);
      if (dir === undefined) throw noLayout(reference, host);
      return await handOver(dir, () =>
        LayoutSource.open(new DirStore(dir, `oci:${reference.path}`), reference),
      );
    }
    case "dir": {
      const dir = openHostDir(host, reference.path);
      return await handOver(dir, async () => new DirSource(dir, `dir:${reference.path}`));
    }
    case "oci-archive": {
      const archive = await openTar(reference, options);
      return await handOver(archive, () => LayoutSource.open(archive, reference));
    }
    case "docker-archive": {
      const archive = await openTar(reference, options);
      return await handOver(archive, () => DockerArchiveSource.open(archive, reference, options));
    }
    default:
      throw unknown(reference, "read");
  }
}

/** Opens the place that a reference names, to write one image into it. The caller disposes of it. */
export async function openImageSink(
  reference: ImageReference,
  options: OpenSinkOptions,
): Promise<ImageTransportSink> {
  const { host, sync = "data-and-directories" } = options;
  switch (reference.transport) {
    case "docker": {
      const access = registriesOf(reference, options);
      return await DockerSink.open(reference.reference, reference.unknownDigest === true, access, options);
    }
    case "oci": {
      if (reference.index !== undefined) {
        throw ociErrors.error(
          "reference-invalid",
          `${printImageReference(reference)}: a number cannot be written to`,
        );
      }
      return new LayoutSink(ensureHostDir(host, reference.path), reference.name, sync);
    }
    case "dir": {
      const dir = ensureHostDir(host, reference.path);
      return await handOver(dir, async () => new DirSink(dir, `dir:${reference.path}`, sync));
    }
    case "oci-archive": {
      const { dir, name } = openHostParent(host, reference.path);
      return await handOver(dir, async () => new OciArchiveSink(dir, name, reference.name, sync));
    }
    case "docker-archive": {
      const { dir, name } = openHostParent(host, reference.path);
      return await handOver(
        dir,
        async () => new DockerArchiveSink(dir, name, reference.reference, sync, options),
      );
    }
    default:
      throw unknown(reference, "written to");
  }
}

function registriesOf(reference: ImageReference, { registries }: OpenImageOptions): RegistryAccess {
  if (registries === undefined) throw unknown(reference, "reached");
  return registries;
}

async function openTar(
  reference: { readonly transport: string; readonly path: string },
  options: OpenImageOptions,
): Promise<TarIndex> {
  const { host, scratch, signal } = options;
  const label = `${reference.transport}:${reference.path}`;
  const file = openHostFile(host, reference.path, "any");
  using beside = scratch === undefined ? openHostParent(host, reference.path).dir : undefined;
  return await openArchive(file, label, {
    ...options,
    scratch: scratch ?? (beside as Dir),
    ...(signal === undefined ? {} : { signal }),
  });
}

/** Closes what was opened if what was to take it over is not made. */
async function handOver<T>(resource: Disposable | AsyncDisposable, make: () => Promise<T>): Promise<T> {
  try {
    return await make();
  } catch (error) {
    if (Symbol.asyncDispose in resource) await resource[Symbol.asyncDispose]();
    else resource[Symbol.dispose]();
    throw error;
  }
}

/** composefs-rs splits at the last colon; whoever has such a path in mind is told so. */
function noLayout(reference: ImageReference & { readonly transport: "oci" }, host: Host): Error {
  const printed = printImageReference(reference);
  const whole = printed.slice("oci:".length);
  const colon = whole.lastIndexOf(":");
  const other = colon < 0 || whole.slice(0, colon) === reference.path ? undefined : whole.slice(0, colon);
  const paths = [whole, ...(other === undefined ? [] : [other])];
  const there = paths.find((path) => {
    using dir = openHostDirOptional(host, path);
    return dir !== undefined;
  });
  return ociErrors.error(
    "image-not-found",
    `${printed}: there is no directory "${reference.path}"`,
    there === undefined || there === reference.path
      ? {}
      : { hint: `There is "${there}", but a path of oci: ends at its first colon.` },
  );
}

function unknown(reference: ImageReference, what: string): Error {
  return ociErrors.error(
    "transport-unknown",
    `${printImageReference(reference)}: this cannot be ${what} here`,
  );
}
