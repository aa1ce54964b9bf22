// Named places inside mutating operations where a test may end the process, to see that what is on disk
// then is sound. In production the hook is absent and a point costs one comparison.

/** `package/operation/place`, for instance `composefs/write-image/after-object-before-link`. */
export type CrashPointName = `${string}/${string}/${string}`;

let hook: ((name: CrashPointName) => void) | undefined;

export function crashPoint(name: CrashPointName): void {
  if (hook !== undefined) hook(name);
}

/** Installs the hook for the life of the returned handle. For tests and the harness. */
export function onCrashPoint(callback: (name: CrashPointName) => void): Disposable {
  const previous = hook;
  hook = callback;
  return {
    [Symbol.dispose]() {
      hook = previous;
    },
  };
}
