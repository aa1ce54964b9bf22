// index.json of an image layout: which of its entries a reference means, and how an image is added to it, both as
// containers/image does it.

import { ociErrors } from "../../errors.ts";
import type { Descriptor, ExactDocument } from "../../image/descriptor.ts";
import type { ImageIndex } from "../../image/manifest.ts";
import { documentKind } from "../../image/media-types.ts";
import { isObject } from "../../json/fields.ts";
import { type JsonObject, type JsonValue, parseJson } from "../../json/parse.ts";
import type { ImageSelector } from "../../reference/image-reference.ts";

export const REF_NAME = "org.opencontainers.image.ref.name";

/** The entry that is meant. Throws `oci/image-not-found`, `oci/image-not-unique`. */
export function selectEntry(index: ImageIndex, selector: ImageSelector, label: string): Descriptor {
  const { name, index: number } = selector;
  if (number !== undefined) {
    const entry = index.entries[number];
    if (entry !== undefined) return entry;
    throw ociErrors.error(
      "image-not-found",
      `${label}: no image @${number}, there are ${index.entries.length}`,
    );
  }
  if (name !== undefined) return selectByName(index, name, label);
  const [entry, ...more] = index.entries;
  if (entry === undefined) throw ociErrors.error("image-not-found", `${label}: there is no image in it`);
  if (more.length === 0) return entry;
  const names = index.entries.map(nameOf).filter((each) => each !== undefined);
  throw ociErrors.error("image-not-unique", `${label}: there are ${index.entries.length} images in it`, {
    hint:
      names.length === 0
        ? "Add :@ and its number."
        : `Add its name, one of ${names.join(", ").slice(0, 300)}.`,
  });
}

function selectByName(index: ImageIndex, name: string, label: string): Descriptor {
  const named = index.entries.filter((entry) => nameOf(entry) === name);
  const image = named.find((entry) => documentKind(entry.mediaType) !== undefined);
  if (image !== undefined) return image;
  const types = named.map((entry) => entry.mediaType).join(", ");
  throw ociErrors.error(
    "image-not-found",
    `${label}: no image "${name}"${types === "" ? "" : `, only things of type ${types.slice(0, 200)}`}`,
  );
}

export function nameOf(entry: Descriptor): string | undefined {
  return entry.annotations?.[REF_NAME];
}

/** The JSON of an index, with an image added: its name is taken from whatever had it. */
export function addEntry(
  bytes: Uint8Array | undefined,
  image: ExactDocument,
  name: string | undefined,
): Buffer {
  const index: { [key: string]: JsonValue } =
    bytes === undefined
      ? { schemaVersion: 2 }
      : { ...(parseJson(bytes, { what: "index.json" }) as JsonObject) };
  const before = index["manifests"];
  const entries: JsonValue[] = Array.isArray(before) ? [...(before as JsonValue[])] : [];
  const digest = `${image.digest.algorithm}:${image.digest.hex}`;
  const made: JsonObject = {
    mediaType: image.mediaType,
    digest,
    size: image.bytes.length,
    ...(name === undefined ? {} : { annotations: { [REF_NAME]: name } }),
  };
  if (name !== undefined) {
    for (const [at, entry] of entries.entries()) entries[at] = withoutName(entry, name);
  }
  const same = entries.findIndex((entry) => isObject(entry) && entry["digest"] === digest && !hasName(entry));
  if (same >= 0) entries[same] = made;
  else if (
    !entries.some((entry) => isObject(entry) && entry["digest"] === digest && hasSameName(entry, name))
  ) {
    entries.push(made);
  }
  index["manifests"] = entries;
  return Buffer.from(JSON.stringify(index));
}

function annotationsOf(entry: JsonValue): JsonObject | undefined {
  const annotations = isObject(entry) ? entry["annotations"] : undefined;
  return isObject(annotations) ? annotations : undefined;
}

function hasName(entry: JsonValue): boolean {
  return annotationsOf(entry)?.[REF_NAME] !== undefined;
}

function hasSameName(entry: JsonValue, name: string | undefined): boolean {
  return annotationsOf(entry)?.[REF_NAME] === name;
}

function withoutName(entry: JsonValue, name: string): JsonValue {
  const annotations = annotationsOf(entry);
  if (annotations?.[REF_NAME] !== name) return entry;
  const { [REF_NAME]: _, ...rest } = annotations;
  const { annotations: __, ...others } = entry as JsonObject;
  return Object.keys(rest).length === 0 ? others : { ...others, annotations: rest };
}
