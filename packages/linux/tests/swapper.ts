// Puts links to `keep` in the place of directories of the tree `t`, again and again.
import { renameSync, symlinkSync, unlinkSync } from "node:fs";

const base = String(process.argv[2]);

process.send?.("ready");
// An end of its own, should whoever started it be killed.
for (const end = Date.now() + 20_000; Date.now() < end;) {
  for (const [name, target] of [
    ["t/d", "../keep"],
    ["t/d/e", "../../keep"],
  ] as const) {
    try {
      renameSync(`${base}/${name}`, `${base}/away`);
      symlinkSync(target, `${base}/${name}`);
      unlinkSync(`${base}/${name}`);
      renameSync(`${base}/away`, `${base}/${name}`);
    } catch {
      // It is being removed just now.
    }
  }
}
