// Our store as a program of its own, to be killed: `program.ts ROOT RUN pull LAYOUT NAME`, `program.ts ROOT RUN delete NAME`.

import { mkdirSync } from "node:fs";

import { utf8 } from "@bootc-store/core";
import { createPool, Dir } from "@bootc-store/linux";

import { ContainersStorage } from "../../src/index.ts";
import { layoutImage } from "./layout.ts";

const [root = "", run = "", action, first = "", second = ""] = process.argv.slice(2);
for (const path of [root, run]) mkdirSync(path, { recursive: true, mode: 0o700 });
const pool = createPool({ size: action === "pull" ? Number(process.env["WORKERS"] ?? 0) : 0 });
const { store } = ContainersStorage.ensure({
  graphRoot: Dir.openHost(utf8(root)),
  runRoot: Dir.openHost(utf8(run)),
  pool,
});
if (action === "pull") await store.writeImage(layoutImage(first), { names: [second] });
else if (action === "delete") await store.deleteImage(first);
else if (action === "tag") await store.changeNames(first, { add: [second] });
else if (action === "untag") await store.changeNames(first, { remove: [second] });
else if (action === "list") console.log(JSON.stringify(await store.images()));
else if (action === "check") {
  const errors = (await Array.fromAsync(store.verify())).filter(({ severity }) => severity === "error");
  for (const { code, message, subject } of errors)
    console.error(`${code} ${subject.kind} ${subject.id}: ${message}`);
  process.exitCode = errors.length === 0 ? 0 : 1;
} else throw new Error(`what is ${action}?`);
await store[Symbol.asyncDispose]();
await pool[Symbol.asyncDispose]();
