// The stand-in as a program of its own, to be killed or made to fail: `program.ts DIRECTORY ARGUMENTS…`. With WORKERS=0,
// the default, everything happens on one thread, so that its calls come in the same order each time.

import { runOurs } from "./stand-in.ts";

const [cwd = ".", ...argv] = process.argv.slice(2);
const { code, out, err } = await runOurs(cwd, argv, { workers: Number(process.env["WORKERS"] ?? 0) });
process.stdout.write(out);
process.stderr.write(err);
process.exitCode = code;
