// `mount.composefs` of composefs 1.0.8: mounts an image over directories of objects.

import type { DropIn, DropInContext } from "@bootc-store/backend/command";
import { isStoreError } from "@bootc-store/core";
import { attachMount, type Dir, type File, measureVerity } from "@bootc-store/linux";

import { mountImage, type MountImageOptions } from "../mount/mount-image.ts";
import { reasonOf, ToolExit } from "./fail.ts";
import { openHostFile } from "./host-files.ts";

const NAME = "mount.composefs";

const USAGE = `usage: ${NAME} [-t type] [-o opt[,opts..]] IMAGE MOUNTPOINT
Example:
  ${NAME} -o basedir=/composefs/objects exampleimage.cfs /mnt/exampleimage
or, as a mount helper:
  mount -t composefs -o basedir=/composefs/objects exampleimage.cfs /mnt/exampleimage

Supported options:
  basedir=PATH[:PATH]    Specify location of basedir(s)
  digest=DIGEST          Specify required image digest
  idmap=PATH             Specify path to a user namespace whose ID mapping should be used
  verity                 Require all files to have specified and valid fs-verity digests
  tryverity              If supported by kernel, require fs-verity
  ro                     Read only
  rw                     Read/write
  upperdir               Overlayfs upperdir
  workdir                Overlayfs workdir
`;

/** Messages have a line of their own behind them. */
const refuse = (message: string): ToolExit => new ToolExit(`${NAME}: ${message}\n\n`);

export const mountComposefs: DropIn = {
  name: NAME,
  summary: "mount a composefs image",
  async run(context) {
    try {
      mount(context, parse(context.argv));
      return 0;
    } catch (error) {
      if (!(error instanceof ToolExit)) throw error;
      await context.writeErr(error.text);
      return 1;
    }
  },
};

interface Line {
  readonly type: string;
  readonly options: string;
  readonly image: string;
  readonly point: string;
}

/** Options may come anywhere; of several `-o` the last one counts. */
function parse(argv: readonly string[]): Line {
  let type = "composefs";
  let options = "";
  const operands: string[] = [];
  const words = argv.values();
  for (let word = words.next(); word.done !== true; word = words.next()) {
    const text = word.value;
    if (text === "--") operands.push(...words);
    else if (!text.startsWith("-") || text === "-") operands.push(text);
    else {
      const letter = text.slice(1, 2);
      if (letter !== "t" && letter !== "o") {
        throw new ToolExit(`${NAME}: invalid option -- '${letter}'\n${USAGE}`);
      }
      const value = text.length > 2 ? text.slice(2) : words.next().value;
      if (value === undefined)
        throw new ToolExit(`${NAME}: option requires an argument -- '${letter}'\n${USAGE}`);
      if (letter === "t") type = value;
      else options = value;
    }
  }
  const [image, point] = operands;
  if (image === undefined) throw new ToolExit(`No source path specified\n${USAGE}`);
  if (point === undefined) throw new ToolExit(`No mount path specified\n${USAGE}`);
  if (type !== "composefs") throw refuse(`Unsupported fs type '${type}'`);
  return { type, options, image, point };
}

interface Options {
  basedir?: readonly string[];
  digest?: string;
  idmap?: string;
  upperdir?: string;
  workdir?: string;
  verity: "off" | "try" | "require";
  readOnly: boolean;
}

function parseOptions(text: string): Options {
  const found: Options = { verity: "off", readOnly: false };
  if (text === "") return found;
  for (const part of splitAt(text, ",")) {
    const equals = part.indexOf("=");
    const key = equals < 0 ? part : part.slice(0, equals);
    const value = (): string => {
      if (equals < 0) throw refuse(`No value specified for ${key} option`);
      return part.slice(equals + 1);
    };
    switch (key) {
      case "basedir":
        found.basedir = splitAt(value(), ":");
        if (found.basedir.includes("")) throw refuse("Value for basedir option has incorrect format");
        break;
      case "digest":
      case "idmap":
      case "upperdir":
      case "workdir":
        found[key] = value();
        break;
      case "verity":
        found.verity = "require";
        break;
      case "tryverity":
        found.verity = "try";
        break;
      case "ro":
      case "rw":
        found.readOnly = key === "ro";
        break;
      default:
        throw refuse(`Unsupported option ${key}`);
    }
  }
  return found;
}

/** Parts between separators, a backslash before which takes them for themselves. */
function splitAt(text: string, separator: string): string[] {
  const parts = [""];
  for (let at = 0; at < text.length; at++) {
    const char = text[at] ?? "";
    if (char === "\\" && at + 1 < text.length) parts.push((parts.pop() ?? "") + (text[++at] ?? ""));
    else if (char === separator) parts.push("");
    else parts.push((parts.pop() ?? "") + char);
  }
  return parts;
}

function mount(context: DropInContext, line: Line): void {
  const { image, point } = line;
  const options = parseOptions(line.options);
  const { basedir, digest, idmap, upperdir, workdir } = options;
  if (basedir === undefined) throw new ToolExit(`No object dirs specified\n${USAGE}`);
  if ((upperdir === undefined) !== (workdir === undefined)) {
    throw refuse("Both workdir and upperdir must be specified if used");
  }
  using userNamespace =
    idmap === undefined ? undefined : open(context, idmap, `Failed to open userns ${idmap}`);
  using file = open(context, image, `Failed to open ${image}`);
  const failed = (reason: string): ToolExit => refuse(`Failed to mount composefs ${image}: ${reason}`);
  if (digest !== undefined) checkDigest(file, digest, failed);
  try {
    const objects: Dir[] = basedir.map((each) => context.openDir(each));
    const where: MountImageOptions = {
      image: file,
      objects,
      // Whoever names the image's digest trusts those in it.
      verity: digest === undefined ? options.verity : "require",
      readOnly: options.readOnly,
      devices: context.openDir("/dev"),
      scratch: context.openDir("/tmp"),
      ...(userNamespace === undefined ? {} : { idMap: userNamespace }),
      ...(upperdir === undefined || workdir === undefined
        ? {}
        : { changes: { upper: context.openDir(upperdir), work: context.openDir(workdir) } }),
    };
    const onto = context.openDir(point);
    using mounted = mountImage(where);
    attachMount(mounted, onto);
  } catch (error) {
    const reason = reasonOf(error);
    if (reason === undefined) throw error;
    throw failed(
      isStoreError(error, "composefs/mount-refused") && error.context["errno"] === undefined
        ? "Invalid argument"
        : reason,
    );
  }
}

function open(context: DropInContext, path: string, message: string): File {
  try {
    return openHostFile(context, path);
  } catch (error) {
    const reason = reasonOf(error);
    if (reason === undefined) throw error;
    throw refuse(`${message}: ${reason}`);
  }
}

/** What the kernel measures of the image must begin so. */
function checkDigest(file: File, digest: string, failed: (reason: string) => ToolExit): void {
  if (digest.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(digest)) throw failed("Invalid argument");
  const measured = measureVerity(file);
  if (measured.state !== "enabled") throw failed("Image has no fs-verity");
  if (measured.digest.slice(0, 64) !== digest.slice(0, 64).toLowerCase())
    throw failed("Image has wrong fs-verity");
}
