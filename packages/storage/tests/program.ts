// A root of three stores, changed by a program of its own that can be killed: `program.ts PATH pull|rm|gc [SEED]`. It says
// when it begins and when it is done.
import { createPool } from "@bootc-store/linux";

import { applyRootGc, planRootGc, removeRootImage } from "../src/index.ts";
import { fillRoot, withRoot } from "./root.ts";

const [path = "", action, seed = ""] = process.argv.slice(2);
const pool = createPool({ size: 2 });
process.stdout.write("begin\n");
if (action === "pull") await fillRoot(path, pool, [Number(seed)]);
else if (action === "rm")
  await withRoot(path, pool, async (stores) => await removeRootImage(stores, `localhost/os:${seed}`));
else if (action === "gc")
  await withRoot(
    path,
    pool,
    async (stores, root) => await applyRootGc(stores, await planRootGc(root, stores)),
  );
else throw new Error(`what is ${action}?`);
process.stdout.write("done\n");
await pool[Symbol.asyncDispose]();
