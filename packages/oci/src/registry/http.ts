// HTTP as registries need it: bytes as they came, redirects that do not carry secrets to other hosts, no more waiting
// than was said. `fetch` would decode what a proxy has encoded, and the digest would not hold.

import {
  Agent as HttpAgent,
  type ClientRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request as httpRequest,
} from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";

import { cancelled } from "@bootc-store/core";

import { ociErrors } from "../errors.ts";
import type { Proxies } from "./proxy.ts";

export interface TlsOptions {
  /** Certificates of authorities, in PEM, that are trusted beside the system's. */
  readonly ca?: readonly string[];
  /** The client's own. */
  readonly cert?: string;
  readonly key?: string;
  /** Takes any certificate. */
  readonly insecure?: boolean;
}

export interface HttpOptions {
  readonly tls?: TlsOptions;
  /** Connections to one host at a time. */
  readonly sockets?: number;
  /** How long nothing may come; 60 s unless given. */
  readonly idleMs?: number;
  readonly userAgent?: string;
  /** Which places are reached through another; all directly unless given. */
  readonly proxies?: Proxies;
}

export interface HttpRequest {
  readonly method?: "GET" | "HEAD" | "POST" | "PATCH" | "PUT" | "DELETE";
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent only to the origin of `url`. */
  readonly authorization?: string;
  readonly body?: Uint8Array | { readonly chunks: AsyncIterable<Uint8Array>; readonly size: number };
  readonly signal?: AbortSignal;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Where the answer came from, redirects followed. */
  readonly url: URL;
  readonly body: IncomingMessage;
}

const REDIRECTS = new Set([301, 302, 303, 307, 308]);
const REDIRECT_LIMIT = 10;

/** A place in messages: without user, password and query, since signed addresses have secrets there. */
export function shownUrl(url: URL): string {
  return `${url.origin}${url.pathname}`;
}

export class Http implements Disposable {
  readonly #options: HttpOptions;
  /** By protocol and proxy. */
  readonly #agents = new Map<string, HttpAgent | HttpsAgent>();

  constructor(options: HttpOptions = {}) {
    this.#options = options;
  }

  #agent(protocol: string, proxy: URL | undefined): HttpAgent | HttpsAgent {
    const key = `${protocol} ${proxy?.href ?? ""}`;
    const known = this.#agents.get(key);
    if (known !== undefined) return known;
    const { tls, sockets = 6 } = this.#options;
    const secure = protocol === "https:";
    const options = {
      keepAlive: true,
      maxSockets: sockets,
      scheduling: "lifo" as const,
      ...(proxy === undefined ? {} : { proxyEnv: { [secure ? "HTTPS_PROXY" : "HTTP_PROXY"]: proxy.href } }),
    };
    const agent = secure ? new HttpsAgent({ ...options, ...tlsContext(tls) }) : new HttpAgent(options);
    this.#agents.set(key, agent);
    return agent;
  }

  /** Throws `oci/registry-unreachable`, `oci/registry-redirects`, `core/cancelled`. Any status is an answer. */
  async send(request: HttpRequest): Promise<HttpResponse> {
    let { url, method = "GET", authorization } = request;
    let body = request.body;
    for (let hop = 0; hop <= REDIRECT_LIMIT; hop++) {
      const response = await this.#once({ ...request, url, method, body, authorization });
      if (!REDIRECTS.has(response.statusCode ?? 0)) {
        return { status: response.statusCode ?? 0, headers: response.headers, url, body: response };
      }
      discard(response);
      const next = redirectTarget(url, response.headers.location);
      // Only what can be sent again is sent on.
      if (body !== undefined && !(body instanceof Uint8Array)) {
        throw ociErrors.error("registry-redirects", `${shownUrl(url)}: an upload was redirected`);
      }
      if (next.origin !== url.origin) authorization = undefined;
      if (response.statusCode === 303 && method !== "HEAD") {
        method = "GET";
        body = undefined;
      }
      url = next;
    }
    throw ociErrors.error(
      "registry-redirects",
      `${shownUrl(request.url)}: more than ${REDIRECT_LIMIT} redirects`,
    );
  }

  async #once(
    request: Omit<HttpRequest, "body" | "authorization"> & {
      readonly body: HttpRequest["body"] | undefined;
      readonly authorization: string | undefined;
    },
  ): Promise<IncomingMessage> {
    const { url, method, headers, authorization, body, signal } = request;
    if (signal?.aborted === true) throw cancelled(signal);
    const secure = url.protocol === "https:";
    const size = body instanceof Uint8Array ? body.length : body?.size;
    const proxy = this.#options.proxies?.for(url);
    const agent = this.#agent(url.protocol, proxy);
    return await new Promise<IncomingMessage>((resolve, reject) => {
      const outgoing = (secure ? httpsRequest : httpRequest)(url, {
        method: method ?? "GET",
        agent,
        // The address may have a user in it; nobody is to be told by us.
        auth: undefined,
        headers: {
          "User-Agent": this.#options.userAgent ?? "bootc-store",
          "Accept-Encoding": "identity",
          ...headers,
          ...(size === undefined ? {} : { "Content-Length": String(size) }),
          ...(authorization === undefined ? {} : { Authorization: authorization }),
        },
        timeout: this.#options.idleMs ?? 60_000,
        ...(signal === undefined ? {} : { signal }),
      });
      const fail = (error: unknown): void => {
        outgoing.destroy();
        reject(unreachable(url, proxy, error, signal));
      };
      outgoing.once("response", resolve);
      outgoing.on("error", fail);
      outgoing.on("timeout", () => outgoing.destroy(new Error("nothing came for too long")));
      if (body === undefined || body instanceof Uint8Array) outgoing.end(body);
      else {
        pour(body.chunks, outgoing).catch((error: unknown) => {
          outgoing.destroy();
          reject(error);
        });
      }
    });
  }

  [Symbol.dispose](): void {
    for (const agent of this.#agents.values()) agent.destroy();
  }
}

function unreachable(
  url: URL,
  proxy: URL | undefined,
  error: unknown,
  signal: AbortSignal | undefined,
): unknown {
  if (signal?.aborted === true) return cancelled(signal);
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const reason = code || (error instanceof Error ? error.message : "unknown");
  const way = proxy === undefined ? "" : ` through the proxy ${proxy.origin}`;
  return ociErrors.error("registry-unreachable", `${shownUrl(url)}: cannot be reached${way} (${reason})`, {
    context: { url: shownUrl(url), reason, ...(proxy === undefined ? {} : { proxy: proxy.origin }) },
    cause: error,
  });
}

/** Options of a TLS connection. */
export function tlsContext(tls: TlsOptions | undefined): {
  readonly ca?: string[];
  readonly cert?: string;
  readonly key?: string;
  readonly rejectUnauthorized?: boolean;
} {
  return {
    ...(tls?.ca === undefined ? {} : { ca: [...tls.ca] }),
    ...(tls?.cert === undefined ? {} : { cert: tls.cert }),
    ...(tls?.key === undefined ? {} : { key: tls.key }),
    ...(tls?.insecure === true ? { rejectUnauthorized: false } : {}),
  };
}

async function pour(chunks: AsyncIterable<Uint8Array>, outgoing: ClientRequest): Promise<void> {
  for await (const chunk of chunks) {
    if (outgoing.destroyed) return;
    if (outgoing.write(chunk)) continue;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        outgoing.off("drain", done);
        outgoing.off("close", done);
        resolve();
      };
      outgoing.on("drain", done);
      outgoing.on("close", done);
    });
  }
  if (!outgoing.destroyed) outgoing.end();
}

function redirectTarget(from: URL, location: string | undefined): URL {
  const target = location === undefined ? null : URL.parse(location, from.href);
  if (target === null || !/^https?:$/.test(target.protocol)) {
    throw ociErrors.error("registry-redirects", `${shownUrl(from)}: it redirects to nowhere`);
  }
  if (from.protocol === "https:" && target.protocol === "http:") {
    throw ociErrors.error("registry-redirects", `${shownUrl(from)}: it redirects to an unencrypted place`);
  }
  target.username = "";
  target.password = "";
  return target;
}

/** Lets go of an answer's body, so that the connection can be used again or is closed. */
export function discard(response: IncomingMessage): void {
  response.on("error", ignoreCut);
  const length = Number(response.headers["content-length"] ?? Number.NaN);
  if (length <= 64 << 10) response.resume();
  else response.destroy();
}

/** That a body was cut which nobody wanted is nobody's error. */
function ignoreCut(): void {}
