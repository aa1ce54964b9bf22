// How images are got at on this host: its credentials, mirrors, certificates and signature policy.
import { spawn } from "node:child_process";
import { homedir } from "node:os";

import type { OpenedImage, OpenImageOptions } from "@bootc-store/backend/command";
import type { HostEnvironment, RegistryAccess } from "@bootc-store/oci";

import type { AppContext } from "./context.ts";

/** Where references lead to. */
export function imageHost(context: AppContext): {
  readonly root: ReturnType<AppContext["openDir"]>;
  readonly cwd: string;
} {
  return { root: context.openDir("/"), cwd: context.cwd };
}

function environment(context: AppContext): HostEnvironment {
  return { home: homedir(), uid: process.getuid?.() ?? 0, variables: context.env };
}

/** Registries as this host and user get at them. */
export async function imageRegistries(
  context: AppContext,
  { authFile, tlsVerify }: OpenImageOptions = {},
): Promise<RegistryAccess> {
  const oci = await import("@bootc-store/oci");
  return new oci.RegistryAccess({
    host: imageHost(context),
    env: environment(context),
    credentialHelper: runHelper,
    ...(tlsVerify === false ? { insecure: true } : {}),
    ...(authFile === undefined ? {} : { authFile }),
  });
}

/** See `CommandContext.openImage`. */
export async function openImage(
  context: AppContext,
  text: string,
  options: OpenImageOptions = {},
): Promise<OpenedImage> {
  const oci = await import("@bootc-store/oci");
  const host = imageHost(context);
  const { signal } = context;
  const reference = oci.parseImageReference(text);
  const registries = await imageRegistries(context, options);
  const source = await oci.openImageSource(reference, { host, signal, registries });
  if (options.insecurePolicy === true) return { source };
  try {
    const env = environment(context);
    const allow = oci.policyCheck({
      host,
      source,
      signal,
      reference,
      policy: oci.loadPolicy(host, env, options.policy),
      registriesD: await oci.loadRegistriesD(host, env),
    });
    return { source, allow };
  } catch (error) {
    await source[Symbol.asyncDispose]();
    throw error;
  }
}

const HELPER_MS = 60_000;
const NOT_FOUND = /credentials not found/i;

/** `docker-credential-NAME get`; a helper that knows nothing of a registry says so on its output. */
async function runHelper(name: string, registry: string): Promise<string> {
  return await new Promise((resolve, reject) => {
    const child = spawn(`docker-credential-${name}`, ["get"], {
      stdio: ["pipe", "pipe", "ignore"],
      timeout: HELPER_MS,
    });
    const parts: Buffer[] = [];
    child.stdout.on("data", (part: Buffer) => parts.push(part));
    child.on("error", reject);
    child.on("close", (code) => {
      const said = Buffer.concat(parts).toString("utf8");
      if (code === 0) resolve(said);
      else if (NOT_FOUND.test(said)) resolve("");
      else reject(new Error(`docker-credential-${name} ended with ${code ?? "a signal"}`));
    });
    // One that ends without reading has said so by its exit code.
    child.stdin.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") reject(error);
    });
    child.stdin.end(registry);
  });
}
