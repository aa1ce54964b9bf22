// The stand-in as a process of its own.
import { createPool } from "@bootc-store/linux";

import { cfsctl } from "../../src/drop-ins/index.ts";
import { runTool } from "../tool-context.ts";

const pool = createPool();
const { code, out, err } = await runTool(cfsctl, process.argv.slice(2), { cwd: process.cwd(), pool });
process.stdout.write(out);
process.stderr.write(err);
await pool[Symbol.asyncDispose]();
process.exitCode = code;
