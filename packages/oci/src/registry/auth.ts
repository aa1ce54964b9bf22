// Who we are to a registry: nothing, HTTP's basic authentication, or a token that another server gives out.

import { collect } from "../collect.ts";
import { ociErrors } from "../errors.ts";
import { Fields } from "../json/fields.ts";
import { parseJson } from "../json/parse.ts";
import { discard, type Http, shownUrl } from "./http.ts";
import { unexpectedAnswer } from "./answer.ts";
import type { Challenge } from "./challenge.ts";
import type { Credential } from "./credential.ts";

const TOKEN_LIMIT = 1 << 20;
const SHORTEST_LIFE_MS = 60_000;

interface Token {
  readonly value: string;
  readonly expires: number;
}

export interface AuthOptions {
  readonly http: Http;
  readonly credential: Credential | undefined;
  /** Whether secrets may go over unencrypted connections, since the registry is configured so. */
  readonly insecure: boolean;
}

/** The authorization of one client, by the challenges of its first request. */
export class Authorizer {
  readonly #options: AuthOptions;
  readonly #challenge: Challenge | undefined;
  readonly #tokens = new Map<string, Promise<Token>>();

  constructor(challenges: readonly Challenge[], options: AuthOptions) {
    this.#options = options;
    this.#challenge = challenges.find(({ scheme }) => scheme === "basic" || scheme === "bearer");
  }

  /** The header for a request that needs these scopes; `undefined` where none is wanted. */
  async header(scopes: readonly string[], url: URL, signal?: AbortSignal): Promise<string | undefined> {
    const { credential } = this.#options;
    if (this.#challenge === undefined) return undefined;
    if (this.#challenge.scheme === "basic") {
      if (credential === undefined || credential.kind !== "password") return undefined;
      this.#checkSecure(url);
      return credential.basic();
    }
    const key = scopes.join(" ");
    const known = this.#tokens.get(key);
    if (known !== undefined) {
      const token = await known;
      if (token.expires > Date.now()) return `Bearer ${token.value}`;
    }
    // Whoever comes meanwhile waits for the same one.
    const asked = this.#fetch(scopes, signal);
    this.#tokens.set(key, asked);
    asked.catch(() => {
      if (this.#tokens.get(key) === asked) this.#tokens.delete(key);
    });
    return `Bearer ${(await asked).value}`;
  }

  /** Forgets a token that was refused. Says whether there was one. */
  forget(scopes: readonly string[]): boolean {
    return this.#tokens.delete(scopes.join(" "));
  }

  async #fetch(scopes: readonly string[], signal: AbortSignal | undefined): Promise<Token> {
    const parameters = (this.#challenge as Challenge).parameters;
    const realm = URL.parse(parameters.get("realm") ?? "");
    if (realm === null || !/^https?:$/.test(realm.protocol)) {
      throw ociErrors.error("registry-answer", "the registry wants a token and does not say from where");
    }
    const { http, credential } = this.#options;
    const service = parameters.get("service");
    if (credential !== undefined) this.#checkSecure(realm);
    const common = signal === undefined ? {} : { signal };
    const response =
      credential?.kind === "identity-token"
        ? await http.send({
            method: "POST",
            url: realm,
            headers: { "Content-Type": "application/x-www-form-urlencoded" },
            body: Buffer.from(refreshForm(credential, service, scopes)),
            ...common,
          })
        : await http.send({
            url: tokenUrl(realm, credential, service, scopes),
            ...basicOf(credential),
            ...common,
          });
    if (response.status !== 200) throw await unexpectedAnswer(response, "getting a token");
    if (response.headers["content-encoding"] !== undefined) {
      discard(response.body);
      throw ociErrors.error("registry-answer", `${shownUrl(realm)}: the answer is encoded`);
    }
    return parseToken(await collect(response.body, TOKEN_LIMIT, "token"), realm);
  }

  #checkSecure(url: URL): void {
    if (url.protocol === "https:" || this.#options.insecure) return;
    throw ociErrors.error(
      "registry-insecure",
      `${shownUrl(url)}: credentials are not sent there unencrypted`,
      {
        context: { url: shownUrl(url) },
      },
    );
  }
}

function basicOf(credential: Credential | undefined): { readonly authorization?: string } {
  if (credential === undefined || credential.user === "" || credential.reveal() === "") return {};
  return { authorization: credential.basic() };
}

function tokenUrl(
  realm: URL,
  credential: Credential | undefined,
  service: string | undefined,
  scopes: readonly string[],
): URL {
  const url = new URL(realm);
  if (credential !== undefined && credential.user !== "") url.searchParams.set("account", credential.user);
  if (service !== undefined) url.searchParams.set("service", service);
  for (const scope of scopes) url.searchParams.append("scope", scope);
  return url;
}

function refreshForm(credential: Credential, service: string | undefined, scopes: readonly string[]): string {
  const form = new URLSearchParams({ grant_type: "refresh_token", refresh_token: credential.reveal() });
  if (service !== undefined) form.set("service", service);
  for (const scope of scopes) form.append("scope", scope);
  form.set("client_id", "bootc-store");
  return form.toString();
}

function parseToken(bytes: Uint8Array, realm: URL): Token {
  const refuse = (): Error =>
    ociErrors.error("registry-answer", `${shownUrl(realm)}: the answer is no token`);
  const fields = Fields.of(parseJson(bytes, { what: "token" }), "token", refuse);
  const value = fields.stringOptional("token") || fields.stringOptional("access_token");
  // oxlint-disable-next-line no-control-regex -- what a header cannot have
  if (value === undefined || value === "" || /[\u0000-\u0020\u007f-\uffff]/.test(value)) throw refuse();
  const life = Math.max(SHORTEST_LIFE_MS, (fields.sizeOptional("expires_in") ?? 0) * 1000);
  const issued = Date.parse(fields.stringOptional("issued_at") ?? "");
  // A clock that goes wrong must not make a token that lives forever, nor one that never lived.
  const start = Number.isNaN(issued) ? Date.now() : Math.min(issued, Date.now());
  return { value, expires: start + life };
}
