// What configuration asks of the environment. Libraries do not read it; whoever calls says what it is.

export interface HostEnvironment {
  /** The user's home directory. */
  readonly home: string;
  readonly uid: number;
  /** `XDG_RUNTIME_DIR`, `XDG_CONFIG_HOME`, `DOCKER_CONFIG`, `REGISTRY_AUTH_FILE` and the like. */
  readonly variables: Readonly<Record<string, string | undefined>>;
}

/** A variable that is set and not empty. */
export function variable(env: HostEnvironment, name: string): string | undefined {
  return env.variables[name] || undefined;
}

/** `$XDG_CONFIG_HOME`, or where it is when it is not set. */
export function configHome(env: HostEnvironment): string {
  return variable(env, "XDG_CONFIG_HOME") ?? `${env.home}/.config`;
}

/** `$XDG_CACHE_HOME`, or where it is when it is not set. */
export function cacheHome(env: HostEnvironment): string {
  return variable(env, "XDG_CACHE_HOME") ?? `${env.home}/.cache`;
}
