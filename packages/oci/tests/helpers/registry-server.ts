// A registry that does as it is told, also what no registry should. Loopback only.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

import { sha256 } from "./image.ts";

export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
}

export type Misbehave = (request: IncomingMessage, response: ServerResponse) => boolean | Promise<boolean>;

export class RegistryServer implements AsyncDisposable {
  readonly blobs = new Map<string, Buffer>();
  readonly manifests = new Map<string, { type: string; bytes: Buffer }>();
  readonly seen: Seen[] = [];
  /** Answers instead, where it says true. */
  misbehave: Misbehave = () => false;
  readonly #server: Server;
  readonly #uploads = new Map<string, Buffer>();

  private constructor() {
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch((error: unknown) => response.destroy(error as Error));
    });
  }

  static async start(): Promise<RegistryServer> {
    const made = new RegistryServer();
    await new Promise<void>((resolve) => made.#server.listen(0, "127.0.0.1", resolve));
    return made;
  }

  /** Host and port. */
  get domain(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  addBlob(bytes: Uint8Array): string {
    const digest = `sha256:${sha256(bytes)}`;
    this.blobs.set(digest, Buffer.from(bytes));
    return digest;
  }

  addManifest(tag: string, type: string, bytes: Uint8Array): string {
    const digest = `sha256:${sha256(bytes)}`;
    for (const name of [tag, digest]) this.manifests.set(name, { type, bytes: Buffer.from(bytes) });
    return digest;
  }

  /** Requests whose method and path match. */
  count(pattern: RegExp): number {
    return this.seen.filter(({ method, url }) => pattern.test(`${method} ${url}`)).length;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "", url = "" } = request;
    this.seen.push({ method, url, headers: request.headers });
    if (await this.misbehave(request, response)) return;
    const { pathname, searchParams } = new URL(url, "http://x/");
    if (pathname === "/v2/") return void response.writeHead(200).end();
    const manifest = /^\/v2\/(.+)\/manifests\/(.+)$/.exec(pathname);
    if (manifest !== null) return await this.#manifest(request, response, manifest[2] as string);
    const upload = /^\/v2\/(.+)\/blobs\/uploads\/(.*)$/.exec(pathname);
    if (upload !== null)
      return await this.#upload(request, response, upload[1] as string, upload[2] as string, searchParams);
    const blob = /^\/v2\/(.+)\/blobs\/(.+)$/.exec(pathname);
    if (blob !== null) return this.#blob(request, response, blob[2] as string);
    fail(response, 404, "NAME_UNKNOWN");
  }

  async #manifest(request: IncomingMessage, response: ServerResponse, name: string): Promise<void> {
    if (request.method === "PUT") {
      const bytes = await bodyOf(request);
      const digest = this.addManifest(name, request.headers["content-type"] ?? "", bytes);
      return void response.writeHead(201, { "Docker-Content-Digest": digest }).end();
    }
    const found = this.manifests.get(name);
    if (found === undefined) return fail(response, 404, "MANIFEST_UNKNOWN");
    response.writeHead(200, {
      "Content-Type": found.type,
      "Content-Length": found.bytes.length,
      "Docker-Content-Digest": `sha256:${sha256(found.bytes)}`,
    });
    response.end(request.method === "HEAD" ? undefined : found.bytes);
  }

  #blob(request: IncomingMessage, response: ServerResponse, digest: string): void {
    const bytes = this.blobs.get(digest);
    if (bytes === undefined) return fail(response, 404, "BLOB_UNKNOWN");
    sendRange(request, response, bytes);
  }

  async #upload(
    request: IncomingMessage,
    response: ServerResponse,
    repository: string,
    id: string,
    query: URLSearchParams,
  ): Promise<void> {
    const place = `/v2/${repository}/blobs/uploads/u${this.#uploads.size}?state=s`;
    const body = await bodyOf(request);
    if (request.method === "POST") {
      const mount = query.get("mount");
      if (mount !== null && this.blobs.has(mount)) return void response.writeHead(201).end();
      this.#uploads.set(`u${this.#uploads.size}`, Buffer.alloc(0));
      return void response.writeHead(202, { Location: place }).end();
    }
    const before = this.#uploads.get(id);
    if (before === undefined) return fail(response, 404, "BLOB_UPLOAD_UNKNOWN");
    const whole = Buffer.concat([before, body]);
    this.#uploads.set(id, whole);
    if (request.method === "PATCH") return void response.writeHead(202, { Location: `${request.url}` }).end();
    const digest = query.get("digest") ?? "";
    if (digest !== `sha256:${sha256(whole)}`) return fail(response, 400, "DIGEST_INVALID");
    this.blobs.set(digest, whole);
    response.writeHead(201).end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

export function fail(
  response: ServerResponse,
  status: number,
  code: string,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { "Content-Type": "application/json", ...headers });
  response.end(JSON.stringify({ errors: [{ code, message: `it is ${code}` }] }));
}

/** All of the bytes, or the range that was asked for. */
export function sendRange(request: IncomingMessage, response: ServerResponse, bytes: Buffer): void {
  const range = /^bytes=([0-9]+)-$/.exec(request.headers.range ?? "");
  const start = range === null ? 0 : Number(range[1]);
  const headers = { "Content-Length": bytes.length - start, "Content-Type": "application/octet-stream" };
  if (range === null) response.writeHead(200, headers);
  else
    response.writeHead(206, {
      ...headers,
      "Content-Range": `bytes ${start}-${bytes.length - 1}/${bytes.length}`,
    });
  response.end(request.method === "HEAD" ? undefined : bytes.subarray(start));
}

export async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts);
}
