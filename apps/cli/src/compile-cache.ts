// Compiled code is kept between runs, which takes a third off the time to start.
//
// Node would keep it below /tmp, where anybody may have made that directory first; and what is in it is run, not checked.
// So it is kept only where nobody but the user who runs the program, or root, can write. Node's own variables hold:
// NODE_DISABLE_COMPILE_CACHE switches it off, NODE_COMPILE_CACHE names another place.
import { lstatSync, mkdirSync, statSync } from "node:fs";
import { enableCompileCache } from "node:module";

/** Never fails: without the directory a start is only slower. */
export function keepCompiledCode(env: NodeJS.ProcessEnv = process.env): void {
  const directory = compileCacheDir(env, process.geteuid?.());
  if (directory === undefined) return;
  enableCompileCache(directory);
  // Threads look there by themselves only where the environment says so. A place that was given stays.
  env["NODE_COMPILE_CACHE"] ??= directory;
}

/** Where it is to be, made where it was missing; `undefined` if there is no such place. */
export function compileCacheDir(
  env: Readonly<NodeJS.ProcessEnv>,
  uid: number | undefined,
  system = "/var/cache",
): string | undefined {
  if (uid === undefined || env["NODE_DISABLE_COMPILE_CACHE"] !== undefined) return undefined;
  const base = uid === 0 ? system : cacheHome(env);
  if (base === undefined) return undefined;
  const ours = `${base}/bootc-store`;
  const directory = `${ours}/compiled`;
  try {
    if (!isOwn(statSync(base), uid)) return undefined;
    for (const path of [ours, directory]) {
      const found = lstatSync(path, { throwIfNoEntry: false });
      if (found === undefined) mkdirSync(path, { mode: 0o700 });
      if (!isOwn(found ?? lstatSync(path), uid)) return undefined;
    }
    return directory;
  } catch {
    // Read-only, full, not there: nothing that a run should hear of.
    return undefined;
  }
}

function cacheHome(env: Readonly<NodeJS.ProcessEnv>): string | undefined {
  const { XDG_CACHE_HOME: given, HOME: home } = env;
  if (given?.startsWith("/") === true) return given;
  return home?.startsWith("/") === true ? `${home}/.cache` : undefined;
}

function isOwn(
  stat: { readonly uid: number; readonly mode: number; isDirectory(): boolean },
  uid: number,
): boolean {
  return stat.isDirectory() && (stat.uid === uid || stat.uid === 0) && (stat.mode & 0o022) === 0;
}
