// Ours for "walk": every entry of a tree with its type, size and mode, as find -printf does.
import { utf8 } from "@bootc-store/core";
import { Dir } from "@bootc-store/linux";

const [root] = process.argv.slice(2);
if (root === undefined) throw new Error("usage: walk-tree.ts DIR");
using dir = Dir.openHost(utf8(root));
let entries = 0;
let bytes = 0;
for (const entry of dir.walk()) {
  const stat = entry.dir.stat(entry.name);
  entries++;
  if (entry.type === "regular") bytes += stat.size;
}
console.log(`${entries} ${bytes}`);
