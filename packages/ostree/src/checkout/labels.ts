import type { ByteString } from "@bootc-store/core";
import { TYPE_BITS } from "@bootc-store/tree";

import { pathParts } from "../read/tree-path.ts";
import type { Labels } from "./file.ts";
import type { CheckoutOptions } from "./options.ts";

/** The label by the policy of what will be at `dir/name` of the destination. */
export function labelAt(
  { label }: CheckoutOptions,
  dir: ByteString | "",
  name: ByteString | "",
  mode: number,
): ByteString | undefined {
  if (label === undefined) return undefined;
  const parts = [...pathParts(label.prefix), ...[dir, name].filter((part) => part !== "")];
  return label.rule(`/${parts.join("/")}` as ByteString, mode);
}

/** The same of what is a file or a symlink, which only a look at the object says. */
export function labelsAt(
  options: CheckoutOptions,
  dir: ByteString | "",
  name: ByteString,
): Labels | undefined {
  if (options.label === undefined) return undefined;
  const file = labelAt(options, dir, name, TYPE_BITS.file);
  const symlink = labelAt(options, dir, name, TYPE_BITS.symlink);
  return file === undefined && symlink === undefined ? undefined : [file, symlink];
}
