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
}
