// certs.d: a registry's own authorities and client certificates (containers-certs.d(5)). The first directory that
// there is counts alone.

import { rootCertificates } from "node:tls";

import { type ByteString, displayName, utf8 } from "@bootc-store/core";

import { ociErrors } from "../errors.ts";
import type { TlsOptions } from "../registry/http.ts";
import { type Host, openHostDirOptional } from "../transport/host.ts";
import type { HostEnvironment } from "./environment.ts";

const FILE_LIMIT = 1 << 20;

/** Where the system's own authorities are, on the systems that matter. */
const SYSTEM_BUNDLES = [
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/ssl/cert.pem",
];

/** TLS options for a registry; throws `oci/config-invalid` for half a pair. */
export function loadCerts(
  host: Host,
  env: HostEnvironment,
  domain: string,
  explicit?: string,
): TlsOptions | undefined {
  const places =
    explicit === undefined
      ? [`${env.home}/.config/containers/certs.d`, "/etc/containers/certs.d", "/etc/docker/certs.d"].map(
          (base) => `${base}/${domain}`,
        )
      : [explicit];
  for (const path of places) {
    using dir = openHostDirOptional(host, path);
    if (dir === undefined) continue;
    const names = new Set(dir.list().map(({ name }) => name));
    const read = (name: ByteString): string =>
      dir.readFile(name, { resolution: "beneath", limit: FILE_LIMIT }).toString("utf8");
    const authorities = [...names].filter((name) => name.endsWith(".crt")).map(read);
    const pair = [...names].find((name) => name.endsWith(".cert"));
    for (const name of names) {
      const other = name.endsWith(".cert")
        ? name.replace(/cert$/, "key")
        : name.endsWith(".key")
          ? name.replace(/key$/, "cert")
          : name;
      if (!names.has(utf8(other))) {
        throw ociErrors.error(
          "config-invalid",
          `${path}/${displayName(name)}: "${other}" is missing beside it`,
          {
            context: { path },
          },
        );
      }
    }
    return {
      ...(authorities.length === 0 ? {} : { ca: [...systemAuthorities(host), ...authorities] }),
      ...(pair === undefined ? {} : { cert: read(pair), key: read(utf8(pair.replace(/cert$/, "key"))) }),
    };
  }
  return undefined;
}

/** Node's list, and the host's own, since authorities of one's own are added to those. */
function systemAuthorities(host: Host): readonly string[] {
  for (const path of SYSTEM_BUNDLES) {
    const bytes = host.root.readFileOptional(utf8(path.slice(1)), { resolution: "inRoot", limit: 16 << 20 });
    if (bytes !== undefined) return [...rootCertificates, bytes.toString("utf8")];
  }
  return rootCertificates;
}
