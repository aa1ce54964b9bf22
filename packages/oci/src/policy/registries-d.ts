// registries.d (containers-registries.d(5)): where the signatures of a registry's images are. Each setting is taken
// from the nearest scope that has it.

import { displayName } from "@bootc-store/core";

import { ociErrors } from "../errors.ts";
import type { HostEnvironment } from "../host-config/environment.ts";
import type { DockerReference } from "../reference/docker-reference.ts";
import { type Host, openHostDirOptional } from "../transport/host.ts";
import { dockerScopes } from "./scopes.ts";

export interface SignaturePlaces {
  /** Where simple signatures are, without a slash at the end: `https:` or `file:`. */
  readonly lookaside: string;
  /** Whether sigstore signatures are attached to the images. */
  readonly sigstoreAttachments: boolean;
}

interface Section {
  readonly lookaside?: string;
  readonly sigstoreAttachments?: boolean;
}

export interface RegistriesD {
  readonly fallback: Section;
  readonly scopes: ReadonlyMap<string, Section>;
  readonly builtin: string;
}

const FILE_LIMIT = 1 << 20;

/** Reads the directory: the user's if there is one, else the system's. Throws `oci/config-invalid`. */
export async function loadRegistriesD(
  host: Host,
  env: HostEnvironment,
  explicit?: string,
): Promise<RegistriesD> {
  const builtin =
    env.uid === 0
      ? "file:///var/lib/containers/sigstore"
      : `file://${env.home}/.local/share/containers/sigstore`;
  const paths =
    explicit === undefined
      ? [`${env.home}/.config/containers/registries.d`, "/etc/containers/registries.d"]
      : [explicit];
  const scopes = new Map<string, Section>();
  let fallback: Section | undefined;
  for (const path of paths) {
    using dir = openHostDirOptional(host, path);
    if (dir === undefined) continue;
    for (const { name, type } of dir.list()) {
      if (!name.endsWith(".yaml") || type === "directory") continue;
      const place = `${path}/${displayName(name)}`;
      const file = await parseFile(dir.readFile(name, { resolution: "beneath", limit: FILE_LIMIT }), place);
      if (file.fallback !== undefined && fallback !== undefined)
        throw invalid(place, "default-docker is in two files");
      fallback ??= file.fallback;
      for (const [scope, section] of file.scopes) {
        if (scopes.has(scope)) throw invalid(place, `"${scope}" is in two files`);
        scopes.set(scope, section);
      }
    }
    break;
  }
  return { fallback: fallback ?? {}, scopes, builtin };
}

async function parseFile(
  bytes: Uint8Array,
  path: string,
): Promise<{ readonly fallback?: Section; readonly scopes: ReadonlyMap<string, Section> }> {
  const yaml = await import("js-yaml");
  let value: unknown;
  try {
    const text = Buffer.from(bytes).toString("utf8");
    value = /^\s*(?:#[^\n]*\s*)*$/.test(text) ? {} : yaml.load(text);
  } catch (error) {
    throw invalid(path, error instanceof Error ? (error.message.split("\n", 1)[0] as string) : "not YAML");
  }
  if (!isRecord(value)) throw invalid(path, "not a mapping");
  const docker = value["docker"] ?? {};
  if (!isRecord(docker)) throw invalid(path, "docker is not a mapping");
  const fallback = value["default-docker"];
  return {
    scopes: new Map(
      Object.entries(docker).map(([scope, each]) => [scope, parseSection(each, path)] as const),
    ),
    ...(fallback === undefined || fallback === null ? {} : { fallback: parseSection(fallback, path) }),
  };
}

function parseSection(value: unknown, path: string): Section {
  if (!isRecord(value)) throw invalid(path, "a scope is not a mapping");
  const lookaside = value["lookaside"] ?? value["sigstore"];
  const attachments = value["use-sigstore-attachments"];
  if (
    lookaside !== undefined &&
    (typeof lookaside !== "string" || !/^(?:https?|file):\/\//.test(lookaside))
  ) {
    throw invalid(path, "lookaside is not an address of http, https or file");
  }
  if (attachments !== undefined && typeof attachments !== "boolean") {
    throw invalid(path, "use-sigstore-attachments is neither true nor false");
  }
  return {
    ...(lookaside === undefined ? {} : { lookaside: lookaside.replace(/\/+$/, "") }),
    ...(attachments === undefined ? {} : { sigstoreAttachments: attachments }),
  };
}

/** Where the signatures of an image are. */
export function signaturePlaces(config: RegistriesD, reference: DockerReference): SignaturePlaces {
  const sections = dockerScopes(reference)
    .filter((scope) => !scope.startsWith("*."))
    .map((scope) => config.scopes.get(scope))
    .filter((section) => section !== undefined);
  sections.push(config.fallback);
  return {
    lookaside: sections.find(({ lookaside }) => lookaside !== undefined)?.lookaside ?? config.builtin,
    sigstoreAttachments:
      sections.find(({ sigstoreAttachments }) => sigstoreAttachments !== undefined)?.sigstoreAttachments ??
      false,
  };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function invalid(path: string, problem: string): Error {
  return ociErrors.error("config-invalid", `${path}: ${problem}`, { context: { path } });
}
