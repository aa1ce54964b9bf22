import type { Image } from "@bootc-store/backend";
import { isStoreError, withContext } from "@bootc-store/core";
import {
  acceptsAnythingByDefault,
  imageReferenceOf,
  loadPolicy,
  openImageSink,
  openImageSource,
  type OstreeImageReference,
  parseBootcReference,
  parseOstreeReference,
  policyCheck,
  printBootcReference,
  readImage,
  RegistryAccess,
} from "@bootc-store/oci";

import { ostreeErrors } from "../errors.ts";
import { parseArguments, type OptionSpecs, type ParsedArguments } from "./arguments.ts";
import type { Cli } from "./context.ts";
import { OstreeFailure } from "./failure.ts";

/** Arguments that are none: shown with exit code 2. */
export class UsageFailure extends Error {}

/** Throws {@link UsageFailure} for options that are not known, and other than the named positional arguments. */
export function containerArguments<const S extends OptionSpecs>(
  specs: S,
  argv: readonly string[],
  names: readonly string[] | "many",
): ParsedArguments<S> {
  let parsed: ParsedArguments<S>;
  try {
    parsed = parseArguments(specs, argv);
  } catch (error) {
    if (!(error instanceof OstreeFailure)) throw error;
    throw new UsageFailure(error.message);
  }
  const { positional } = parsed;
  if (names === "many" ? positional.length > 0 : positional.length === names.length) return parsed;
  const missing = names === "many" ? "IMGREFS" : names[positional.length];
  throw new UsageFailure(
    missing === undefined
      ? `unexpected argument '${positional[names.length]}' found`
      : `the following required arguments were not provided:\n  <${missing}>`,
  );
}

export function needed(value: string | undefined, option: string): string {
  if (value !== undefined) return value;
  throw new UsageFailure(
    `the following required arguments were not provided:\n  --${option} <${option.toUpperCase()}>`,
  );
}

/** A reference that says who vouches for the image. */
export function signedReference(text: string): OstreeImageReference {
  try {
    return parseOstreeReference(text);
  } catch (error) {
    if (!isStoreError(error)) throw error;
    const scheme = text.split(":")[0] ?? "";
    const transport = /^ostree-(?:image-signed|unverified-image):([^:]*):/.exec(text)?.[1];
    const problem = isStoreError(error, "oci/transport-unknown")
      ? `Invalid transport: ${transport ?? scheme}`
      : scheme.startsWith("ostree-")
        ? error.message
        : `Invalid ostree image reference scheme: ${scheme}`;
    throw new UsageFailure(`invalid value '${text}' for '<IMGREF>': ${problem}`);
  }
}

/** The form in which refs name an image. */
export function plainReference(text: string): string {
  try {
    return printBootcReference(parseBootcReference(text));
  } catch (error) {
    if (!isStoreError(error)) throw error;
    throw new UsageFailure(`invalid value '${text}' for '<IMGREF>': ${error.message}`);
  }
}

/** Opens an image for whoever trusts it as its reference says. */
export async function openImage(cli: Cli, { signatures, image }: OstreeImageReference): Promise<Image> {
  return await withContext({ op: "Fetching manifest" }, async () => {
    const { context } = cli;
    const reference = imageReferenceOf(image);
    using root = context.openDir("/");
    const host = { root, cwd: context.cwd };
    const env = await hostEnvironment(cli);
    if (signatures.kind === "ostree-remote") {
      throw ostreeErrors.error(
        "image-not-allowed",
        `the signature of the commit by the keys of the remote ${signatures.remote} cannot be checked`,
      );
    }
    const policy = loadPolicy(host, env);
    if (signatures.kind === "container-policy" && acceptsAnythingByDefault(policy)) {
      throw ostreeErrors.error(
        "image-not-allowed",
        "containers-policy.json specifies a default of `insecureAcceptAnything`; refusing usage",
      );
    }
    const registries = new RegistryAccess({ host, env });
    const { signal } = context;
    const source = await openImageSource(reference, { host, registries, signal });
    return await readImage(source, {
      signal,
      allow: policyCheck({ host, policy, reference, source, signal }),
    });
  });
}

/** Opens the place that a reference names, to write an image to. */
export async function openSink(cli: Cli, text: string) {
  const { context } = cli;
  using root = context.openDir("/");
  const host = { root, cwd: context.cwd };
  const registries = new RegistryAccess({ host, env: await hostEnvironment(cli) });
  return await openImageSink(imageReferenceOf(parseBootcReference(text)), {
    host,
    registries,
    signal: context.signal,
  });
}

async function hostEnvironment(cli: Cli) {
  const { homedir, userInfo } = await import("node:os");
  return { home: homedir(), uid: userInfo().uid, variables: cli.context.env };
}
