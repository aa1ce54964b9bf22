// `oci pull` and `oci copy`.

import type { Image } from "@bootc-store/backend";
import type { OpenedImage } from "@bootc-store/backend/command";
import { concatBytes, type Digest, isStoreError, printDigest } from "@bootc-store/core";
import type { ImageReference, ImageTransportSource, Manifest, OciImage } from "@bootc-store/oci";

import type { ErofsVersion } from "../../format/meta-json.ts";
import {
  attachBootImage,
  openImage,
  treeOfConfig,
  writeImage,
  type WriteImageOptions,
  type WrittenComposefsImage,
} from "../../oci/image.ts";
import { encodeImage } from "../../oci/erofs-image.ts";
import type { XattrMode } from "../../oci/transform.ts";
import type { Repository } from "../../repository/repository.ts";
import { computeVerity } from "@bootc-store/linux";
import { Failure, fail, messagesOf } from "./chain.ts";
import { documentStreamName } from "../../oci/documents.ts";
import { flushAndTag } from "./oci-images.ts";
import type { Command, Run } from "./run.ts";
import { imageNameOf, objectIdProblem, sizeText } from "./values.ts";

type How = Pick<WriteImageOptions, "clone" | "link">;

const SHARING: { readonly [fetch: string]: How | undefined } = {
  disabled: { clone: "never" },
  auto: { clone: "allow", link: true },
  zerocopy: { clone: "require", link: true },
};

export const pull: Command = async (run) => {
  await using repository = await run.open();
  const text = run.operand("IMAGE");
  const name = run.value("NAME") ?? text;
  const expected = run.value("expected-digest");
  const problem = expected === undefined ? undefined : objectIdProblem(expected, repository.algorithm);
  if (problem !== undefined) throw fail("Parsing --expected-digest", problem);
  const how = SHARING[run.value("local-fetch") ?? "disabled"] ?? {};
  await using source = await openPulled(run, text);
  const { image } = source;
  const written = await inContext(source.context, () =>
    writeImage(repository, image, {
      ...how,
      artifact: source.artifact,
      bootable: run.flag("bootable") && expected === undefined,
      signal: run.context.signal,
      pool: run.context.pool(),
      restPool: true,
    }),
  );
  flushAndTag(repository, name, documentStreamName("manifest", image.manifest.digest));
  await run.print(
    [
      `manifest ${printDigest(image.manifest.digest)}\n`,
      `config   ${printDigest(image.config.digest)}\n`,
      `verity   ${written.streams.manifest}\n`,
      `tagged   ${name}\n`,
      `objects  ${statistics(written)}\n`,
    ].join(""),
  );
  // As with cfsctl the image stays, and its tag, when no image for booting has the digest.
  if (expected !== undefined) {
    const { xattrs, version } = await expectedBoot(repository, image, expected);
    await run.print(`Boot image: ${expected} (xattr-mode=${xattrs}, format-version=V${version})\n`);
    return 0;
  }
  const id = written.erofs.boot.get(repository.imageFormats[0]);
  if (run.flag("bootable") && id !== undefined) await run.print(`Boot image: ${id}\n`);
  return 0;
};

/** Finds the mode and format in which the image for booting has this digest, and attaches that one. */
async function expectedBoot(
  repository: Repository,
  image: Image,
  expected: string,
): Promise<{ version: ErofsVersion; xattrs: XattrMode }> {
  for (const xattrs of ["allowlist-only", "keep-user-xattrs"] as const) {
    for (const version of [1, 2] as const) {
      const tree = await treeOfConfig(repository, image.config.digest, { bootable: true, xattrs });
      const { algorithm } = repository;
      const id = computeVerity(encodeImage(tree, version), { algorithm }).toString("hex");
      if (id !== expected) continue;
      await attachBootImage(repository, image, version, xattrs);
      return { version, xattrs };
    }
  }
  throw fail(
    `no combination of xattr mode and format version gives a boot image with the digest ${expected}`,
  );
}

function statistics({ content, inlined }: WrittenComposefsImage): string {
  const { reused, cloned, linked, copied } = content;
  const there = `${reused.files} already present objects`;
  if (cloned.files + linked.files === 0) {
    return `${copied.files} new + ${there}; ${sizeText(copied.bytes)} stored, ${sizeText(inlined)} inlined`;
  }
  const counts = [
    ...(cloned.files > 0 ? [`${cloned.files} reflinked`] : []),
    ...(linked.files > 0 ? [`${linked.files} hardlinked`] : []),
    `${copied.files} copied`,
    there,
  ];
  const sizes = [
    ...(cloned.files > 0 ? [`${sizeText(cloned.bytes)} reflinked`] : []),
    ...(linked.files > 0 ? [`${sizeText(linked.bytes)} hardlinked`] : []),
    `${sizeText(copied.bytes)} copied`,
    `${sizeText(inlined)} inlined`,
  ];
  return `${counts.join(" + ")}; ${sizes.join(", ")}`;
}

interface Pulled extends AsyncDisposable {
  readonly image: Image;
  readonly artifact: boolean;
  /** What its import is called in messages. */
  readonly context: readonly string[];
}

async function openPulled(run: Run, text: string): Promise<Pulled> {
  const colon = text.indexOf(":");
  if (colon < 0) throw fail("Parsing image reference transport", `Missing ':' in ${text}`);
  const transport = text.slice(0, colon);
  const rest = text.slice(colon + 1);
  if (transport === "containers-storage") return await openStored(run, rest);
  if (!TRANSPORTS.has(transport))
    throw fail("Parsing image reference transport", `Invalid transport: ${transport}`);
  const oci = await import("@bootc-store/oci");
  if (transport === "docker") {
    // As skopeo fetches for cfsctl: what the host's signature policy does not allow is not taken.
    const { source, allow } = await run.context.openImage(text);
    return await pulledFrom(source, [], allow);
  }
  if (transport !== "oci") {
    const source = await openPlace(run, oci.parseImageReference(text));
    return await pulledFrom(source, []);
  }
  // As cfsctl has it, a colon divides only behind the last slash.
  const at = rest.lastIndexOf(":");
  const tagged = at > rest.lastIndexOf("/");
  const path = tagged ? rest.slice(0, at) : rest;
  const importing = [`Importing OCI layout from ${path}`];
  try {
    run.context.openDir(path);
  } catch (error) {
    throw new Failure([...importing, `Opening OCI layout directory ${path}`, ...messagesOf(error)], {
      cause: error,
    });
  }
  const reference: ImageReference = {
    transport: "oci",
    path,
    ...(tagged ? { name: rest.slice(at + 1) } : {}),
  };
  try {
    const source = await openPlace(run, reference);
    return await pulledFrom(source, importing);
  } catch (error) {
    if (!isStoreError(error)) throw error;
    const missing = tagged && isStoreError(error, "oci/image-not-found");
    const messages = missing ? [`Tag '${rest.slice(at + 1)}' not found in image index`] : messagesOf(error);
    throw new Failure([...importing, "Resolving manifest for platform", ...messages], { cause: error });
  }
}

const TRANSPORTS = new Set(["oci", "oci-archive", "dir", "docker", "docker-archive"]);

async function openPlace(run: Run, reference: ImageReference): Promise<ImageTransportSource> {
  const { openImageSource } = await import("@bootc-store/oci");
  const { context } = run;
  const host = { root: context.openDir("/"), cwd: context.cwd };
  return await openImageSource(reference, { host, signal: context.signal });
}

async function pulledFrom(
  source: ImageTransportSource,
  context: readonly string[],
  allow?: OpenedImage["allow"],
): Promise<Pulled> {
  const oci = await import("@bootc-store/oci");
  try {
    const manifest = await oci.readImageManifest(source, allow === undefined ? {} : { allow });
    if (isContainer(manifest, oci.MEDIA_TYPES)) return containerOf(await oci.readImage(source), context);
    return await artifactOf(source, manifest, context);
  } catch (error) {
    await source[Symbol.asyncDispose]();
    throw error;
  }
}

function isContainer(
  { config }: Manifest,
  types: { readonly config: string; readonly dockerConfig: string },
): boolean {
  return config.mediaType === types.config || config.mediaType === types.dockerConfig;
}

function containerOf(image: OciImage, context: readonly string[]): Pulled {
  return {
    artifact: false,
    context,
    image: {
      manifest: image.manifest,
      config: image.config,
      layers: image.layers,
      openLayer: async (index, options) => {
        const layer = await image.openLayer(index, options);
        const { shipped } = layer;
        return {
          diffId: layer.diffId,
          segments: (more) => layer.segments(more),
          ...(shipped === undefined ? {} : { shipped }),
        };
      },
      async [Symbol.asyncDispose]() {},
    },
    [Symbol.asyncDispose]: () => image[Symbol.asyncDispose](),
  };
}

const MOST_CONFIG = 4 << 20;

/** An image that is none: each of its layers is a blob with its own digest. */
async function artifactOf(
  source: ImageTransportSource,
  manifest: Manifest,
  context: readonly string[],
): Promise<Pulled> {
  if (manifest.config.size > MOST_CONFIG) throw fail("the configuration of an artifact is too large");
  const chunks: Uint8Array[] = [];
  for await (const chunk of (await source.openBlob(manifest.config)).read()) chunks.push(chunk);
  const blobs = manifest.layers;
  return {
    artifact: true,
    context,
    image: {
      manifest: manifest.document,
      // Its digest is looked at when it is stored, as those of the blobs are.
      config: { ...manifest.config, bytes: concatBytes(chunks) },
      layers: blobs.map((blob) => ({ diffId: blob.digest, blob })),
      openLayer: async (index) => {
        const blob = blobs[index];
        if (blob === undefined) throw new RangeError(`no layer ${index}`);
        const content = await source.openBlob(blob);
        return {
          diffId: blob.digest,
          async *segments() {
            yield { kind: "content", content: { size: blob.size, read: () => content.read() } };
          },
        };
      },
      async [Symbol.asyncDispose]() {},
    },
    [Symbol.asyncDispose]: () => source[Symbol.asyncDispose](),
  };
}

async function openStored(run: Run, name: string): Promise<Pulled> {
  const store = await run.context.openSource("containers-storage", name);
  if (store === undefined) throw fail(`Failed to find image ${name} in any storage`);
  try {
    const image = await store.openImage(name);
    if (image === undefined) throw fail(`Failed to find image ${name} in any storage`);
    return {
      image,
      artifact: false,
      context: [],
      async [Symbol.asyncDispose]() {
        await image[Symbol.asyncDispose]();
        await store[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await store[Symbol.asyncDispose]();
    throw error;
  }
}

async function inContext<T>(context: readonly string[], work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new Failure([...context, ...messagesOf(error)], { cause: error });
  }
}

export const copy: Command = async (run) => {
  await using repository = await run.open();
  const text = run.operand("IMAGE");
  const from = run.value("from") ?? "";
  const name = run.value("name");
  await using other = await run.openAt(from);
  const wanted = imageNameOf(text);
  const image = await openImage(other, "digest" in wanted ? printDigest(wanted.digest) : wanted.tag);
  if (image === undefined) throw fail(`Inspect failed: NoSuchImage { image: ${JSON.stringify(text)} }`);
  await using _image = image;
  const written = await writeImage(repository, image, {
    clone: run.flag("zerocopy") ? "require" : "allow",
    link: run.flag("zerocopy"),
    signal: run.context.signal,
  });
  if (name !== undefined) {
    flushAndTag(repository, name, documentStreamName("manifest", image.manifest.digest));
  }
  const digest = (each: Digest): string => printDigest(each);
  await run.print(
    [
      `Copied image ${text} from ${from} to destination repo${name === undefined ? "" : `, tagged as ${name}`}\n`,
      `Manifest digest: ${digest(image.manifest.digest)}\n`,
      `Manifest verity: ${written.streams.manifest}\n`,
      `Config digest:   ${digest(image.config.digest)}\n`,
      `Config verity:   ${written.streams.config}\n`,
    ].join(""),
  );
  return 0;
};
