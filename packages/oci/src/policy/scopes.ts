// Under which scopes of a policy an image is looked up, the nearest first.

import type { DockerReference } from "../reference/docker-reference.ts";
import { printDockerReference, repositoryOf } from "../reference/docker-reference.ts";
import type { ImageReference } from "../reference/image-reference.ts";
import { type Host, hostPath } from "../transport/host.ts";

/** The name of the policy's transport, and the scopes in order; the empty scope and the default come after them. */
export function scopesOf(
  reference: ImageReference,
  host: Host,
): { readonly transport: string; readonly scopes: readonly string[] } {
  const { transport } = reference;
  switch (transport) {
    case "docker":
      return { transport, scopes: dockerScopes(reference.reference) };
    case "oci":
    case "oci-archive":
    case "dir":
      return { transport, scopes: pathScopes(reference.path, host) };
    default:
      return { transport, scopes: [] };
  }
}

/** The name itself, the names above it, the host, and wildcards for the domains that the host is in. */
export function dockerScopes(reference: DockerReference): string[] {
  const full = printDockerReference(reference);
  const scopes = [full];
  for (let name = repositoryOf(reference); ; name = name.slice(0, name.lastIndexOf("/"))) {
    if (name !== full) scopes.push(name);
    if (!name.includes("/")) break;
  }
  const labels = (reference.domain.split(":", 1)[0] as string).split(".");
  for (let at = 1; at < labels.length; at++) scopes.push(`*.${labels.slice(at).join(".")}`);
  return scopes;
}

/** The real path and the directories above it, the root excluded. */
function pathScopes(path: string, host: Host): string[] {
  const scopes: string[] = [];
  for (
    let name: string = `/${resolveHostPath(path, host)}`;
    name !== "";
    name = name.slice(0, name.lastIndexOf("/"))
  ) {
    scopes.push(name);
  }
  return scopes;
}

const LINK_LIMIT = 40;

/** A path without links, as far as it exists. */
function resolveHostPath(path: string, host: Host): string {
  const rest: string[] = hostPath(host, path).split("/");
  const done: string[] = [];
  for (let links = 0; rest.length > 0;) {
    const part = rest.shift() as string;
    if (part === "" || part === ".") continue;
    if (part === "..") {
      done.pop();
      continue;
    }
    const here = hostPath({ root: host.root }, `/${[...done, part].join("/")}`);
    const found = host.root.statOptional(here, { resolution: "inRoot" });
    if (found?.type !== "symlink" || ++links > LINK_LIMIT) {
      done.push(part);
      continue;
    }
    const target = Buffer.from(host.root.readLink(here, { resolution: "inRoot" }), "latin1").toString("utf8");
    if (target.startsWith("/")) done.length = 0;
    rest.unshift(...target.split("/"));
  }
  return done.join("/");
}
