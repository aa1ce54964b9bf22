import { spawn } from "node:child_process";
import { homedir } from "node:os";

import type { CommandContext, CommandModule } from "@bootc-store/backend/command";
import { printable, printDigest } from "@bootc-store/core";
import type { CopyImageResult } from "@bootc-store/oci";

interface CopyOptions {
  readonly all?: true;
  readonly platform?: string;
  readonly authfile?: string;
  readonly policy?: string;
  readonly insecurePolicy?: true;
  readonly srcTlsVerify: boolean;
  readonly destTlsVerify: boolean;
  readonly json?: true;
}

/** `copy`: an image from anywhere to anywhere. */
export const copyCommand: CommandModule = {
  name: "copy",
  summary: "copy an image between registries, layouts, archives and directories",
  register(parent, context) {
    parent
      .command("copy")
      .description(
        "copy an image, its blobs bit for bit; SRC and DST are docker://NAME, oci:PATH[:NAME], oci-archive:PATH[:NAME], docker-archive:PATH[:NAME] or dir:PATH",
      )
      .argument("<src>", "where the image is")
      .argument("<dst>", "where it is to be")
      .option("--all", "the whole index with all of its images, where SRC names one")
      .option("--platform <os/arch>", "which image of an index; that of this machine unless given")
      .option("--authfile <path>", "the only file to look for credentials in")
      .option("--policy <path>", "the signature policy, instead of the host's")
      .option("--insecure-policy", "do without a signature policy")
      .option("--no-src-tls-verify", "take any certificate of SRC, and none")
      .option("--no-dest-tls-verify", "take any certificate of DST, and none")
      .option("--json", "print the result as JSON")
      .action(async (src, dst, options) => {
        show(await copy(src, dst, options, context), context, options.json === true);
      });
  },
};

async function copy(
  src: string,
  dst: string,
  options: CopyOptions,
  context: CommandContext,
): Promise<CopyImageResult> {
  const oci = await import("@bootc-store/oci");
  const { signal } = context;
  const host = { root: context.openDir("/"), cwd: process.cwd() };
  const env = { home: homedir(), uid: process.getuid?.() ?? 0, variables: context.env };
  const registries = (verify: boolean): InstanceType<typeof oci.RegistryAccess> =>
    new oci.RegistryAccess({
      host,
      env,
      credentialHelper: runHelper,
      ...(verify ? {} : { insecure: true }),
      ...(options.authfile === undefined ? {} : { authFile: options.authfile }),
    });
  const from = oci.parseImageReference(src);
  const to = oci.parseImageReference(dst);
  const platform = options.platform === undefined ? undefined : oci.parsePlatform(options.platform);
  await using source = await oci.openImageSource(from, {
    host,
    signal,
    registries: registries(options.srcTlsVerify),
  });
  const allow =
    options.insecurePolicy === true
      ? undefined
      : oci.policyCheck({
          host,
          source,
          signal,
          reference: from,
          policy: oci.loadPolicy(host, env, options.policy),
          registriesD: await oci.loadRegistriesD(host, env),
        });
  await using sink = await oci.openImageSink(to, {
    host,
    signal,
    registries: registries(options.destTlsVerify),
  });
  return await oci.copyImage(source, sink, {
    signal,
    all: options.all === true,
    ...(platform === undefined ? {} : { platform }),
    ...(allow === undefined ? {} : { allow }),
  });
}

function show(result: CopyImageResult, context: CommandContext, json: boolean): void {
  const output = context.output({ json });
  const digest = printDigest(result.document.digest);
  const blobs = result.blobs.map((blob) => ({ ...blob, digest: printDigest(blob.digest) }));
  output.value({ digest, mediaType: result.document.mediaType, blobs });
  if (json) return;
  output.table(blobs, [
    { title: "BLOB", value: (blob) => printable(blob.digest) },
    { title: "BYTES", value: (blob) => String(blob.size), align: "right" },
    { title: "", value: (blob) => blob.how },
  ]);
  output.line(digest);
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
