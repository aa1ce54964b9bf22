import type { CommandModule } from "@bootc-store/backend/command";
import { printDigest } from "@bootc-store/core";
import { storageErrors } from "@bootc-store/storage";
import { withStores } from "@bootc-store/storage/commands";

import type { AppContext } from "../context.ts";

const COMPRESSIONS = ["none", "gzip"] as const;

/** `export`: an image out of a root's stores. */
export const exportCommand: CommandModule = {
  name: "export",
  summary: "write an image of a root's stores to a registry, layout, archive or directory",
  register(parent, context: AppContext) {
    parent
      .command("export")
      .description(
        "write an image out of the stores of a root; DST is docker://NAME, oci:PATH[:NAME], oci-archive:PATH[:NAME], docker-archive:PATH[:NAME] or dir:PATH",
      )
      .argument("<image>", "name, manifest digest or id")
      .argument("<dst>", "where it is to be")
      .option(
        "--compression <how>",
        `of layers that came compressed: ${COMPRESSIONS.join(", ")}`,
        parseCompression,
      )
      .option("--keep-digest", "refuse an image whose digest would change")
      .option("--authfile <path>", "the only file to look for credentials in")
      .option("--no-tls-verify", "take any certificate of DST, and none")
      .option("--json", "print the result as JSON")
      .action(async (image, dst, options) => {
        const [oci, { exportImage }, { imageHost, imageRegistries }] = await Promise.all([
          import("@bootc-store/oci"),
          import("@bootc-store/storage"),
          import("../images.ts"),
        ]);
        const to = oci.parseImageReference(dst);
        await withStores(parent, context, async (stores) => {
          await using sink = await oci.openImageSink(to, {
            host: imageHost(context),
            signal: context.signal,
            registries: await imageRegistries(context, {
              authFile: options.authfile,
              tlsVerify: options.tlsVerify,
            }),
          });
          const { from, digest, kept } = await exportImage(stores, image, sink, {
            signal: context.signal,
            ...(options.compression === undefined ? {} : { compression: options.compression }),
            ...(options.keepDigest === undefined ? {} : { keepDigest: true }),
          });
          const output = context.output(options);
          output.value({ from, digest: printDigest(digest), kept });
          if (output.json) return;
          if (!kept)
            output.note("its layers came compressed and are not kept so: the image has another digest there");
          output.line(printDigest(digest));
        });
      });
  },
};

function parseCompression(value: string): (typeof COMPRESSIONS)[number] {
  const found = COMPRESSIONS.find((each) => each === value);
  if (found !== undefined) return found;
  throw storageErrors.error(
    "argument-invalid",
    `--compression takes one of ${COMPRESSIONS.join(", ")}, not "${value}"`,
  );
}
