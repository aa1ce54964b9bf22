// Who we are to which registry: containers-auth.json(5) in containers/image's order, or ostree's files in bootc's.

import { isStoreError } from "@bootc-store/core";

import { ociErrors } from "../errors.ts";
import { Fields } from "../json/fields.ts";
import { parseJson } from "../json/parse.ts";
import { Credential } from "../registry/credential.ts";
import { type Host, readHostFileOptional } from "../transport/host.ts";
import { configHome, type HostEnvironment, variable } from "./environment.ts";

const FILE_LIMIT = 4 << 20;

/** Runs `docker-credential-NAME get` with the registry as its input, and gives its output. */
export type CredentialHelper = (name: string, registry: string) => Promise<string>;

export interface CredentialOptions {
  readonly host: Host;
  readonly env: HostEnvironment;
  /** The only file to look in. */
  readonly authFile?: string;
  /** Looks where bootc does: in ostree's files, and nowhere else. */
  readonly ostree?: boolean;
  /** Without it, registries that need a helper have no credentials. */
  readonly helper?: CredentialHelper;
  /** `credential-helpers` of registries.conf. */
  readonly helpers?: readonly string[];
}

interface AuthFile {
  readonly path: string;
  readonly legacy: boolean;
}

/**
 * The credentials for a repository: of the first file that has any. Throws `oci/config-invalid` for a file that is
 * malformed; nothing of its content is in the message.
 */
export async function findCredential(
  domain: string,
  path: string,
  options: CredentialOptions,
): Promise<Credential | undefined> {
  for (const helper of options.helpers ?? ["containers-auth.json"]) {
    const found =
      helper === "containers-auth.json"
        ? await fromFiles(domain, path, options)
        : await fromHelper(helper, domain, options);
    if (found !== undefined) return found;
  }
  return undefined;
}

async function fromFiles(
  domain: string,
  path: string,
  options: CredentialOptions,
): Promise<Credential | undefined> {
  for (const file of authFiles(options)) {
    const bytes = readHostFileOptional(options.host, file.path, FILE_LIMIT);
    if (bytes === undefined) continue;
    const found = await inFile(bytes, file, domain, path, options);
    if (found !== undefined || options.ostree === true) return found;
  }
  return undefined;
}

/** The files to look in, in order. An explicit one is the only one. */
function authFiles(options: CredentialOptions): AuthFile[] {
  const { env, authFile, ostree } = options;
  const explicit = authFile ?? (ostree === true ? undefined : variable(env, "REGISTRY_AUTH_FILE"));
  if (explicit !== undefined) return [{ path: explicit, legacy: false }];
  const runtime = variable(env, "XDG_RUNTIME_DIR");
  if (ostree === true) {
    const paths =
      env.uid === 0
        ? ["/run/ostree/auth.json", "/etc/ostree/auth.json", "/usr/lib/ostree/auth.json"]
        : [
            ...(runtime === undefined ? [] : [`${runtime}/ostree/auth.json`]),
            `${configHome(env)}/ostree/auth.json`,
          ];
    return paths.map((path) => ({ path, legacy: false }));
  }
  const docker = variable(env, "DOCKER_CONFIG") ?? `${env.home}/.docker`;
  return [
    {
      path: `${runtime ?? `/run/containers/${env.uid}`}${runtime === undefined ? "" : "/containers"}/auth.json`,
      legacy: false,
    },
    { path: `${configHome(env)}/containers/auth.json`, legacy: false },
    { path: `${docker}/config.json`, legacy: false },
    { path: `${env.home}/.dockercfg`, legacy: true },
  ];
}

async function inFile(
  bytes: Uint8Array,
  file: AuthFile,
  domain: string,
  path: string,
  options: CredentialOptions,
): Promise<Credential | undefined> {
  const refuse = (problem: string): Error =>
    ociErrors.error("config-invalid", `${file.path}: ${problem}`, { context: { path: file.path } });
  let fields: Fields;
  try {
    fields = Fields.of(parseJson(bytes, { what: file.path }), "", refuse);
  } catch (error) {
    if (isStoreError(error, "oci/json-invalid")) throw refuse("not JSON");
    throw error;
  }
  if (!file.legacy) {
    const helper = fields.fieldsOptional("credHelpers")?.stringOptional(domain);
    if (helper !== undefined && helper !== "") return await fromHelper(helper, domain, options);
  }
  const auths = file.legacy ? fields : fields.fieldsOptional("auths");
  if (auths === undefined) return undefined;
  for (const key of keysOf(domain, path)) {
    const found = auths.has(key) ? credentialOf(auths.fields(key)) : undefined;
    if (found !== undefined) return found;
  }
  const wanted = normalHost(domain);
  for (const key of auths.keys()) {
    if (normalHost(key) !== wanted || (key.includes("/") && !/^https?:\/\//.test(key))) continue;
    const found = credentialOf(auths.fields(key));
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The repository's own name, those of the namespaces that it is in, and the registry's. */
function keysOf(domain: string, path: string): string[] {
  const keys: string[] = [];
  for (let name = `${domain}/${path}`; ; name = name.slice(0, name.lastIndexOf("/"))) {
    keys.push(name);
    if (!name.includes("/")) return keys;
  }
}

/** How old files spell a registry: with a scheme, a path, and Docker's index. */
function normalHost(key: string): string {
  const host = key.replace(/^https?:\/\//, "").split("/", 1)[0] as string;
  return host === "docker.io" || host === "registry-1.docker.io" ? "index.docker.io" : host;
}

function credentialOf(fields: Fields): Credential | undefined {
  const identity = fields.stringOptional("identitytoken");
  if (identity !== undefined && identity !== "") return Credential.identityToken(identity);
  const text = Buffer.from(fields.stringOptional("auth") ?? "", "base64").toString("utf8");
  const colon = text.indexOf(":");
  if (colon < 0) return undefined;
  // Some writers pad passwords with NULs.
  const password = text.slice(colon + 1).replaceAll("\0", "");
  return text.slice(0, colon) === "" && password === ""
    ? undefined
    : Credential.password(text.slice(0, colon), password);
}

async function fromHelper(
  name: string,
  registry: string,
  options: CredentialOptions,
): Promise<Credential | undefined> {
  if (!/^[A-Za-z0-9_.-]+$/.test(name)) {
    throw ociErrors.error("config-invalid", `"${name.slice(0, 80)}" is not the name of a credential helper`);
  }
  const output = await options.helper?.(name, registry);
  if (output === undefined || output === "") return undefined;
  const refuse = (): Error =>
    ociErrors.error("config-invalid", `the credential helper ${name} gives no credentials`);
  const fields = Fields.of(
    parseJson(output, { what: `output of the credential helper ${name}` }),
    "",
    refuse,
  );
  const user = fields.stringOptional("Username") ?? "";
  const secret = fields.stringOptional("Secret") ?? "";
  if (user === "" && secret === "") return undefined;
  return user === "<token>" ? Credential.identityToken(secret) : Credential.password(user, secret);
}
