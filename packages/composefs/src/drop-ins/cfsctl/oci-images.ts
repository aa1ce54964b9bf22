// Tagged images: finding, listing, showing, tagging, checking.

import { type Digest, displayName, isStoreError, parseDigest, printDigest, utf8 } from "@bootc-store/core";
import { MEDIA_TYPES } from "@bootc-store/oci";

import type { ErofsVersion } from "../../format/meta-json.ts";
import {
  documentStreamName,
  digestOfStreamName,
  imageReference,
  readDocument,
  type StoredDocument,
} from "../../oci/documents.ts";
import { layerStreamName } from "../../oci/layer.ts";
import { objectLink, objectOfLink } from "../../objects/names.ts";
import type { Repository } from "../../repository/repository.ts";
import { CONTENT_TYPES } from "../../splitstream/layout.ts";
import { listRefs, listObjectLinks, readRef, removeRef, writeRef } from "../../streams/links.ts";
import { listTags, readTag } from "../../streams/tags.ts";
import { checkRepository, type Report, reportText } from "./check.ts";
import { Failure, fail, messagesOf } from "./chain.ts";
import type { Command } from "./run.ts";
import { checkObject, openNamed, openObject } from "./streams.ts";
import { printTable } from "./table.ts";
import { type ImageName, imageNameOf, objectIdProblem } from "./values.ts";

/** Fields of a manifest that are shown. */
export interface ManifestFields {
  readonly config?: { readonly mediaType?: string; readonly digest?: string };
  readonly layers?: readonly { readonly digest?: string }[];
}

interface ConfigFields {
  readonly architecture?: string;
  readonly os?: string;
  readonly created?: string;
  readonly rootfs?: { readonly diff_ids?: readonly string[] };
}

/** Digest of the manifest that a tag leads to. */
export function manifestOfTag(repository: Repository, tag: string): Digest {
  const stream = tagStream(repository, tag);
  if (stream === undefined) throw fail(`OCI reference not found: ${tag}`);
  const digest = digestOfStreamName("manifest", stream);
  if (digest === undefined) throw fail(`Invalid manifest reference: ${stream}`);
  return digest;
}

function tagStream(repository: Repository, tag: string): string | undefined {
  try {
    return readTag(repository, tag);
  } catch (error) {
    if (isStoreError(error, "composefs/stream-name-invalid")) return undefined;
    throw error;
  }
}

/** A document by its digest, checked; told of as cfsctl does where it is not there. */
export async function document(
  repository: Repository,
  kind: "manifest" | "config",
  digest: Digest,
  id?: string,
): Promise<StoredDocument> {
  const name = documentStreamName(kind, digest);
  using stream =
    id === undefined ? await openNamed(repository, name) : await openObject(repository, name, id);
  if (stream.tables.contentType !== CONTENT_TYPES[kind]) {
    throw fail(
      `Opening stream '${name}'`,
      "Creating new splitstream reader",
      "Invalid splitstream content type",
    );
  }
  for (const object of stream.tables.objects) {
    checkObject(repository, object, [`Reading object ${repository.algorithm}:${object} into memory`]);
  }
  return await readDocument(repository, kind, digest, stream.id);
}

export interface FoundImage {
  readonly manifest: StoredDocument;
  readonly config: StoredDocument;
  readonly manifestFields: ManifestFields;
  readonly container: boolean;
}

export async function findImage(repository: Repository, name: ImageName): Promise<FoundImage> {
  const digest = "digest" in name ? name.digest : manifestOfTag(repository, name.tag);
  return await imageOfManifest(repository, digest);
}

async function imageOfManifest(repository: Repository, digest: Digest): Promise<FoundImage> {
  const manifest = await document(repository, "manifest", digest);
  const manifestFields = JSON.parse(textOf(manifest)) as ManifestFields;
  const config = await configDocument(repository, manifest, manifestFields);
  const { mediaType } = manifestFields.config ?? {};
  return {
    manifest,
    config,
    manifestFields,
    container: mediaType === MEDIA_TYPES.config || mediaType === MEDIA_TYPES.dockerConfig,
  };
}

/** The configuration in the form in which the manifest keeps it. */
async function configDocument(
  repository: Repository,
  manifest: StoredDocument,
  { config }: ManifestFields,
): Promise<StoredDocument> {
  const digest = parseDigest(config?.digest ?? "");
  return await document(
    repository,
    "config",
    digest,
    manifest.references.get(`config:${printDigest(digest)}`),
  );
}

function textOf({ bytes }: StoredDocument): string {
  return Buffer.from(bytes).toString("utf8");
}

/** The configuration that dump and compute-id work on: of a tag's image, or directly by its digest and the id of its stream. */
export async function configOf(
  repository: Repository,
  text: string,
  verity: string | undefined,
): Promise<Digest> {
  const name = imageNameOf(text);
  let config: StoredDocument;
  if ("tag" in name) {
    ({ config } = await findImage(repository, name));
  } else {
    const problem = verity === undefined ? undefined : objectIdProblem(verity, repository.algorithm);
    if (problem !== undefined) throw fail(problem);
    config = await document(repository, "config", name.digest, verity);
  }
  const fields = JSON.parse(textOf(config)) as ConfigFields;
  for (const key of ["architecture", "os", "rootfs"] as const) {
    if (fields[key] === undefined) {
      throw fail("serde failed", `missing field \`${key}\` at line 1 column ${config.bytes.length}`);
    }
  }
  return config.digest;
}

export const images: Command = async (run) => {
  await using repository = await run.open();
  const found = [];
  for (const { name, stream } of tags(repository)) {
    try {
      const digest = digestOfStreamName("manifest", stream);
      if (digest === undefined) continue;
      found.push({ name, digest, ...(await imageOfManifest(repository, digest)) });
    } catch (error) {
      // One that cannot be read is left to fsck.
      if (!(error instanceof Failure) && !isStoreError(error)) throw error;
    }
  }
  const list = found.map(({ name, digest, manifestFields, config, container }) => {
    const fields = container ? (JSON.parse(textOf(config)) as ConfigFields) : {};
    return {
      name,
      manifest_digest: printDigest(digest),
      is_container: container,
      architecture: fields.architecture ?? "",
      os: fields.os ?? "",
      created: fields.created ?? null,
      layer_count: manifestFields.layers?.length ?? 0,
      referrer_count: referrers(repository, digest).length,
    };
  });
  if (run.flag("json")) await run.printJson({ images: list });
  else if (list.length === 0) await run.print("No images found\n");
  else {
    const rows = list.map((each) => [
      each.name,
      each.manifest_digest.replace(/^[^:]*:/, "").slice(0, 12),
      each.is_container ? each.architecture : "artifact",
      String(each.layer_count),
      String(each.referrer_count),
    ]);
    await run.print(printTable(["NAME", "DIGEST", "ARCH", "LAYERS", "REFS"], rows));
  }
  return 0;
};

function tags(repository: Repository): { name: string; stream: string }[] {
  return listTags(repository).map(({ name, stream }) => ({ name: fromBytes(name), stream }));
}

/** Tags of manifests; one of anything else is none. */
function manifestTags(repository: Repository): string[] {
  return tags(repository).flatMap(({ name, stream }) => (stream.startsWith("oci-manifest-") ? [name] : []));
}

/** Names come as bytes; what is printed is text. */
function fromBytes(name: string): string {
  return Buffer.from(name, "latin1").toString("utf8");
}

/** Digests of artifacts that say something about a manifest. */
function referrers(repository: Repository, digest: Digest): string[] {
  const prefix = `oci-referrers/${printDigest(digest)}/`;
  return listRefs(repository, "streams").flatMap(({ path }) =>
    path.startsWith(prefix) ? [displayName(path.slice(prefix.length) as typeof path)] : [],
  );
}

export const inspect: Command = async (run) => {
  await using repository = await run.open();
  const image = await findImage(repository, imageNameOf(run.operand("IMAGE")));
  const { manifest, config } = image;
  if (run.flag("manifest") || run.flag("config")) {
    await run.context.writeOut(run.flag("manifest") ? manifest.bytes : config.bytes);
    await run.print("\n");
    return 0;
  }
  const erofs = (boot: boolean): string | null =>
    config.references.get(imageReference(repository.imageFormats[0], boot)) ?? null;
  await run.printJson({
    manifest: textOf(manifest),
    config: textOf(config),
    referrers: referrers(repository, manifest.digest).map((digest) => ({ digest })),
    composefs_erofs: erofs(false),
    composefs_boot_erofs: erofs(true),
  });
  return 0;
};

export const tag: Command = async (run) => {
  await using repository = await run.open();
  const digest = run.operand("MANIFEST_DIGEST");
  const name = run.operand("NAME");
  if (name.startsWith("@"))
    throw fail(`Invalid ref name ${JSON.stringify(name)}: leading '@' is reserved for digest references`);
  writeTagUnchecked(repository, name, `oci-manifest-${digest}`);
  await run.print(`Tagged ${digest} as ${name}\n`);
  return 0;
};

/** Names what was written before, which is on the disk before its name is. */
export function flushAndTag(repository: Repository, name: string, stream: string): void {
  if (readRef(repository, "streams", tagPath(name)) !== stream) {
    repository.flush();
    writeTagUnchecked(repository, name, stream);
  }
  repository.flush();
}

/** As cfsctl does it: also onto a manifest that is not there, and under a name that cannot be looked up again. */
function writeTagUnchecked(repository: Repository, name: string, stream: string): void {
  const path = tagPath(name);
  try {
    writeRef(repository, "streams", path, stream);
  } catch (error) {
    if (!isStoreError(error, "composefs/stream-name-invalid")) throw error;
    throw fail(
      `Naming stream '${stream}' as '${path}'`,
      `Creating symlink from "streams/refs/${path}" to "streams/${stream}"`,
      "Invalid argument (os error 22)",
    );
  }
}

function tagPath(name: string): string {
  return `oci/${name.replaceAll("%", "%25").replaceAll("/", "%2F")}`;
}

export const untag: Command = async (run) => {
  await using repository = await run.open();
  const name = run.operand("NAME");
  const failed = `Failed to remove tag ${name}`;
  if (name === "" || name === "." || name === "..") throw fail(failed, "Is a directory (os error 21)");
  try {
    if (!removeRef(repository, "streams", tagPath(name)))
      throw fail("No such file or directory (os error 2)");
  } catch (error) {
    throw new Failure([failed, ...messagesOf(error)], { cause: error });
  }
  await run.print(`Removed tag ${name}\n`);
  return 0;
};

/** EROFS images that a configuration keeps, in the order of the formats. */
export const linkedErofsImages: Command = async (run) => {
  await using repository = await run.open();
  const id = run.operand("VERITY");
  const problem = objectIdProblem(id, repository.algorithm);
  if (problem !== undefined) throw fail(problem);
  for (const { name } of listObjectLinks(repository, "streams")) {
    const digest = digestOfStreamName("config", name);
    if (digest === undefined) continue;
    const { references } = await document(repository, "config", digest);
    const linked = [...references].flatMap(([key, image]) => linkedImage(key, image) ?? []);
    if (!linked.some((each) => each.id === id)) continue;
    linked.sort((a, b) => Number(a.bootable) - Number(b.bootable) || b.version - a.version);
    await run.printJson(linked);
    return 0;
  }
  throw fail(`image not found: ${id}`);
};

interface LinkedImage {
  readonly id: string;
  readonly bootable: boolean;
  readonly version: ErofsVersion;
  readonly xattrMode: string | null;
}

function linkedImage(key: string, id: string): LinkedImage | undefined {
  const match = /^composefs\.image(\.boot)?(?:\.v([01]))?(?:\.xattrs=(.+))?$/.exec(key);
  if (match === null) return undefined;
  const [, boot, version, mode] = match;
  const bootable = boot !== undefined;
  return {
    id,
    bootable,
    version: version === undefined ? 2 : version === "1" ? 1 : 0,
    xattrMode: bootable ? (mode ?? "allowlist-only") : null,
  };
}

/** What `oci fsck --json` prints. */
interface OciReport {
  ok: boolean;
  images_checked: number;
  images_corrupted: number;
  errors: string[];
  repo: Report;
}

export const ociFsck: Command = async (run) => {
  await using repository = await run.open();
  const repo = await checkRepository(run, repository, false);
  const report: OciReport = { ok: true, images_checked: 0, images_corrupted: 0, errors: [], repo };
  const only = run.value("IMAGE");
  const names = only === undefined ? manifestTags(repository) : [only];
  for (const name of names) {
    const errors = await checkTag(repository, name);
    report.images_checked++;
    if (errors.length > 0) report.images_corrupted++;
    report.errors.push(...errors.map((each) => `fsck: ${each}`));
  }
  report.ok = repo.ok && report.errors.length === 0;
  if (run.flag("json")) {
    await run.printJson(report);
    return 0;
  }
  const good = report.images_checked - report.images_corrupted;
  await run.print(
    [
      reportText(repo),
      `oci images: ${good}/${report.images_checked} ok\n`,
      report.errors.length === 0 ? "" : `oci errors: ${report.errors.length}\n`,
      ...report.errors.map((each) => `  - ${each}\n`),
    ].join(""),
  );
  if (!report.ok) throw fail("OCI integrity check failed");
  return 0;
};

async function checkTag(repository: Repository, name: string): Promise<string[]> {
  if (name.startsWith("@"))
    return [`invalid-ref-name: ${name}: leading '@' is reserved for digest references`];
  let digest: Digest;
  try {
    digest = manifestOfTag(repository, name);
  } catch (error) {
    return [`ref-resolve-failed: ${name}: ${messagesOf(error)[0] ?? ""}`];
  }
  let manifest: StoredDocument;
  try {
    manifest = await document(repository, "manifest", digest);
  } catch (error) {
    return [documentProblem(error, "manifest", name)];
  }
  const fields = JSON.parse(textOf(manifest)) as ManifestFields;
  let config: StoredDocument;
  try {
    config = await configDocument(repository, manifest, fields);
  } catch (error) {
    return [documentProblem(error, "config", name)];
  }
  const { mediaType } = fields.config ?? {};
  if (mediaType !== MEDIA_TYPES.config) {
    return (fields.layers ?? []).flatMap(({ digest: layer = "" }) =>
      manifest.references.has(layer) ? [] : [`artifact-layer-ref-missing: ${name}: ${layer}`],
    );
  }
  const diffIds = (JSON.parse(textOf(config)) as ConfigFields).rootfs?.diff_ids ?? [];
  return diffIds.flatMap((diffId) => checkLayer(repository, name, diffId));
}

function documentProblem(error: unknown, kind: "manifest" | "config", name: string): string {
  if (isStoreError(error, "composefs/digest-mismatch")) {
    const found = /has the digest (\S+)/.exec(error.message)?.[1] ?? "";
    return `${kind}-digest-mismatch: ${name}: expected ${String(error.context.digest)}, got ${found}`;
  }
  return `${kind}-read-failed: ${name}: ${messagesOf(error)[0] ?? ""}`;
}

/** Whether the layer's stream is there; what is in it the check of the repository has seen. */
function checkLayer(repository: Repository, name: string, diffId: string): string[] {
  const stream = layerStreamName(parseDigest(diffId));
  const target = repository.dir.readLinkOptional(utf8(`streams/${stream}`));
  const id = target === undefined ? undefined : objectOfLink(target, repository.algorithm);
  if (target !== undefined && (id === undefined || target !== objectLink(id)))
    return [`layer-check-failed: ${name}: ${diffId}: Checking if stream '${stream}' exists`];
  if (id === undefined) return [`layer-stream-missing: ${name}: ${diffId}`];
  if (repository.objects.has(id)) return [];
  return [`layer-object-missing: ${name}: ${diffId}: Opening object ${repository.algorithm}:${id}`];
}
