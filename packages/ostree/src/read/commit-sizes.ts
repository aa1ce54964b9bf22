import { objectName } from "../format/object-type.ts";
import { decodeDirtree } from "../format/dirtree.ts";
import { type Dict, variant } from "../gvariant/index.ts";
import type { ObjectReader } from "../objects/reader.ts";
import type { Transaction } from "../repo/transaction.ts";
import { type ObjectSize, writeSizes } from "./sizes.ts";

/** `ostree.sizes` of a tree in an archive: how much each object takes, and how much of it there is. */
export function commitSizes(
  transaction: Transaction,
  root: { readonly tree: string; readonly meta: string },
): Dict {
  const { reader } = transaction;
  const sizes = new Map<string, ObjectSize>();
  addMetadata(reader, sizes, root.meta, "dirmeta");
  const stack = [root.tree];
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    if (sizes.has(next)) continue;
    const bytes = addMetadata(reader, sizes, next, "dirtree");
    const { files, dirs } = decodeDirtree(bytes, objectName(next, "dirtree", reader.mode));
    for (const file of files.values()) addFile(reader, sizes, file);
    for (const { tree, meta } of dirs.values()) {
      addMetadata(reader, sizes, meta, "dirmeta");
      stack.push(tree);
    }
  }
  return [["ostree.sizes", variant("aay", writeSizes([...sizes.values()]))]];
}

function addMetadata(
  reader: ObjectReader,
  sizes: Map<string, ObjectSize>,
  checksum: string,
  type: "dirtree" | "dirmeta",
): Uint8Array {
  const bytes = reader.readMetadata(checksum, type);
  sizes.set(checksum, { checksum, type, archived: bytes.length, unpacked: bytes.length });
  return bytes;
}

function addFile(reader: ObjectReader, sizes: Map<string, ObjectSize>, checksum: string): void {
  if (sizes.has(checksum)) return;
  using object = reader.openFile(checksum);
  const unpacked = object.info.target === undefined ? object.size : object.info.target.length;
  sizes.set(checksum, { checksum, type: "file", archived: object.storedSize, unpacked });
}
