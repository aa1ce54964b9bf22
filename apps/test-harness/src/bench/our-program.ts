import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Command } from "@bootc-store/lab";

const BUILT = fileURLToPath(new URL("../../../cli/dist/main.js", import.meta.url));
const SOURCE = fileURLToPath(new URL("../../../cli/src/main.ts", import.meta.url));

/** As its first line asks for. */
const OPTIONS = ["--max-semi-space-size=2"];

/** The CLI as it is published, where it was built (`pnpm build`), else from its sources, which begin later. */
export function ourProgram(...args: string[]): Command {
  return existsSync(BUILT)
    ? [process.execPath, ...OPTIONS, BUILT, ...args]
    : [process.execPath, ...OPTIONS, "--conditions=@bootc-store/source", SOURCE, ...args];
}
