// registries.conf, version 2: where a reference is really fetched from. containers-registries.conf(5); where the man
// page and containers/image differ, the latter.

import { displayName, isStoreError } from "@bootc-store/core";
import * as toml from "smol-toml";

import { ociErrors } from "../errors.ts";
import {
  type DockerReference,
  isDomain,
  parseDockerReference,
  printDockerReference,
} from "../reference/docker-reference.ts";
import { type Host, openHostDirOptional, readHostFileOptional } from "../transport/host.ts";
import { cacheHome, type HostEnvironment } from "./environment.ts";

export interface Mirror {
  readonly location: string;
  readonly insecure: boolean;
  /** Which references it serves. */
  readonly pull: "all" | "digest-only" | "tag-only";
}

export interface RegistryRule {
  readonly prefix: string;
  /** Empty where only a wildcard prefix is given: nothing is rewritten. */
  readonly location: string;
  readonly insecure: boolean;
  readonly blocked: boolean;
  readonly mirrors: readonly Mirror[];
}

export interface RegistriesConf {
  readonly registries: readonly RegistryRule[];
  readonly searchRegistries: readonly string[];
  readonly shortNameMode: "disabled" | "permissive" | "enforcing";
  /** Full names without tag or digest; an empty one takes an alias away. */
  readonly aliases: ReadonlyMap<string, string>;
  readonly credentialHelpers: readonly string[];
}

/** A file of the configuration: what it does not say stays `undefined`. */
interface ConfFile {
  readonly registries: readonly RegistryRule[];
  readonly searchRegistries?: readonly string[];
  readonly shortNameMode?: RegistriesConf["shortNameMode"];
  readonly aliases: ReadonlyMap<string, string>;
  readonly credentialHelpers?: readonly string[];
}

const FILE_LIMIT = 4 << 20;
const NAME = "registries.conf";

/** What is there without any file. */
export const EMPTY_REGISTRIES_CONF: RegistriesConf = {
  registries: [],
  searchRegistries: [],
  shortNameMode: "permissive",
  aliases: new Map(),
  credentialHelpers: ["containers-auth.json"],
};

/** Reads the host's configuration with its drop-ins. Throws `oci/config-invalid`. */
export function loadRegistriesConf(host: Host, env: HostEnvironment, explicit?: string): RegistriesConf {
  const user = `${env.home}/.config/containers/${NAME}`;
  const paths = explicit === undefined ? [user, `/etc/containers/${NAME}`] : [explicit];
  const files: ConfFile[] = [];
  let chosen = "";
  for (const path of paths) {
    const bytes = readHostFileOptional(host, path, FILE_LIMIT);
    if (bytes === undefined) continue;
    chosen = path;
    files.push(parseConfFile(bytes, path, false));
    break;
  }
  if (chosen === "" && explicit !== undefined) {
    throw ociErrors.error("config-invalid", `${explicit}: there is no such file`, {
      context: { path: explicit },
    });
  }
  const dropIns =
    explicit !== undefined
      ? []
      : chosen === user
        ? [`${user}.d`]
        : [`/etc/containers/${NAME}.d`, `${user}.d`];
  for (const path of dropIns) files.push(...readDropIns(host, path));
  files.push(...readMachineAliases(host, env));
  return mergeConf(files);
}

/** The aliases that were settled on this machine: containers' tools keep there what a person chose once. They win. */
function readMachineAliases(host: Host, env: HostEnvironment): ConfFile[] {
  const cache = env.uid === 0 ? "/var/cache" : cacheHome(env);
  const path = `${cache}/containers/short-name-aliases.conf`;
  const bytes = readHostFileOptional(host, path, FILE_LIMIT);
  if (bytes === undefined) return [];
  const { aliases } = parseConfFile(bytes, path, true);
  return [{ registries: [], aliases }];
}

function readDropIns(host: Host, path: string): ConfFile[] {
  using dir = openHostDirOptional(host, path);
  if (dir === undefined) return [];
  return dir
    .list()
    .filter(({ name, type }) => name.endsWith(".conf") && type !== "directory")
    .map(({ name }) => {
      const full = `${path}/${displayName(name)}`;
      const bytes = dir.readFile(name, { resolution: "beneath", limit: FILE_LIMIT });
      return parseConfFile(bytes, full, true);
    });
}

/** Parses one file. Throws `oci/config-invalid`. */
export function parseRegistriesConf(text: string, path = NAME): RegistriesConf {
  return mergeConf([parseConfFile(Buffer.from(text), path, false)]);
}

/** Later files replace: registries of one prefix, settings that are there, aliases by name. */
function mergeConf(files: readonly ConfFile[]): RegistriesConf {
  const registries = new Map<string, RegistryRule>();
  const aliases = new Map<string, string>();
  let { searchRegistries, shortNameMode, credentialHelpers } = EMPTY_REGISTRIES_CONF;
  for (const file of files) {
    for (const rule of file.registries) registries.set(rule.prefix, rule);
    for (const [name, value] of file.aliases) aliases.set(name, value);
    searchRegistries = file.searchRegistries ?? searchRegistries;
    shortNameMode = file.shortNameMode ?? shortNameMode;
    credentialHelpers = file.credentialHelpers ?? credentialHelpers;
  }
  const rules = [...registries.values()];
  checkConsistent(rules);
  return { registries: rules, searchRegistries, shortNameMode, aliases, credentialHelpers };
}

type Table = Readonly<Record<string, unknown>>;

function parseConfFile(bytes: Uint8Array, path: string, dropIn: boolean): ConfFile {
  const refuse = (problem: string): Error =>
    ociErrors.error("config-invalid", `${path}: ${problem}`, { context: { path } });
  let table: Table;
  try {
    table = toml.parse(Buffer.from(bytes).toString("utf8"));
  } catch (error) {
    const said = error instanceof Error ? (error.message.split("\n", 1)[0] as string) : "";
    throw refuse(`not TOML: ${said}`);
  }
  const v2 = [
    "registry",
    "unqualified-search-registries",
    "aliases",
    "short-name-mode",
    "credential-helpers",
  ];
  const old = isTable(table["registries"]) ? table["registries"] : undefined;
  if (old !== undefined) {
    if (dropIn || v2.some((key) => table[key] !== undefined))
      throw refuse("the old and the new form are mixed");
    return convertOld(old, refuse);
  }
  const registries = new Map<string, RegistryRule>();
  for (const each of listOf(table["registry"], "registry", refuse)) {
    const rule = parseRule(each, refuse);
    if (!registries.has(rule.prefix)) registries.set(rule.prefix, rule);
  }
  const search = stringsOf(table["unqualified-search-registries"], "unqualified-search-registries", refuse);
  const bad = search?.find((each) => !isDomain(each));
  if (bad !== undefined) throw refuse(`"${bad}" is not the name of a registry`);
  const helpers = stringsOf(table["credential-helpers"], "credential-helpers", refuse);
  const mode = table["short-name-mode"];
  if (
    mode !== undefined &&
    mode !== "" &&
    mode !== "disabled" &&
    mode !== "permissive" &&
    mode !== "enforcing"
  ) {
    throw refuse("short-name-mode is none of disabled, permissive and enforcing");
  }
  return {
    registries: [...registries.values()],
    aliases: parseAliases(table["aliases"], refuse),
    ...(search === undefined ? {} : { searchRegistries: search }),
    ...(helpers === undefined ? {} : { credentialHelpers: helpers }),
    ...(mode === undefined || mode === "" ? {} : { shortNameMode: mode }),
  };
}

type Refuse = (problem: string) => Error;

function parseRule(table: Table, refuse: Refuse): RegistryRule {
  let location = cleanLocation(table["location"], refuse);
  let prefix = cleanLocation(table["prefix"], refuse);
  if (prefix === "") prefix = location;
  if (prefix === "") throw refuse("a registry has neither prefix nor location");
  if (prefix.startsWith("*.")) {
    if (/[/@:]/.test(prefix.slice(2)) || !isDomain(prefix.slice(2))) {
      throw refuse(`the prefix "${prefix}" is more than a domain's`);
    }
  } else if (location === "") throw refuse(`the registry "${prefix}" has no location`);
  if (location.startsWith("*.")) location = "";
  const digestOnly = flag(table["mirror-by-digest-only"], "mirror-by-digest-only", refuse);
  if (table["pull-from-mirror"] !== undefined) throw refuse("pull-from-mirror is a setting of mirrors");
  const mirrors = listOf(table["mirror"], "mirror", refuse).map((each): Mirror => {
    const place = cleanLocation(each["location"], refuse);
    if (place === "") throw refuse(`a mirror of "${prefix}" has no location`);
    const pull = each["pull-from-mirror"];
    if (pull !== undefined && digestOnly) {
      throw refuse(`"${prefix}" has both mirror-by-digest-only and pull-from-mirror`);
    }
    if (
      pull !== undefined &&
      pull !== "" &&
      pull !== "all" &&
      pull !== "digest-only" &&
      pull !== "tag-only"
    ) {
      throw refuse(`pull-from-mirror of "${place}" is none of all, digest-only and tag-only`);
    }
    return {
      location: place,
      insecure: flag(each["insecure"], "insecure", refuse),
      pull: pull === undefined || pull === "" ? (digestOnly ? "digest-only" : "all") : pull,
    };
  });
  return {
    prefix,
    location,
    insecure: flag(table["insecure"], "insecure", refuse),
    blocked: flag(table["blocked"], "blocked", refuse),
    mirrors,
  };
}

/** The form of before 2019: three lists of hosts. */
function convertOld(table: Table, refuse: Refuse): ConfFile {
  const list = (key: string): readonly string[] => {
    const part = table[key];
    return (isTable(part) ? stringsOf(part["registries"], key, refuse) : undefined) ?? [];
  };
  const rules = new Map<string, RegistryRule>();
  const add = (name: string, change: Partial<RegistryRule>): void => {
    const location = cleanLocation(name, refuse);
    const before = rules.get(location) ?? {
      prefix: location,
      location,
      insecure: false,
      blocked: false,
      mirrors: [],
    };
    rules.set(location, { ...before, ...change });
  };
  for (const name of list("block")) add(name, { blocked: true });
  for (const name of list("insecure")) add(name, { insecure: true });
  const search = list("search").map((name) => cleanLocation(name, refuse));
  return { registries: [...rules.values()], searchRegistries: search, aliases: new Map() };
}

function parseAliases(value: unknown, refuse: Refuse): Map<string, string> {
  const aliases = new Map<string, string>();
  if (value === undefined) return aliases;
  if (!isTable(value)) throw refuse("aliases is not a table");
  for (const [name, target] of Object.entries(value)) {
    if (typeof target !== "string") throw refuse(`the alias "${name}" is not a text`);
    if (!isShortName(name) || /[:@]/.test(name)) throw refuse(`"${name}" is not a short name`);
    if (target !== "") {
      const reference = referenceOf(target, refuse);
      if (reference.tag !== undefined || reference.digest !== undefined || isShortName(target)) {
        throw refuse(`the alias "${name}" is not for a full name without tag`);
      }
    }
    aliases.set(name, target);
  }
  return aliases;
}

function referenceOf(text: string, refuse: Refuse): DockerReference {
  try {
    return parseDockerReference(text);
  } catch (error) {
    if (isStoreError(error, "oci/reference-invalid")) throw refuse(error.message);
    throw error;
  }
}

/** Whether a name says no registry, so that one has to be found for it. */
export function isShortName(text: string): boolean {
  const slash = text.indexOf("/");
  const first = text.slice(0, Math.max(slash, 0));
  return slash < 0 || !(/[.:]/.test(first) || first === "localhost");
}

function checkConsistent(rules: readonly RegistryRule[]): void {
  const seen = new Map<string, RegistryRule>();
  for (const rule of rules) {
    if (rule.location === "") continue;
    const other = seen.get(rule.location);
    if (other !== undefined && (other.insecure !== rule.insecure || other.blocked !== rule.blocked)) {
      throw ociErrors.error("config-invalid", `${NAME}: two opinions about "${rule.location}"`);
    }
    seen.set(rule.location, rule);
  }
}

function cleanLocation(value: unknown, refuse: Refuse): string {
  if (value === undefined) return "";
  if (typeof value !== "string") throw refuse("a location is not a text");
  const text = value.replace(/\/+$/, "");
  if (/^https?:\/\//.test(text)) throw refuse(`"${text}": a location has no http:// or https:// before it`);
  return text;
}

function flag(value: unknown, key: string, refuse: Refuse): boolean {
  if (value !== undefined && typeof value !== "boolean") throw refuse(`${key} is neither true nor false`);
  return value ?? false;
}

function isTable(value: unknown): value is Table {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

function listOf(value: unknown, key: string, refuse: Refuse): readonly Table[] {
  if (value === undefined) return [];
  if (!Array.isArray(value) || !value.every(isTable)) throw refuse(`${key} is not a list of tables`);
  return value;
}

function stringsOf(value: unknown, key: string, refuse: Refuse): readonly string[] | undefined {
  if (value === undefined) return undefined;
  if (!Array.isArray(value) || !value.every((each) => typeof each === "string")) {
    throw refuse(`${key} is not a list of texts`);
  }
  return value;
}

/** A place to fetch an image from. */
export interface Endpoint {
  readonly reference: DockerReference;
  readonly insecure: boolean;
  readonly mirror: boolean;
}

/** The rule for a reference: the one with the longest prefix that fits. */
export function ruleFor(conf: RegistriesConf, reference: DockerReference): RegistryRule | undefined {
  const text = printDockerReference(reference);
  let best: RegistryRule | undefined;
  for (const rule of conf.registries) {
    if (prefixLength(rule.prefix, text) < 0) continue;
    if (best === undefined || rule.prefix.length > best.prefix.length) best = rule;
  }
  return best;
}

/** How many characters of the reference the prefix stands for; negative if it does not fit. */
function prefixLength(prefix: string, text: string): number {
  if (prefix.startsWith("*.")) {
    const host = text.split(/[/:@]/, 1)[0] as string;
    return host.endsWith(prefix.slice(1)) && host.length > prefix.length - 1 ? host.length : -1;
  }
  if (!text.startsWith(prefix)) return -1;
  const next = text[prefix.length];
  return next === undefined || ":/@".includes(next) ? prefix.length : -1;
}

/** Where to fetch a reference from, in order: mirrors, then the place itself. Throws `oci/registry-blocked`. */
export function endpointsFor(conf: RegistriesConf, reference: DockerReference): Endpoint[] {
  const rule = ruleFor(conf, reference);
  if (rule === undefined) return [{ reference, insecure: false, mirror: false }];
  if (rule.blocked) {
    throw ociErrors.error(
      "registry-blocked",
      `${printDockerReference(reference)}: "${rule.prefix}" is blocked`,
      {
        context: { ref: printDockerReference(reference) },
      },
    );
  }
  const byDigest = reference.digest !== undefined;
  const mirrors = rule.mirrors
    .filter(({ pull }) => pull === "all" || (pull === "digest-only") === byDigest)
    .map((mirror) => ({
      reference: rewrite(reference, rule.prefix, mirror.location),
      insecure: mirror.insecure,
      mirror: true,
    }));
  const own = rule.location === "" ? reference : rewrite(reference, rule.prefix, rule.location);
  return [...mirrors, { reference: own, insecure: rule.insecure, mirror: false }];
}

function rewrite(reference: DockerReference, prefix: string, location: string): DockerReference {
  const text = printDockerReference(reference);
  return parseDockerReference(`${location}${text.slice(prefixLength(prefix, text))}`);
}

/** Full references that a typed name can mean, in the order of trying. A full name means itself. */
export function resolveShortName(
  conf: RegistriesConf,
  name: string,
): { readonly candidates: readonly DockerReference[]; readonly ask: boolean } {
  if (!isShortName(name)) return { candidates: [parseDockerReference(name)], ask: false };
  const cut = name.search(/[:@]/);
  const bare = cut < 0 ? name : name.slice(0, cut);
  const rest = cut < 0 ? "" : name.slice(cut);
  const alias = conf.aliases.get(bare);
  if (alias !== undefined && alias !== "")
    return { candidates: [parseDockerReference(`${alias}${rest}`)], ask: false };
  const candidates = conf.searchRegistries.map((registry) => parseDockerReference(`${registry}/${name}`));
  if (candidates.length === 0) {
    throw ociErrors.error(
      "reference-invalid",
      `"${name.slice(0, 200)}" says no registry, and none is configured to be searched`,
    );
  }
  return { candidates, ask: candidates.length > 1 && conf.shortNameMode !== "disabled" };
}
