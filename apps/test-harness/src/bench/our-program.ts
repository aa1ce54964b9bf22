import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Command } from "@bootc-store/lab";

const BUNDLE = fileURLToPath(new URL("../../../cli/bundle/main.js", import.meta.url));
const TOOL = fileURLToPath(new URL("../../../../tools/bundle.ts", import.meta.url));

/** As its first line asks for. */
const OPTIONS = ["--max-semi-space-size=2"];

let made = false;

/** The CLI as it is published, made anew of the present sources when it is first asked for. */
export function ourProgram(...args: string[]): Command {
  if (!made) {
    execFileSync(process.execPath, [TOOL], { stdio: ["ignore", "ignore", "inherit"] });
    made = true;
  }
  return [process.execPath, ...OPTIONS, BUNDLE, ...args];
}
