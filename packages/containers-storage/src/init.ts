import { type ByteString, utf8 } from "@bootc-store/core";
import type { Dir } from "@bootc-store/linux";

import type { StorePlaces } from "./places.ts";

/** Makes what a store has before anything is in it, as the real library does when it first opens one. */
export function initStore(places: StorePlaces): void {
  places.requireWritable();
  const { graphRoot } = places;
  touch(graphRoot, utf8("storage.lock"));
  touch(graphRoot, utf8("userns.lock"));
  places.dir("content");
  places.subdir("content", "l", 0o755);
  for (const part of ["layers", "images", "containers"] as const)
    touch(places.dir(part), utf8(`${part}.lock`));
  for (const part of ["content", "layers", "containers"] as const) places.dir(part, "run");
  places.runRoot?.ensureDir(utf8(`${places.driver}-locks`), { mode: 0o700 });
}

function touch(dir: Dir, name: ByteString): void {
  dir.openFile(name, { access: "read-write", create: 0o644 })[Symbol.dispose]();
}
