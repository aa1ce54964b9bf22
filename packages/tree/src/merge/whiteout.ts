import { type ByteString, utf8 } from "@bootc-store/core";

import { treeErrors } from "../errors.ts";
import { type Inode, isOverlayWhiteout } from "../leaf.ts";
import type { Metadata } from "../metadata.ts";
import type { Xattrs } from "../xattrs.ts";

/** What the names of whiteouts begin with. */
export const WHITEOUT_PREFIX: ByteString = utf8(".wh.");

/** The name that hides all that a directory has from lower layers. */
export const OPAQUE_NAME: ByteString = utf8(".wh..wh..opq");

/** The name that a whiteout's name hides; `undefined` if it is no whiteout, or the mark of an opaque directory. */
export function whiteoutTarget(name: ByteString): ByteString | undefined {
  return name.startsWith(WHITEOUT_PREFIX) && name !== OPAQUE_NAME
    ? (name.slice(WHITEOUT_PREFIX.length) as ByteString)
    : undefined;
}

/** What overlay's own attributes say about an inode of a lower or upper directory. */
export class OverlayMarks {
  readonly #prefix: string;
  readonly #escaped: string;
  readonly #opaque: ByteString;
  readonly #whiteout: ByteString;

  constructor(prefix: "trusted.overlay." | "user.overlay.") {
    this.#prefix = prefix;
    this.#escaped = `${prefix}overlay.`;
    this.#opaque = utf8(`${prefix}opaque`);
    this.#whiteout = utf8(`${prefix}whiteout`);
  }

  /** The attribute that makes a directory opaque, with the value `y`. */
  get opaqueName(): ByteString {
    return this.#opaque;
  }

  isOpaque(inode: Inode): boolean {
    return inode.metadata.xattrs.get(this.#opaque) === "y";
  }

  /** Whether files in this directory can be whiteouts by attribute, as nested composefs mounts have them. */
  hasFileWhiteouts(inode: Inode): boolean {
    return inode.metadata.xattrs.get(this.#opaque) === "x";
  }

  isWhiteout(inode: Inode, fileWhiteouts: boolean): boolean {
    if (isOverlayWhiteout(inode)) return true;
    return (
      fileWhiteouts && inode.kind === "file" && inode.size === 0 && inode.metadata.xattrs.has(this.#whiteout)
    );
  }

  /** The metadata as the mounted overlay shows it: its own attributes hidden, escaped ones with their real names. */
  visible(metadata: Metadata): Metadata {
    const { xattrs } = metadata;
    if (xattrs.size === 0) return metadata;
    const shown = this.#visibleXattrs(xattrs);
    return shown === xattrs ? metadata : { ...metadata, xattrs: shown };
  }

  #visibleXattrs(xattrs: Xattrs): Xattrs {
    const escaped: (readonly [ByteString, ByteString])[] = [];
    let shown = xattrs.filter((name, value) => {
      if (!name.startsWith(this.#prefix)) return true;
      if (name.startsWith(this.#escaped)) {
        escaped.push([`${this.#prefix}${name.slice(this.#escaped.length)}` as ByteString, value]);
      } else if (name === `${this.#prefix}redirect` || name === `${this.#prefix}metacopy`) {
        throw treeErrors.error(
          "overlay-feature-unsupported",
          `an inode has the attribute "${name}", so its content is in another place`,
        );
      }
      return false;
    });
    for (const [name, value] of escaped) shown = shown.with(name, value);
    return shown;
  }
}
