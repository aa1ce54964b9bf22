// How a host gets at registries: its configuration, credentials and certificates, read when they are needed.

import { findCredential, type CredentialHelper } from "../host-config/auth-file.ts";
import { loadCerts } from "../host-config/certs.ts";
import type { HostEnvironment } from "../host-config/environment.ts";
import { type Endpoint, loadRegistriesConf, type RegistriesConf } from "../host-config/registries-conf.ts";
import type { Host } from "../transport/host.ts";
import { RegistryClient } from "./client.ts";
import type { Credential } from "./credential.ts";
import { Proxies } from "./proxy.ts";
import type { RetryOptions } from "./retry.ts";

export interface RegistryAccessOptions {
  readonly host: Host;
  readonly env: HostEnvironment;
  /** Instead of the host's registries.conf. */
  readonly registriesConf?: string;
  /** Instead of the files that have credentials. */
  readonly authFile?: string;
  /** Looks for credentials where bootc does. */
  readonly ostreeAuth?: boolean;
  /** Instead of looking for any: `none` goes without. They are not sent to mirrors on other hosts. */
  readonly credential?: Credential | "none";
  readonly credentialHelper?: CredentialHelper;
  /** Instead of `certs.d`. */
  readonly certDir?: string;
  /** Overrides the configuration of the registry itself. */
  readonly insecure?: boolean;
  readonly retry?: RetryOptions;
  readonly userAgent?: string;
  readonly idleMs?: number;
}

export class RegistryAccess {
  readonly #options: RegistryAccessOptions;
  #conf: RegistriesConf | undefined;
  #proxies: Proxies | undefined;

  constructor(options: RegistryAccessOptions) {
    this.#options = options;
  }

  get conf(): RegistriesConf {
    const { host, env, registriesConf } = this.#options;
    this.#conf ??= loadRegistriesConf(host, env, registriesConf);
    return this.#conf;
  }

  get proxies(): Proxies {
    this.#proxies ??= new Proxies(this.#options.env.variables);
    return this.#proxies;
  }

  /** A client for an endpoint; `primary` is the domain that credentials given by hand are for. */
  async connect(
    { reference, insecure, mirror }: Endpoint,
    primary = reference.domain,
  ): Promise<RegistryClient> {
    const options = this.#options;
    const { domain, path } = reference;
    const credential = await this.#credential(domain, path, primary);
    const tls = loadCerts(options.host, options.env, domain, options.certDir);
    return new RegistryClient({
      domain,
      path,
      insecure: mirror ? insecure : (options.insecure ?? insecure),
      ...(credential === undefined ? {} : { credential }),
      ...(tls === undefined ? {} : { tls }),
      ...(options.retry === undefined ? {} : { retry: options.retry }),
      ...(options.userAgent === undefined ? {} : { userAgent: options.userAgent }),
      proxies: this.proxies,
      ...(options.idleMs === undefined ? {} : { idleMs: options.idleMs }),
    });
  }

  async #credential(domain: string, path: string, primary: string): Promise<Credential | undefined> {
    const { credential, host, env, authFile, ostreeAuth, credentialHelper } = this.#options;
    if (credential === "none") return undefined;
    if (credential !== undefined && domain === primary) return credential;
    return await findCredential(domain, path, {
      host,
      env,
      helpers: this.conf.credentialHelpers,
      ...(authFile === undefined ? {} : { authFile }),
      ...(ostreeAuth === undefined ? {} : { ostree: ostreeAuth }),
      ...(credentialHelper === undefined ? {} : { helper: credentialHelper }),
    });
  }
}
