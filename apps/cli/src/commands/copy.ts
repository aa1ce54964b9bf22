import type { CommandContext, CommandModule } from "@bootc-store/backend/command";
import { printable, printDigest } from "@bootc-store/core";
import type { CopyImageResult } from "@bootc-store/oci";

import type { AppContext } from "../context.ts";

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
  register(parent, context: AppContext) {
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
  context: AppContext,
): Promise<CopyImageResult> {
  const [oci, { imageHost, imageRegistries }] = await Promise.all([
    import("@bootc-store/oci"),
    import("../images.ts"),
  ]);
  const { signal } = context;
  const to = oci.parseImageReference(dst);
  const platform = options.platform === undefined ? undefined : oci.parsePlatform(options.platform);
  const { authfile: authFile, policy, insecurePolicy } = options;
  const from = { authFile, policy, insecurePolicy, tlsVerify: options.srcTlsVerify };
  const { source: opened, allow } = await context.openImage(src, from);
  await using source = opened;
  await using sink = await oci.openImageSink(to, {
    host: imageHost(context),
    signal,
    registries: await imageRegistries(context, { authFile, tlsVerify: options.destTlsVerify }),
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
