// One repository of one registry, by the distribution protocol.

import { type Digest, isStoreError, parseDigestOptional, printDigest } from "@bootc-store/core";

import { collect } from "../collect.ts";
import { ociErrors } from "../errors.ts";
import { checkDigest, type Descriptor, type ExactDocument } from "../image/descriptor.ts";
import { DOCUMENT_LIMIT, type ImageIndex, type Manifest, parseManifest } from "../image/manifest.ts";
import { essenceOf, MEDIA_TYPES } from "../image/media-types.ts";
import { Fields } from "../json/fields.ts";
import { parseJson } from "../json/parse.ts";
import type { BlobContent } from "../transport/port.ts";
import { unexpectedAnswer } from "./answer.ts";
import { Authorizer } from "./auth.ts";
import { parseChallenges } from "./challenge.ts";
import type { Credential } from "./credential.ts";
import { discard, Http, type HttpOptions, type HttpRequest, type HttpResponse, shownUrl } from "./http.ts";
import { resumableBody } from "./resume.ts";
import { pause, retryDelay, type RetryOptions } from "./retry.ts";

export interface RegistryClientOptions extends HttpOptions {
  /** Host and optional port. */
  readonly domain: string;
  /** Path of the repository. */
  readonly path: string;
  readonly credential?: Credential;
  /** Takes any certificate, and goes without encryption where there is none. */
  readonly insecure?: boolean;
  readonly retry?: RetryOptions;
}

const ACCEPT = [
  MEDIA_TYPES.manifest,
  MEDIA_TYPES.dockerManifest,
  MEDIA_TYPES.dockerSchema1Signed,
  MEDIA_TYPES.dockerSchema1,
  MEDIA_TYPES.dockerIndex,
  MEDIA_TYPES.index,
].join(", ");

const RETRIED = new Set([429, 502, 503, 504]);

interface Session {
  readonly base: URL;
  readonly authorizer: Authorizer;
  /** Whether the registry keeps simple signatures itself. */
  readonly signatures: boolean;
}

export type RegistryRequest = Omit<HttpRequest, "url" | "authorization"> & {
  /** Below the repository, or a whole address that the registry has given. */
  readonly to: string | URL;
  readonly actions?: "pull" | "pull,push";
  /** Scopes beside that of the repository. */
  readonly extraScopes?: readonly string[];
};

export class RegistryClient implements Disposable {
  readonly options: RegistryClientOptions;
  readonly #http: Http;
  #session: Promise<Session> | undefined;

  constructor(options: RegistryClientOptions) {
    this.options = options;
    const tls = options.insecure === true ? { ...options.tls, insecure: true } : options.tls;
    this.#http = new Http({ ...options, ...(tls === undefined ? {} : { tls }) });
  }

  /** `DOMAIN/PATH`, for messages. */
  get name(): string {
    return `${this.options.domain}/${this.options.path}`;
  }

  /** A request with authorization and retries; any other answer than those wanted is thrown. */
  async request(request: RegistryRequest, wanted: readonly number[]): Promise<HttpResponse> {
    const response = await this.send(request);
    if (wanted.includes(response.status)) return response;
    throw await unexpectedAnswer(response, this.name);
  }

  /** {@link RegistryClient.request} with any answer. */
  async send(request: RegistryRequest): Promise<HttpResponse> {
    const { signal } = request;
    const session = await this.#open(signal);
    const url =
      request.to instanceof URL ? request.to : new URL(`v2/${this.options.path}/${request.to}`, session.base);
    const own = `repository:${this.options.path}:${request.actions ?? "pull"}`;
    const scopes = [own, ...(request.extraScopes ?? [])];
    // A token is for the registry itself; another place that it names has its own ways to know us.
    const mayAuthorize = url.origin === session.base.origin;
    let renewed = false;
    for (let attempt = 1; ; attempt++) {
      const authorization = mayAuthorize ? await session.authorizer.header(scopes, url, signal) : undefined;
      const response = await this.#once({ ...request, url, authorization }, attempt);
      if (response === undefined) continue;
      const again = request.body === undefined || request.body instanceof Uint8Array;
      if (response.status === 401 && again && !renewed && authorization !== undefined) {
        renewed = true;
        const more = missingScope(response);
        const forgotten = session.authorizer.forget(scopes);
        if (more !== undefined) scopes.push(more);
        if (more !== undefined || forgotten) {
          discard(response.body);
          continue;
        }
      }
      if (RETRIED.has(response.status) && again && attempt < (this.options.retry?.attempts ?? 5)) {
        discard(response.body);
        await pause(retryDelay(attempt, response.headers["retry-after"], this.options.retry ?? {}), signal);
        continue;
      }
      return response;
    }
  }

  /** One try; `undefined` where the connection failed and it is to be tried again. */
  async #once(
    request: RegistryRequest & { readonly url: URL; readonly authorization: string | undefined },
    attempt: number,
  ): Promise<HttpResponse | undefined> {
    const { authorization, to: _, actions: __, extraScopes: ___, ...rest } = request;
    try {
      return await this.#http.send({
        ...rest,
        headers: { "Docker-Distribution-API-Version": "registry/2.0", ...request.headers },
        ...(authorization === undefined ? {} : { authorization }),
      });
    } catch (error) {
      const again = request.body === undefined && isStoreError(error, "oci/registry-unreachable");
      const reason = isStoreError(error) ? String(error.context["reason"]) : "";
      if (!again || !PASSING.has(reason) || attempt >= (this.options.retry?.attempts ?? 5)) throw error;
      await pause(retryDelay(attempt, undefined, this.options.retry ?? {}), request.signal);
      return undefined;
    }
  }

  async #open(signal: AbortSignal | undefined): Promise<Session> {
    if (this.#session === undefined) {
      const opening = this.#ping(signal);
      this.#session = opening;
      opening.catch(() => {
        if (this.#session === opening) this.#session = undefined;
      });
    }
    return await this.#session;
  }

  /** Finds out how the registry is spoken to, and who we have to be. */
  async #ping(signal: AbortSignal | undefined): Promise<Session> {
    const { domain, credential, insecure = false } = this.options;
    const host = domain === "docker.io" ? "registry-1.docker.io" : domain;
    const bases = [new URL(`https://${host}/`), ...(insecure ? [new URL(`http://${host}/`)] : [])];
    let failure: unknown;
    for (const base of bases) {
      const url = new URL("v2/", base);
      let response: HttpResponse;
      try {
        response = await this.#http.send({ url, ...(signal === undefined ? {} : { signal }) });
      } catch (error) {
        failure ??= error;
        if (isStoreError(error, "oci/registry-unreachable")) continue;
        throw error;
      }
      if (response.status !== 200 && response.status !== 401) {
        const error = await unexpectedAnswer(response, domain);
        if (response.status === 404 && base !== bases.at(-1)) continue;
        throw error;
      }
      discard(response.body);
      const lines = response.body.headersDistinct["www-authenticate"] ?? [];
      return {
        base,
        authorizer: new Authorizer(response.status === 401 ? parseChallenges(lines) : [], {
          http: this.#http,
          credential,
          insecure,
        }),
        signatures: response.headers["x-registry-supports-signatures"] === "1",
      };
    }
    throw failure;
  }

  /** Whether the registry keeps simple signatures itself (an extension of OpenShift's). */
  async supportsSignatures(signal?: AbortSignal): Promise<boolean> {
    return (await this.#open(signal)).signatures;
  }

  /** A manifest or index by tag or digest. By digest it is checked. Throws `oci/registry-not-found`. */
  async readManifest(reference: string, signal?: AbortSignal): Promise<ExactDocument> {
    const response = await this.request(
      {
        to: `manifests/${reference}`,
        headers: { Accept: ACCEPT },
        ...(signal === undefined ? {} : { signal }),
      },
      [200],
    );
    checkUnencoded(response);
    const bytes = await collect(response.body, DOCUMENT_LIMIT, "manifest");
    const mediaType = essenceOf(response.headers["content-type"]);
    const wanted = parseDigestOptional(reference);
    const said =
      wanted === undefined
        ? parseDigestOptional(headerOf(response, "docker-content-digest") ?? "")
        : undefined;
    if (said !== undefined) checkDigest(bytes, said, "manifest");
    return parseManifest(bytes, {
      ...(mediaType === "" ? {} : { mediaType }),
      ...(wanted === undefined ? {} : { digest: wanted }),
    }).document;
  }

  /** The digest that a tag has now, without fetching it; `undefined` where the registry does not say. */
  async headManifest(reference: string, signal?: AbortSignal): Promise<Digest | undefined> {
    const response = await this.request(
      {
        method: "HEAD",
        to: `manifests/${reference}`,
        headers: { Accept: ACCEPT },
        ...(signal === undefined ? {} : { signal }),
      },
      [200],
    );
    discard(response.body);
    return parseDigestOptional(headerOf(response, "docker-content-digest") ?? "");
  }

  /** A blob, unchecked, which is resumed where its connection is cut. Throws `oci/registry-not-found`. */
  async openBlob(descriptor: Descriptor, signal?: AbortSignal): Promise<BlobContent> {
    const common = signal === undefined ? {} : { signal };
    const digest = printDigest(descriptor.digest);
    const ask = async (
      headers: Readonly<Record<string, string>>,
      wanted: readonly number[],
    ): Promise<HttpResponse> => {
      const response = await this.request({ to: `blobs/${digest}`, headers, ...common }, wanted);
      checkUnencoded(response);
      return response;
    };
    const first = await ask({}, [200]);
    const length = Number(first.headers["content-length"] ?? Number.NaN);
    return {
      ...(Number.isSafeInteger(length) ? { size: length } : {}),
      read: () =>
        resumableBody(first, (offset) => ask({ Range: `bytes=${offset}-` }, [200, 206]), {
          what: `${this.name}: blob ${digest}`,
          size: descriptor.size,
          retry: this.options.retry ?? {},
          ...common,
        }),
    };
  }

  /** Whether the registry has a blob in this repository. */
  async hasBlob(digest: Digest, signal?: AbortSignal): Promise<boolean> {
    const response = await this.send({
      method: "HEAD",
      to: `blobs/${printDigest(digest)}`,
      actions: "pull,push",
      ...(signal === undefined ? {} : { signal }),
    });
    discard(response.body);
    if (response.status === 200) return true;
    if (response.status === 404) return false;
    throw await unexpectedAnswer(response, this.name);
  }

  /** All tags of the repository, in the registry's order. */
  async *listTags(signal?: AbortSignal): AsyncGenerator<string> {
    for (let to: string | URL | undefined = "tags/list"; to !== undefined;) {
      const response: HttpResponse = await this.request(
        { to, ...(signal === undefined ? {} : { signal }) },
        [200],
      );
      const bytes = await collect(response.body, DOCUMENT_LIMIT, "list of tags");
      yield* Fields.of(parseJson(bytes, { what: "list of tags" }), "").strings("tags");
      to = nextPage(response);
    }
  }

  /** What says something about a manifest: signatures, attestations. By the tag scheme where there is no other. */
  async listReferrers(
    digest: Digest,
    artifactType?: string,
    signal?: AbortSignal,
  ): Promise<readonly Descriptor[]> {
    const query = artifactType === undefined ? "" : `?artifactType=${encodeURIComponent(artifactType)}`;
    const found: Descriptor[] = [];
    for (let to: string | URL | undefined = `referrers/${printDigest(digest)}${query}`; to !== undefined;) {
      const response: HttpResponse = await this.send({ to, ...(signal === undefined ? {} : { signal }) });
      if (response.status === 404) {
        discard(response.body);
        found.push(...(await this.#taggedReferrers(digest, signal)));
        break;
      }
      if (response.status !== 200) throw await unexpectedAnswer(response, this.name);
      const bytes = await collect(response.body, DOCUMENT_LIMIT, "list of referrers");
      found.push(...indexEntries(parseManifest(bytes, { mediaType: MEDIA_TYPES.index })));
      to = nextPage(response);
    }
    return artifactType === undefined ? found : found.filter((each) => each.artifactType === artifactType);
  }

  async #taggedReferrers(digest: Digest, signal: AbortSignal | undefined): Promise<readonly Descriptor[]> {
    try {
      const document = await this.readManifest(referrersTag(digest), signal);
      return indexEntries(parseManifest(document.bytes, { mediaType: document.mediaType }));
    } catch (error) {
      if (isStoreError(error, "oci/registry-not-found")) return [];
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#http[Symbol.dispose]();
  }
}

/** Errors of a connection that may be gone the next time. */
const PASSING = new Set(["ECONNRESET", "ETIMEDOUT", "EAI_AGAIN", "EPIPE", "nothing came for too long"]);

/** The tag under which registries without a list of referrers keep one. */
export function referrersTag(digest: Digest): string {
  return `${digest.algorithm.slice(0, 32)}-${digest.hex.slice(0, 64)}`.replace(/[^A-Za-z0-9_.-]/g, "-");
}

function indexEntries(parsed: Manifest | ImageIndex): readonly Descriptor[] {
  return parsed.kind === "index" ? parsed.entries : [];
}

export function headerOf(response: HttpResponse, name: string): string | undefined {
  const value = response.headers[name];
  return Array.isArray(value) ? value[0] : value;
}

/** A proxy that encodes what nobody asked it to would change the bytes under a digest. */
function checkUnencoded(response: HttpResponse): void {
  const encoding = response.headers["content-encoding"];
  if (encoding === undefined || encoding === "identity" || encoding === "") return;
  response.body.destroy();
  throw ociErrors.error(
    "registry-answer",
    `${shownUrl(response.url)}: the answer is encoded, as nobody has asked for`,
  );
}

/** The scope that a refused token lacked. */
function missingScope(response: HttpResponse): string | undefined {
  const challenges = parseChallenges(response.body.headersDistinct["www-authenticate"] ?? []);
  const bearer = challenges.find(({ scheme }) => scheme === "bearer")?.parameters;
  if (bearer?.get("error") !== "insufficient_scope") return undefined;
  const scope = bearer.get("scope");
  return scope !== undefined && /^[^\s:]+:[^\s]+:[^\s:]+$/.test(scope) ? scope : undefined;
}

/** The next page of a list, on the same host. */
function nextPage(response: HttpResponse): URL | undefined {
  const link = headerOf(response, "link");
  const target = link === undefined ? null : /^\s*<([^>]+)>\s*;.*\brel="?next"?/i.exec(link);
  if (target === null) return undefined;
  const url = URL.parse(target[1] as string, response.url.href);
  return url !== null && url.origin === response.url.origin ? url : undefined;
}
