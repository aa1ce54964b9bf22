// Moves `root/a` out of the root and back, with a link to the outside in its place meanwhile; and `root/a/b` one level
// up and back, so that a `..` in it leads elsewhere.
import { renameSync, symlinkSync, unlinkSync } from "node:fs";

const base = String(process.argv[2]);

process.send?.("ready");
// An end of its own, should whoever started it be killed.
for (const end = Date.now() + 20_000; Date.now() < end;) {
  renameSync(`${base}/root/a`, `${base}/moved`);
  symlinkSync("../outside", `${base}/root/a`);
  unlinkSync(`${base}/root/a`);
  renameSync(`${base}/moved`, `${base}/root/a`);
  renameSync(`${base}/root/a/b`, `${base}/b`);
  renameSync(`${base}/b`, `${base}/root/a/b`);
}
