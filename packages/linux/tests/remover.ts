// Removes a tree with Node's own call whenever it is told to, to be in the way of another remover.
import { rmSync } from "node:fs";

const base = String(process.argv[2]);

process.on("message", (name: string) => {
  for (;;) {
    try {
      rmSync(`${base}/${name}`, { recursive: true, force: true, maxRetries: 100 });
      break;
    } catch {
      // Somebody else removed something first; again.
    }
  }
  process.send?.("done");
});
process.on("disconnect", () => process.exit());
process.send?.("ready");
