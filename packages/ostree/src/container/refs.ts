// Names of refs under which images and layers are kept: prefixes, and the escaping by which any text is a ref.

import { printDigest, type Digest } from "@bootc-store/core";

import { ostreeErrors } from "../errors.ts";

export const LAYER_PREFIX = "ostree/container/blob";
export const IMAGE_PREFIX = "ostree/container/image";
/** Refs that other tools set to keep bases of images. */
export const BASE_PREFIX = "ostree/container/baseimage";

/**
 * Letters, digits and `-` stay; `/` stays after a letter or digit, unless it is last; `_` is doubled; every other
 * character is `_HEX_`. Throws `ostree/ref-invalid` for an empty text and for NUL.
 */
export function escapeForRef(text: string): string {
  if (text === "" || text.includes("\0"))
    throw ostreeErrors.error("ref-invalid", `no ref can stand for ${JSON.stringify(text.slice(0, 80))}`);
  const characters = Array.from(text);
  const plain = /^[A-Za-z0-9]$/;
  return characters
    .map((character, at) => {
      if (plain.test(character) || character === "-") return character;
      if (character === "_") return "__";
      if (character === "/" && at < characters.length - 1 && plain.test(characters[at - 1] ?? "")) return "/";
      return `_${(character.codePointAt(0) as number).toString(16).toUpperCase().padStart(2, "0")}_`;
    })
    .join("");
}

/** The text behind an escaped one. Throws `ostree/ref-invalid`. */
export function unescapeFromRef(ref: string): string {
  const invalid = (): Error => ostreeErrors.error("ref-invalid", `not an escaped name: ${ref.slice(0, 200)}`);
  if (ref === "") throw invalid();
  let text = "";
  let at = 0;
  const part = /([A-Za-z0-9/-]+)|__|_([0-9A-Fa-f]+)_/y;
  while (at < ref.length) {
    part.lastIndex = at;
    const match = part.exec(ref);
    if (match === null) throw invalid();
    const [all, plain, hex] = match;
    if (plain !== undefined) text += plain;
    else if (hex === undefined) text += "_";
    else {
      const code = Number.parseInt(hex, 16);
      if (hex.length > 6 || code === 0 || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        throw invalid();
      text += String.fromCodePoint(code);
    }
    at += all.length;
  }
  return text;
}

/** The ref of a layer, by the digest of its blob. */
export function layerRef(blob: Digest | string): string {
  return `${LAYER_PREFIX}/${escapeForRef(typeof blob === "string" ? blob : printDigest(blob))}`;
}

/** The ref of an image, by its reference as it is printed without who vouches for it. */
export function imageRefOf(reference: string): string {
  return `${IMAGE_PREFIX}/${escapeForRef(reference)}`;
}
