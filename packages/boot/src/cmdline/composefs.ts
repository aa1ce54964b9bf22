<<<<<<< HEAD
import type { KernelCmdline } from "./cmdline.ts";

/** What a command line says of a composefs root. */
export interface ComposefsKarg {
  /** The digest as written, without the `?`. */
  readonly digest: string;
  /** `?` before the digest: files without fs-verity are accepted. */
  readonly allowMissingVerity: boolean;
  /** Version, hash and block size of the newer form `composefs.digest=v1-sha512-12:…`, which initramfs code also reads. */
  readonly algorithm?: string;
}

/** `composefs=[?]DIGEST`. An argument without a value is none. */
export function composefsKarg(cmdline: KernelCmdline): ComposefsKarg | undefined {
  const value = cmdline.valueOf("composefs");
  if (value === undefined) return undefined;
  const allowMissingVerity = value.startsWith("?");
  return { digest: allowMissingVerity ? value.slice(1) : value, allowMissingVerity };
}

/** Every `composefs.digest=[?]ALGORITHM:DIGEST`, in order; who boots takes the first whose algorithm fits. */
export function composefsDigestKargs(cmdline: KernelCmdline): ComposefsKarg[] {
  return cmdline.valuesOf("composefs.digest").flatMap((value) => {
    const match = /^(\??)([^:]+):(.+)$/.exec(value ?? "");
    if (match === null) return [];
    return [
      { allowMissingVerity: match[1] === "?", algorithm: match[2] as string, digest: match[3] as string },
    ];
  });
}

export function printComposefsKarg({
  digest,
  allowMissingVerity,
}: Pick<ComposefsKarg, "digest" | "allowMissingVerity">): string {
  return `composefs=${allowMissingVerity ? "?" : ""}${digest}`;
=======
import { DIGEST_SIZES } from "@bootc-store/core";

import { bootErrors } from "../errors.ts";
import { KernelCommandLine } from "./command-line.ts";

/** Which image a command line boots by composefs. */
export interface ComposefsArgument {
  /** `composefs=HEX` names a digest only; `composefs.digest=vN-ALG-BITS:HEX` also says what kind of image it is of. */
  readonly form: "composefs" | "composefs.digest";
  readonly hex: string;
  readonly algorithm: "sha256" | "sha512";
  /** A leading `?`: files without fs-verity are allowed. */
  readonly verityOptional: boolean;
  /** Of `composefs.digest` only: the image's format version and the size of its blocks as a power of two. */
  readonly format?: { readonly version: number; readonly blockBits: number };
}

/** The value of `composefs=`. Throws `boot/composefs-argument-invalid`. */
export function parseComposefsValue(value: string): ComposefsArgument {
  const verityOptional = value.startsWith("?");
  const hex = verityOptional ? value.slice(1) : value;
  return { form: "composefs", hex, algorithm: algorithmOf(hex, value), verityOptional };
}

/** The value of `composefs.digest=`: `[?]v1-sha512-12:HEX`. Throws `boot/composefs-argument-invalid`. */
export function parseComposefsDigestValue(value: string): ComposefsArgument {
  const parts = /^(\??)v(\d{1,3})-(sha256|sha512)-(\d{1,2}):([0-9a-f]*)$/.exec(value);
  const [, optional, version, algorithm, bits, hex = ""] = parts ?? [];
  if (parts === null || algorithmOf(hex, value) !== algorithm) throw invalid(value);
  return {
    form: "composefs.digest",
    hex,
    algorithm: algorithmOf(hex, value),
    verityOptional: optional === "?",
    format: { version: Number(version), blockBits: Number(bits) },
  };
}

export function printComposefsArgument(argument: ComposefsArgument): string {
  const { form, hex, algorithm, verityOptional, format } = argument;
  const optional = verityOptional ? "?" : "";
  if (form === "composefs" || format === undefined) return `composefs=${optional}${hex}`;
  return `composefs.digest=${optional}v${format.version}-${algorithm}-${format.blockBits}:${hex}`;
}

export interface FindComposefsOptions {
  /**
   * Who reads: bootc after boot knows only `composefs=`; the initramfs takes the first `composefs.digest=` of the
   * repository's algorithm before that.
   */
  readonly reader: "userspace" | "initramfs";
  readonly algorithm: "sha256" | "sha512";
}

/**
 * The argument that decides, or `undefined` if the line boots no composefs image; a key without a value is none.
 * Throws `boot/composefs-argument-invalid`.
 */
export function findComposefs(
  line: KernelCommandLine | string,
  options: FindComposefsOptions,
): ComposefsArgument | undefined {
  const commandLine = typeof line === "string" ? new KernelCommandLine(line) : line;
  if (options.reader === "initramfs") {
    for (const { value } of commandLine.findAll("composefs.digest")) {
      if (value === undefined || value === "") continue;
      const argument = parseComposefsDigestValue(value);
      if (argument.algorithm === options.algorithm) return argument;
    }
  }
  const value = commandLine.valueOf("composefs");
  return value === undefined || value === "" ? undefined : parseComposefsValue(value);
}

function algorithmOf(hex: string, value: string): "sha256" | "sha512" {
  if (/^[0-9a-f]+$/.test(hex)) {
    if (hex.length === 2 * DIGEST_SIZES.sha256) return "sha256";
    if (hex.length === 2 * DIGEST_SIZES.sha512) return "sha512";
  }
  throw invalid(value);
}

function invalid(value: string): Error {
  return bootErrors.error("composefs-argument-invalid", `no composefs digest: "${value.slice(0, 200)}"`);
>>>>>>> de921f2 (boot: entries, menus, command lines and unified kernel images)
}
