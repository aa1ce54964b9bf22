// policy.json (containers-policy.json(5)): what is demanded of an image before it is used. Parsed strictly: a word
// that is not known, or twice there, makes the whole file of no use, since leaving it out could allow too much.

import { isStoreError } from "@bootc-store/core";

import { configHome, type HostEnvironment, variable } from "../host-config/environment.ts";
import { ociErrors } from "../errors.ts";
import { Fields } from "../json/fields.ts";
import { type JsonValue, parseJson } from "../json/parse.ts";
import { parseDockerReference } from "../reference/docker-reference.ts";
import { type Host, readHostFileOptional } from "../transport/host.ts";

/** How the name in a signature has to agree with the name that was asked for. */
export type SignedIdentity =
  | { readonly type: "matchExact" | "matchRepoDigestOrExact" | "matchRepository" }
  | { readonly type: "exactReference"; readonly dockerReference: string }
  | { readonly type: "exactRepository"; readonly dockerRepository: string }
  | { readonly type: "remapIdentity"; readonly prefix: string; readonly signedPrefix: string };

/** Where keys come from: paths of the host, or the keys themselves. */
export interface KeySource {
  readonly paths: readonly string[];
  readonly data: readonly Uint8Array[];
}

export type PolicyRequirement =
  | { readonly type: "insecureAcceptAnything" | "reject" }
  | { readonly type: "signedBy"; readonly keys: KeySource; readonly identity: SignedIdentity }
  | {
      readonly type: "sigstoreSigned";
      /** Without them the certificates of Fulcio or of an own authority are wanted. */
      readonly keys?: KeySource;
      readonly rekorKeys?: KeySource;
      readonly identity: SignedIdentity;
    };

export interface SignaturePolicy {
  readonly default: readonly PolicyRequirement[];
  /** By transport and scope. */
  readonly transports: ReadonlyMap<string, ReadonlyMap<string, readonly PolicyRequirement[]>>;
}

const POLICY_LIMIT = 4 << 20;

const refuse = (problem: string): Error => ociErrors.error("policy-invalid", `policy: ${problem}`);

/** Parses a policy. Throws `oci/policy-invalid`. */
export function parsePolicy(bytes: Uint8Array | string): SignaturePolicy {
  let value: JsonValue;
  try {
    value = parseJson(bytes, { what: "policy" });
  } catch (error) {
    if (isStoreError(error, "oci/json-invalid")) throw ociErrors.error("policy-invalid", error.message);
    throw error;
  }
  const fields = Fields.of(value, "policy", refuse).only("default", "transports");
  const transports = new Map<string, ReadonlyMap<string, readonly PolicyRequirement[]>>();
  const listed = fields.fieldsOptional("transports");
  for (const transport of listed?.keys() ?? []) {
    const scopes = (listed as Fields).fields(transport);
    transports.set(
      transport,
      new Map(scopes.keys().map((scope) => [scope, requirementsOf(scopes, scope)] as const)),
    );
  }
  return { default: requirementsOf(fields, "default"), transports };
}

function requirementsOf(fields: Fields, key: string): PolicyRequirement[] {
  return fields.fieldsOf(key).map(parseRequirement);
}

function parseRequirement(fields: Fields): PolicyRequirement {
  const type = fields.string("type");
  switch (type) {
    case "insecureAcceptAnything":
    case "reject":
      fields.only("type");
      return { type };
    case "signedBy": {
      fields.only("type", "keyType", "keyPath", "keyPaths", "keyData", "signedIdentity");
      const keyType = fields.string("keyType");
      if (keyType !== "GPGKeys")
        throw fields.invalid("keyType", `"${keyType.slice(0, 40)}" is not supported`);
      const keys = keySource(fields, "keyPath", "keyPaths", "keyData");
      if (keys === undefined)
        throw fields.invalid("keyPath", "exactly one of keyPath, keyPaths and keyData is wanted");
      return { type, keys, identity: parseIdentity(fields.fieldsOptional("signedIdentity")) };
    }
    case "sigstoreSigned":
      return parseSigstore(fields);
    default:
      throw fields.invalid("type", `"${type.slice(0, 40)}" is not known`);
  }
}

function parseSigstore(fields: Fields): PolicyRequirement {
  const rekor = [
    "rekorPublicKeyPath",
    "rekorPublicKeyPaths",
    "rekorPublicKeyData",
    "rekorPublicKeyDatas",
  ] as const;
  const own = ["keyPath", "keyPaths", "keyData", "keyDatas", "fulcio", "pki"];
  fields.only("type", ...own, ...rekor, "signedIdentity");
  if (own.filter((key) => fields.has(key)).length !== 1) {
    throw fields.invalid("keyPath", `exactly one of ${own.join(", ")} is wanted`);
  }
  const keys = keySource(fields, "keyPath", "keyPaths", "keyData", "keyDatas");
  const rekorKeys = keySource(fields, ...rekor);
  if (fields.has("fulcio") && rekorKeys === undefined)
    throw fields.invalid("fulcio", "it wants a key of Rekor");
  if (fields.has("pki") && rekorKeys !== undefined) throw fields.invalid("pki", "it takes no key of Rekor");
  return {
    type: "sigstoreSigned",
    ...(keys === undefined ? {} : { keys }),
    ...(rekorKeys === undefined ? {} : { rekorKeys }),
    identity: parseIdentity(fields.fieldsOptional("signedIdentity")),
  };
}

/** The one of these fields that is there. */
function keySource(
  fields: Fields,
  path: string,
  paths: string,
  data: string,
  datas?: string,
): KeySource | undefined {
  const there = [path, paths, data, ...(datas === undefined ? [] : [datas])].filter((key) => fields.has(key));
  if (there.length > 1) throw fields.invalid(there[1] as string, `it is there beside ${there[0] ?? ""}`);
  const [key] = there;
  if (key === undefined) return undefined;
  const base64 = (text: string): Uint8Array => {
    if (!/^[A-Za-z0-9+/\s]+={0,2}\s*$/.test(text)) throw fields.invalid(key, "not base64");
    return Buffer.from(text, "base64");
  };
  const list = key === paths || key === datas ? fields.strings(key) : [fields.string(key)];
  if (list.length === 0) throw fields.invalid(key, "empty");
  return key === path || key === paths ? { paths: list, data: [] } : { paths: [], data: list.map(base64) };
}

function parseIdentity(fields: Fields | undefined): SignedIdentity {
  if (fields === undefined) return { type: "matchRepoDigestOrExact" };
  const type = fields.string("type");
  const checked = (key: string): string => {
    const text = fields.string(key);
    try {
      parseDockerReference(text);
    } catch (error) {
      if (isStoreError(error)) throw fields.invalid(key, error.message);
      throw error;
    }
    return text;
  };
  switch (type) {
    case "matchExact":
    case "matchRepoDigestOrExact":
    case "matchRepository":
      fields.only("type");
      return { type };
    case "exactReference": {
      const dockerReference = fields.only("type", "dockerReference") && checked("dockerReference");
      const { tag, digest } = parseDockerReference(dockerReference);
      if (tag === undefined && digest === undefined) throw fields.invalid("dockerReference", "it has no tag");
      return { type, dockerReference };
    }
    case "exactRepository":
      return {
        type,
        dockerRepository: fields.only("type", "dockerRepository") && checked("dockerRepository"),
      };
    case "remapIdentity": {
      fields.only("type", "prefix", "signedPrefix");
      return { type, prefix: prefixOf(fields, "prefix"), signedPrefix: prefixOf(fields, "signedPrefix") };
    }
    default:
      throw fields.invalid("type", `"${type.slice(0, 40)}" is not known`);
  }
}

/** A host, or a name below one. */
function prefixOf(fields: Fields, key: string): string {
  const text = fields.string(key);
  if (!/^[A-Za-z0-9.-]+(?::[0-9]+)?(?:\/[a-z0-9._-]+)*$/.test(text))
    throw fields.invalid(key, "not a prefix of names");
  return text;
}

/** Reads the host's policy: the file that is named, or the first of those that there can be. Throws `oci/policy-missing`. */
export function loadPolicy(host: Host, env: HostEnvironment, explicit?: string): SignaturePolicy {
  const named = explicit ?? variable(env, "CONTAINERS_POLICY_JSON");
  const paths =
    named === undefined
      ? [
          `${configHome(env)}/containers/policy.json`,
          "/etc/containers/policy.json",
          "/usr/share/containers/policy.json",
        ]
      : [named];
  for (const path of paths) {
    const bytes = readHostFileOptional(host, path, POLICY_LIMIT);
    if (bytes !== undefined) return parsePolicy(bytes);
  }
  throw ociErrors.error("policy-missing", `there is no ${paths.join(" and no ")}`);
}

/** Whether everything is accepted that no scope speaks of; bootc then does not call an image signed. */
export function acceptsAnythingByDefault(policy: SignaturePolicy): boolean {
  return policy.default.length === 1 && policy.default[0]?.type === "insecureAcceptAnything";
}
