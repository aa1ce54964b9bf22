import { type ByteString, utf8 } from "@bootc-store/core";
import { KeyFile } from "@bootc-store/core/codec";
import type { Dir } from "@bootc-store/linux";
import { COMPOSEFS, COMPOSEFS_ID, COMPOSEFS_MODE, COMPOSEFS_STATE, LAYOUT, ORIGIN } from "@bootc-store/paths";

import { isRecord, type Probe, shown, stringsOf } from "./probe.ts";
import type { ComposefsDeploymentReport, ComposefsReport } from "./report.ts";

const NO_FEATURES: ComposefsReport["features"] = { compatible: [], readOnlyCompatible: [], incompatible: [] };

/** Digits of an object's name below its two-digit directory, by algorithm. */
const ALGORITHM_BY_NAME_LENGTH = new Map([
  [62, "fsverity-sha256-12"],
  [126, "fsverity-sha512-12"],
]);

export function probeComposefs(probe: Probe): ComposefsReport | null {
  using repository = probe.dir(COMPOSEFS, "composefs");
  if (repository === undefined) return null;
  const mode = repository.statSelf().mode & 0o7777;
  if (mode !== COMPOSEFS_MODE) {
    probe.add({
      code: "storage/composefs-mode",
      severity: "warning",
      subject: { backend: "composefs", kind: "directory", id: COMPOSEFS, path: COMPOSEFS },
      message: `others can reach objects in ${COMPOSEFS}`,
      expected: COMPOSEFS_MODE.toString(8).padStart(4, "0"),
      actual: mode.toString(8).padStart(4, "0"),
      repair: "rebuild",
    });
  }
  const common = {
    path: COMPOSEFS,
    mode: mode.toString(8).padStart(4, "0"),
    images: countLinks(probe, repository, "images"),
    streams: countLinks(probe, repository, "streams"),
    tags: listTags(probe, repository),
  };
  const metaPath = `${COMPOSEFS}/${LAYOUT.composefsMeta.path}`;
  if (probe.attempt(metaPath, "composefs", () => repository.statOptional(utf8("meta.json"))) !== undefined) {
    return { ...common, ...readMeta(probe, repository, metaPath) };
  }
  const algorithm = inferAlgorithm(probe, repository);
  if (algorithm === undefined) {
    return {
      ...common,
      format: "empty",
      version: null,
      algorithm: null,
      erofsFormats: [],
      features: NO_FEATURES,
    };
  }
  probe.add({
    code: "storage/composefs-old-format",
    severity: "note",
    subject: { backend: "composefs", kind: "repository", id: COMPOSEFS, path: metaPath },
    message: `${COMPOSEFS} has objects and no meta.json: it is of the old format, and is upgraded when it is next written to`,
    repair: "rebuild",
  });
  return { ...common, format: "old", version: null, algorithm, erofsFormats: [2], features: NO_FEATURES };
}

type MetaPart = Pick<ComposefsReport, "format" | "version" | "algorithm" | "erofsFormats" | "features">;

function readMeta(probe: Probe, repository: Dir, path: string): MetaPart {
  const damaged: MetaPart = {
    format: "damaged",
    version: null,
    algorithm: null,
    erofsFormats: [],
    features: NO_FEATURES,
  };
  const meta = probe.json(repository, utf8("meta.json"), path, "composefs");
  if (meta === undefined) return damaged;
  const finding = (code: string, message: string): void =>
    probe.add({
      code: `storage/${code}`,
      severity: "error",
      subject: { backend: "composefs", kind: "repository", id: COMPOSEFS, path },
      message,
    });
  if (!isRecord(meta) || typeof meta["version"] !== "number" || typeof meta["algorithm"] !== "string") {
    finding("composefs-meta-invalid", `${path} has no version or no algorithm`);
    return damaged;
  }
  const { version, algorithm } = meta;
  if (version > 1)
    finding("composefs-version-unknown", `${path} is of version ${version}; this program knows up to 1`);
  if (![...ALGORITHM_BY_NAME_LENGTH.values()].includes(algorithm)) {
    finding("composefs-algorithm-unknown", `${path} names the algorithm "${algorithm}", which is not known`);
  }
  const features = isRecord(meta["features"]) ? meta["features"] : {};
  const incompatible = stringsOf(features["incompatible"]);
  if (incompatible.length > 0) {
    finding(
      "composefs-feature-unknown",
      `${path} requires features that are not known: ${incompatible.join(", ")}`,
    );
  }
  const readOnlyCompatible = stringsOf(features["read-only-compatible"]);
  return {
    format: "current",
    version,
    algorithm,
    erofsFormats: erofsFormatsOf(meta["erofs_formats"], readOnlyCompatible),
    features: { compatible: stringsOf(features["compatible"]), readOnlyCompatible, incompatible },
  };
}

/** The default first. Without the key, the flag `v1_erofs` says V1, and its absence V2. */
function erofsFormatsOf(value: unknown, readOnlyCompatible: readonly string[]): number[] {
  if (!isRecord(value) || typeof value["default"] !== "number")
    return [readOnlyCompatible.includes("v1_erofs") ? 1 : 2];
  const extra = Array.isArray(value["extra"])
    ? value["extra"].filter((each) => typeof each === "number")
    : [];
  return [value["default"], ...extra];
}

function inferAlgorithm(probe: Probe, repository: Dir): string | undefined {
  const path = `${COMPOSEFS}/objects`;
  using objects = probe.attempt(path, "composefs", () => repository.openDirOptional(utf8("objects")));
  for (const shard of probe.list(objects, path, "composefs")) {
    if (shard.type !== "directory") continue;
    using dir = probe.attempt(`${path}/${shown(shard.name)}`, "composefs", () =>
      objects?.openDirOptional(shard.name),
    );
    for (const object of probe.list(dir, `${path}/${shown(shard.name)}`, "composefs")) {
      const algorithm = ALGORITHM_BY_NAME_LENGTH.get(object.name.length);
      if (algorithm !== undefined) return algorithm;
    }
  }
  return undefined;
}

/** Counts links beside `refs`, and reports those that lead nowhere. */
function countLinks(probe: Probe, repository: Dir, folder: string): number {
  const path = `${COMPOSEFS}/${folder}`;
  using dir = probe.attempt(path, "composefs", () => repository.openDirOptional(utf8(folder)));
  let count = 0;
  for (const { name, type } of probe.list(dir, path, "composefs")) {
    if (name === "refs") continue;
    if (type !== "symlink") {
      probe.add({
        code: "storage/composefs-entry-odd",
        severity: "warning",
        subject: { backend: "composefs", kind: "link", id: shown(name), path: `${path}/${shown(name)}` },
        message: `${path}/${shown(name)} is a ${type} among links`,
      });
      continue;
    }
    count++;
    reportBrokenLink(probe, repository, `${folder}/${name}` as ByteString);
  }
  return count;
}

function reportBrokenLink(probe: Probe, repository: Dir, link: ByteString): void {
  const path = `${COMPOSEFS}/${shown(link)}`;
  const target = probe.attempt(
    path,
    "composefs",
    () => repository.statOptional(link, { resolution: "beneath", follow: true }) ?? null,
  );
  if (target !== null) return;
  probe.add({
    code: "storage/composefs-link-broken",
    severity: "error",
    subject: { backend: "composefs", kind: "link", id: shown(link), path },
    message: `${path} leads nowhere`,
    repair: "remove",
  });
}

/** Tags of OCI images: names below `streams/refs/oci`, percent-encoded as on disk. */
function listTags(probe: Probe, repository: Dir): string[] {
  const folder = "streams/refs/oci";
  using dir = probe.attempt(`${COMPOSEFS}/${folder}`, "composefs", () =>
    repository.openDirOptional(utf8(folder)),
  );
  const tags: string[] = [];
  for (const { name, type } of probe.list(dir, `${COMPOSEFS}/${folder}`, "composefs")) {
    if (type !== "symlink") continue;
    reportBrokenLink(probe, repository, `${folder}/${name}` as ByteString);
    tags.push(shown(decodePercent(name)));
  }
  return tags;
}

function decodePercent(name: ByteString): ByteString {
  return name.replace(/%([0-9A-Fa-f]{2})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  ) as ByteString;
}

export function probeComposefsDeployments(probe: Probe): ComposefsDeploymentReport[] {
  using state = probe.dir(COMPOSEFS_STATE, "composefs");
  const found: ComposefsDeploymentReport[] = [];
  for (const { name, type } of probe.list(state, COMPOSEFS_STATE, "composefs")) {
    const id = shown(name);
    const path = `${COMPOSEFS_STATE}/${id}`;
    if (type !== "directory" || !COMPOSEFS_ID.test(name)) {
      odd(probe, path, type === "directory" ? "is not named by an id" : `is a ${type} among the deployments`);
      continue;
    }
    found.push(probeDeployment(probe, state, id, path));
  }
  return found;
}

function probeDeployment(
  probe: Probe,
  state: Dir | undefined,
  id: string,
  path: string,
): ComposefsDeploymentReport {
  const place = `${path}/${id}.origin`;
  using dir = probe.attempt(path, "composefs", () => state?.openDirOptional(utf8(id)));
  const text = dir === undefined ? undefined : probe.text(dir, utf8(`${id}.origin`), place, "composefs");
  if (text === undefined) odd(probe, path, "is a deployment without an origin");
  const origin =
    text === undefined ? undefined : probe.attempt(place, "composefs", () => KeyFile.parse(text, "ini"));
  const get = ({ group, key }: { group: string; key: string }): string | null =>
    origin?.get(group, key) ?? null;
  const imagePath = `${COMPOSEFS}/images/${id}`;
  const image =
    probe.attempt(imagePath, "composefs", () => probe.root.statOptional(utf8(imagePath))) !== undefined;
  if (!image) {
    probe.add({
      code: "storage/deployment-image-missing",
      severity: "error",
      subject: { backend: "composefs", kind: "deployment", id, path: imagePath },
      message: `deployment ${id.slice(0, 16)}… has no image in the repository, so it cannot boot`,
      repair: "refetch",
    });
  }
  return {
    id,
    imageReference: get(ORIGIN.containerImageReference),
    bootType: get(ORIGIN.bootType),
    manifestDigest: get(ORIGIN.manifestDigest),
    image,
  };
}

function odd(probe: Probe, path: string, what: string): void {
  probe.add({
    code: "storage/composefs-deployment-odd",
    severity: "warning",
    subject: { backend: "composefs", kind: "deployment", id: path, path },
    message: `${path} ${what}`,
  });
}
