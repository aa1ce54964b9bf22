// `mount` and `oci mount`, by the kernel.

import { parseDigestOptional, printDigest, utf8 } from "@bootc-store/core";
import { attachMount, type Dir, measureVerity } from "@bootc-store/linux";

import { mountImage } from "../../mount/mount-image.ts";
import { isObjectId } from "../../algorithm.ts";
import { imageReference } from "../../oci/documents.ts";
import type { Repository } from "../../repository/repository.ts";
import { Failure, fail, messagesOf } from "./chain.ts";
import { imageObject } from "./images.ts";
import { findImage } from "./oci-images.ts";
import type { Command, Run } from "./run.ts";

export const mount: Command = async (run) => {
  await using repository = await run.open();
  mountNamed(run, repository, run.operand("NAME"));
  return 0;
};

export const ociMount: Command = async (run) => {
  await using repository = await run.open();
  const text = run.operand("IMAGE");
  const digest = parseDigestOptional(text);
  const { config } = await findImage(repository, digest === undefined ? { tag: text } : { digest });
  const boot = run.flag("bootable");
  const id = config.references.get(imageReference(repository.imageFormats[0], boot));
  if (id === undefined) {
    throw fail(
      boot
        ? "No boot EROFS image linked — try pulling with --bootable"
        : `No EROFS image linked to ${printDigest(config.digest)}`,
    );
  }
  mountNamed(run, repository, id);
  return 0;
};

function mountNamed(run: Run, repository: Repository, name: string): void {
  const context = `Mounting image '${name}' at path`;
  // Without a FUSE server there is one way only.
  if (run.value("fuse") === "yes" || run.flag("foreground"))
    throw fail(context, "FUSE mounts are not supported");
  try {
    const object = inside(`Mounting image '${name}'`, () => imageObject(repository, name));
    const point = inside("Canonicalizing mountpoint path", () =>
      run.context.openDir(run.operand("MOUNTPOINT")),
    );
    attach(run, repository, name, object, point);
  } catch (error) {
    throw new Failure([context, ...messagesOf(error)], { cause: error });
  }
}

function attach(run: Run, repository: Repository, name: string, object: string, point: Dir): void {
  using file = repository.objects.open(object);
  using objects = repository.dir.openDir(utf8("objects"));
  const sealed = measureVerity(file).state === "enabled";
  // As cfsctl has it: not where an image is named by its id and has no fs-verity.
  const verity = sealed || repository.secure || !isObjectId(name, repository.algorithm) ? "require" : "off";
  const { context } = run;
  const upper = run.value("upperdir");
  const work = run.value("workdir");
  using mounted = mountImage({
    image: file,
    objects: [objects],
    verity,
    source: `composefs:${name}`,
    devices: context.openDir("/dev"),
    scratch: context.openDir("/tmp"),
    ...(sealed ? { digest: { algorithm: repository.algorithm, hex: object } } : {}),
    ...(upper === undefined || work === undefined
      ? {}
      : { changes: { upper: context.openDir(upper), work: context.openDir(work) } }),
    readOnly: !run.flag("read-write"),
  });
  attachMount(mounted, point);
}

function inside<T>(message: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw new Failure([message, ...messagesOf(error)], { cause: error });
  }
}
