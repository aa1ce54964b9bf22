import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Command } from "@bootc-store/lab";

const BUILT = fileURLToPath(new URL("../../../cli/dist/main.js", import.meta.url));
const SOURCE = fileURLToPath(new URL("../../../cli/src/main.ts", import.meta.url));

/** The CLI as it is published, where it was built (`pnpm build`), else from its sources, which begin later. */
export function ourProgram(...args: string[]): Command {
  return existsSync(BUILT)
    ? [process.execPath, BUILT, ...args]
    : [process.execPath, "--conditions=@bootc-store/source", SOURCE, ...args];
}
