// Roots made by hand: a path and its content a line. A function makes what is not a file.
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

import { utf8 } from "@bootc-store/core";
import { Dir } from "@bootc-store/linux";

export type Plants = Readonly<Record<string, string | { link: string } | { mode: number } | null>>;

export interface Planted extends Disposable {
  readonly path: string;
  readonly dir: Dir;
}

/**
 * A directory with these things in it: a string is a file's content, `null` a directory, `{ link }` a symlink,
 * `{ mode }` a directory with exactly that mode.
 */
export function plant(plants: Plants): Planted {
  const path = mkdtempSync(join(tmpdir(), "bootc-store-root-"));
  for (const [name, what] of Object.entries(plants)) {
    const place = join(path, name);
    mkdirSync(dirname(place), { recursive: true });
    if (what === null) mkdirSync(place, { recursive: true });
    else if (typeof what === "string") writeFileSync(place, what);
    else if ("link" in what) symlinkSync(what.link, place);
    else {
      mkdirSync(place, { recursive: true });
      chmodSync(place, what.mode);
    }
  }
  const dir = Dir.openHost(utf8(path));
  return {
    path,
    dir,
    [Symbol.dispose]() {
      dir[Symbol.dispose]();
      rmSync(path, { recursive: true, force: true });
    },
  };
}
