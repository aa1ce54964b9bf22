import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { unmountBelow } from "./mounts.ts";
import { ownedName, ownerAlive } from "./owner.ts";

const PREFIX = ".new-";

/**
 * Makes a directory as a whole or not at all: `fill` works in a directory beside it that carries its owner's name,
 * which is renamed when `fill` has returned. One whose maker has died is removed by the next call here.
 * The caller holds a lock.
 */
export async function makeDirectory(
  path: string,
  parent: string,
  fill: (temporary: string) => Promise<void>,
): Promise<void> {
  await mkdir(parent, { recursive: true });
  await removeAbandoned(parent);
  const temporary = join(parent, `${PREFIX}${ownedName()}`);
  await mkdir(temporary);
  try {
    await fill(temporary);
    // The caller has looked: what is at the place now lacks its record and is not trusted.
    await removeTree(path);
    await rename(temporary, path);
  } catch (error) {
    await removeTree(temporary);
    throw error;
  }
}

/** Removes half-made directories of makers that no longer run. */
export async function removeAbandoned(parent: string): Promise<void> {
  for (const name of await readdir(parent))
    if (name.startsWith(PREFIX) && ownerAlive(name.slice(PREFIX.length)) === false)
      await removeTree(join(parent, name));
}

/** Removes a directory after taking away every mount below it, so that nothing beyond it can be reached. */
export async function removeTree(path: string): Promise<void> {
  if (process.platform === "linux") await unmountBelow(path);
  await rm(path, { recursive: true, force: true, maxRetries: 3 });
}
