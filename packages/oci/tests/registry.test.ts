/* oxlint-disable typescript/await-thenable -- the linter does not know of async disposal in test files */
// The registry client against a server that does what no server should, and against a real one.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { randomBytes } from "node:crypto";

import { isStoreError, printDigest, renderError, utf8 } from "@bootc-store/core";
import { Dir } from "@bootc-store/linux";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";

import {
  copyImage,
  type CopyImageResult,
  Credential,
  type Descriptor,
  exactDocument,
  type HostEnvironment,
  MEDIA_TYPES,
  openImageSink,
  openImageSource,
  type OpenSinkOptions,
  parseImageReference,
  RegistryAccess,
  type RegistryAccessOptions,
  RegistryClient,
  type RegistryClientOptions,
  uploadBlob,
} from "../src/index.ts";
import { chunksOf, digestOf, makeImage, makeIndex, type MemorySource, tarOf } from "./helpers/image.ts";
import { fail, RegistryServer, sendRange } from "./helpers/registry-server.ts";
import { lab } from "./lab.ts";

afterAll(() => lab.close());

const root = Dir.openHost(utf8("/"));
afterAll(() => root[Symbol.dispose]());

let work = "";
let server: RegistryServer;
beforeEach(async () => {
  work = mkdtempSync("/tmp/bootc-store-oci-");
  server = await RegistryServer.start();
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(work, { recursive: true });
});

const FAST = { firstMs: 1, capMs: 50, resumeMs: 1 };
const SECRET = "s3cr3t-pa55word";

function client(options: Partial<RegistryClientOptions> = {}): RegistryClient {
  return new RegistryClient({ domain: server.domain, path: "a/b", insecure: true, retry: FAST, ...options });
}

function access(options: Partial<RegistryAccessOptions> = {}): RegistryAccess {
  const env: HostEnvironment = { home: `${work}/home`, uid: 0, variables: {} };
  return new RegistryAccess({
    host: { root },
    env,
    insecure: true,
    retry: FAST,
    registriesConf: conf(""),
    ...options,
  });
}

function conf(text: string): string {
  const path = `${work}/registries-${randomBytes(4).toString("hex")}.conf`;
  writeFileSync(path, text);
  return path;
}

async function failureOf(work: Promise<unknown>): Promise<{ code: string; text: string }> {
  try {
    await work;
  } catch (error) {
    if (isStoreError(error))
      return { code: error.code, text: `${renderError(error)} ${JSON.stringify(error)}` };
    throw error;
  }
  return { code: "accepted", text: "" };
}

const codeOf = async (work: Promise<unknown>): Promise<string> => (await failureOf(work)).code;

const descriptorOf = (bytes: Uint8Array): Descriptor => ({
  mediaType: MEDIA_TYPES.layer,
  digest: digestOf(bytes),
  size: bytes.length,
});

async function fetchBlob(from: RegistryClient, bytes: Uint8Array): Promise<Buffer> {
  const content = await from.openBlob(descriptorOf(bytes));
  return Buffer.concat(await Array.fromAsync(content.read()));
}

async function copy(
  from: MemorySource | string,
  to: string,
  options: Partial<OpenSinkOptions> & { all?: boolean } = {},
): Promise<CopyImageResult> {
  const common = { host: { root }, registries: options.registries ?? access() };
  await using source =
    typeof from === "string" ? await openImageSource(parseImageReference(from), common) : from;
  await using sink = await openImageSink(parseImageReference(to), { ...common, sync: "none", ...options });
  return await copyImage(source, sink, {
    platform: { os: "linux", architecture: "amd64" },
    ...(options.all === undefined ? {} : { all: options.all }),
  });
}

async function sample(): Promise<MemorySource> {
  return makeImage([
    [await tarOf({ a: randomBytes(200_000) }), "gzip"],
    [await tarOf({ b: randomBytes(3 << 20) }), "plain"],
  ]);
}

describe("a server that does what no server should", () => {
  test("each refusal has its own code", async () => {
    const rows: [number, string, string][] = [
      [401, "UNAUTHORIZED", "oci/registry-unauthorized"],
      [403, "DENIED", "oci/registry-denied"],
      [404, "MANIFEST_UNKNOWN", "oci/registry-not-found"],
      [429, "TOOMANYREQUESTS", "oci/registry-rate-limited"],
      [500, "UNKNOWN", "oci/registry-error"],
      [418, "X", "oci/registry-error"],
      [204, "X", "oci/registry-answer"],
    ];
    for (const [status, code, wanted] of rows) {
      server.misbehave = (request, response) => {
        if (request.url === "/v2/") return false;
        if (status === 204) response.writeHead(204).end();
        else fail(response, status, code);
        return true;
      };
      using one = client();
      expect([status, await codeOf(one.readManifest("t"))]).toEqual([status, wanted]);
    }
    server.misbehave = (request, response) => {
      if (request.url === "/v2/") return false;
      response.writeHead(400, { "Content-Type": "text/html" }).end("<html>not json");
      return true;
    };
    using one = client();
    expect(await codeOf(one.readManifest("t"))).toBe("oci/registry-error");
    using none = client({ domain: "127.0.0.1:1" });
    expect(await codeOf(none.readManifest("t"))).toBe("oci/registry-unreachable");
  });

  test("a redirect loop, one to nowhere, and one to another host, which gets no credentials", async () => {
    using one = client();
    server.misbehave = (request, response) => {
      if (request.url === "/v2/") return false;
      response.writeHead(302, { Location: `${request.url}x` }).end();
      return true;
    };
    expect(await codeOf(one.readManifest("t"))).toBe("oci/registry-redirects");
    server.misbehave = (request, response) => {
      if (request.url === "/v2/") return false;
      response.writeHead(307, { Location: "file:///etc/passwd" }).end();
      return true;
    };
    expect(await codeOf(one.readManifest("t"))).toBe("oci/registry-redirects");

    await using other = await RegistryServer.start();
    const bytes = randomBytes(1000);
    other.addBlob(bytes);
    server.misbehave = (request, response) => {
      if (request.url === "/v2/") response.writeHead(401, { "WWW-Authenticate": 'Basic realm="x"' }).end();
      else response.writeHead(307, { Location: `http://${other.domain}${request.url}` }).end();
      return true;
    };
    using known = client({ credential: Credential.password("me", SECRET) });
    expect(await fetchBlob(known, bytes)).toEqual(bytes);
    expect(server.seen.at(-1)?.headers.authorization).toMatch(/^Basic /);
    expect(other.seen[0]?.headers.authorization).toBeUndefined();
  });

  test("a connection that is cut in the middle of a layer is resumed", async () => {
    const bytes = randomBytes(5 << 20);
    server.addBlob(bytes);
    let cuts = 0;
    server.misbehave = (request, response) => {
      if (!request.url?.includes("/blobs/") || cuts === 3) return false;
      cuts++;
      const start = Number(/[0-9]+/.exec(request.headers.range ?? "0")?.[0]);
      const headers = { "Content-Length": bytes.length - start };
      if (start === 0) response.writeHead(200, headers);
      else response.writeHead(206, { ...headers, "Content-Range": `bytes ${start}-${bytes.length - 1}/*` });
      response.write(bytes.subarray(start, start + (1 << 20) + 5000), () => response.destroy());
      return true;
    };
    using one = client();
    expect((await fetchBlob(one, bytes)).equals(bytes)).toBe(true);
    expect(cuts).toBe(3);
    expect(server.seen.at(-1)?.headers.range).toMatch(/^bytes=3[0-9]{6}-$/);
  });

  test.each([
    ["gets no further", "oci/registry-cut"],
    ["sends another range", "oci/registry-answer"],
    ["sends all of it anew", "accepted"],
    ["is gone", "oci/registry-not-found"],
  ])("a cut layer whose server then %s", async (then, code) => {
    const bytes = randomBytes(2 << 20);
    server.addBlob(bytes);
    let first = true;
    server.misbehave = (request, response) => {
      if (!request.url?.includes("/blobs/")) return false;
      if (first) {
        first = false;
        response.writeHead(200, { "Content-Length": bytes.length });
        response.write(bytes.subarray(0, 100_000), () => response.destroy());
      } else if (then === "gets no further") {
        response.writeHead(206, {
          "Content-Range": `bytes 100000-${bytes.length - 1}/*`,
          "Content-Length": bytes.length - 100_000,
        });
        response.write(bytes.subarray(100_000, 100_100), () => response.destroy());
      } else if (then === "sends another range") {
        response
          .writeHead(206, { "Content-Range": `bytes 0-${bytes.length - 1}/${bytes.length}` })
          .end(bytes);
      } else if (then === "sends all of it anew")
        response.writeHead(200, { "Content-Length": bytes.length }).end(bytes);
      else fail(response, 404, "BLOB_UNKNOWN");
      return true;
    };
    using one = client();
    // Where what was cut is not where it was, the range that is asked for is another: so take what came.
    const result = await failureOf(fetchBlob(one, bytes));
    expect(result.code === "oci/registry-answer" && then === "gets no further" ? code : result.code).toBe(
      code,
    );
  });

  test("a wrong digest, a truncated blob, one that is too long", async () => {
    const image = await sample();
    const rows: [(bytes: Buffer) => Buffer, string][] = [
      [
        (bytes) => Buffer.concat([bytes.subarray(0, -1), Buffer.from([(bytes.at(-1) ?? 0) ^ 1])]),
        "oci/digest-mismatch",
      ],
      [(bytes) => bytes.subarray(0, -10), "oci/content-size"],
      [(bytes) => Buffer.concat([bytes, Buffer.from("more")]), "oci/content-size"],
    ];
    await copy(image, `docker://${server.domain}/x:1`);
    for (const [change, code] of rows) {
      for (const length of [true, false]) {
        server.misbehave = (request, response) => {
          const digest = /blobs\/(sha256:.*)$/.exec(request.url ?? "")?.[1];
          const bytes = digest === undefined ? undefined : server.blobs.get(digest);
          if (bytes === undefined || bytes.length < 100_000) return false;
          const sent = change(bytes);
          response.writeHead(200, length ? { "Content-Length": sent.length } : {});
          response.end(sent);
          return true;
        };
        const found = await codeOf(copy(`docker://${server.domain}/x:1`, `oci:${work}/l:1`));
        // Without a length an end that comes too early looks like a cut, which is resumed to no end.
        expect([code, "oci/registry-cut"], `${code} ${length}`).toContain(found);
        if (length) expect(found).toBe(code);
      }
    }
  });

  test("429 is waited for, as the server says, and no longer than the cap", async () => {
    server.addManifest("t", MEDIA_TYPES.manifest, (await sample()).top.bytes);
    let refusals = 0;
    server.misbehave = (request, response) => {
      if (!request.url?.includes("/manifests/") || refusals === 3) return false;
      refusals++;
      const after = [undefined, "3600", new Date(Date.now() + 3_600_000).toUTCString()][refusals - 1];
      fail(response, 429, "TOOMANYREQUESTS", after === undefined ? {} : { "Retry-After": after });
      return true;
    };
    using one = client();
    const start = performance.now();
    expect((await one.readManifest("t")).mediaType).toBe(MEDIA_TYPES.manifest);
    expect(performance.now() - start).toBeGreaterThan(90);
    expect(performance.now() - start).toBeLessThan(3000);
    refusals = -10;
    expect(await codeOf(one.readManifest("t"))).toBe("oci/registry-rate-limited");
    expect(refusals).toBe(-5);
  });

  test("encoded answers, manifests of other types or digests, and ones without an end", async () => {
    const image = await sample();
    using one = client();
    const rows: [Record<string, string>, Buffer, string][] = [
      [{ "Content-Encoding": "gzip" }, Buffer.from(image.top.bytes), "oci/registry-answer"],
      [{ "Content-Type": MEDIA_TYPES.index }, Buffer.from(image.top.bytes), "oci/document-invalid"],
      [
        { "Docker-Content-Digest": `sha256:${"0".repeat(64)}` },
        Buffer.from(image.top.bytes),
        "oci/digest-mismatch",
      ],
      [{}, Buffer.alloc(5 << 20, " "), "oci/document-too-large"],
      [
        { "Content-Type": MEDIA_TYPES.dockerSchema1Signed },
        Buffer.from('{"schemaVersion":1}'),
        "oci/schema1-unsupported",
      ],
      [{ "Content-Type": "text/html; charset=utf-8" }, Buffer.from("<html>"), "oci/json-invalid"],
      [
        { "Content-Type": `${MEDIA_TYPES.manifest}; charset=utf-8` },
        Buffer.from(image.top.bytes),
        "accepted",
      ],
    ];
    for (const [headers, bytes, code] of rows) {
      server.misbehave = (request, response) => {
        if (!request.url?.includes("/manifests/")) return false;
        response.writeHead(200, headers).end(bytes);
        return true;
      };
      expect(await codeOf(one.readManifest("t"))).toBe(code);
    }
    expect(await codeOf(one.readManifest(`sha256:${"0".repeat(64)}`))).toBe("oci/digest-mismatch");
  });

  test("a server that says nothing, and one that stops saying anything", async () => {
    server.misbehave = () => true;
    using quiet = client({ idleMs: 50, retry: { ...FAST, attempts: 2 } });
    expect(await codeOf(quiet.readManifest("t"))).toBe("oci/registry-unreachable");
    using aborted = client();
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 20);
    expect(await codeOf(aborted.readManifest("t", stop.signal))).toBe("core/cancelled");
  });
});

describe("authorization", () => {
  /** A registry whose tokens another path of the same server gives out. */
  function protect(options: { readonly expires?: number } = {}): {
    issued: URLSearchParams[];
    valid: Set<string>;
  } {
    const issued: URLSearchParams[] = [];
    const valid = new Set<string>();
    server.misbehave = async (request, response) => {
      const url = new URL(request.url ?? "", `http://${server.domain}`);
      if (url.pathname === "/token") {
        let query = url.searchParams;
        if (request.method === "POST")
          query = new URLSearchParams(
            (await import("./helpers/registry-server.ts").then(({ bodyOf }) => bodyOf(request))).toString(),
          );
        else if (
          request.headers.authorization !== `Basic ${Buffer.from(`me:${SECRET}`).toString("base64")}`
        ) {
          fail(response, 401, "UNAUTHORIZED");
          return true;
        }
        issued.push(query);
        const token = `t${issued.length}`;
        valid.add(token);
        response.end(
          JSON.stringify({
            token,
            ...(options.expires === undefined ? {} : { expires_in: options.expires }),
          }),
        );
        return true;
      }
      const token = /^Bearer (.*)$/.exec(request.headers.authorization ?? "")?.[1] ?? "";
      if (valid.has(token)) return false;
      const error = token === "" ? "" : ',error="invalid_token"';
      response
        .writeHead(401, {
          "WWW-Authenticate": `Bearer realm="http://${server.domain}/token?keep=1",service="sv, \\"x\\""${error}`,
        })
        .end();
      return true;
    };
    return { issued, valid };
  }

  test("tokens: asked for once, with scope and service, and anew when one is refused", async () => {
    const { issued, valid } = protect();
    server.addManifest("t", MEDIA_TYPES.manifest, (await sample()).top.bytes);
    using one = client({ credential: Credential.password("me", SECRET) });
    await Promise.all([one.readManifest("t"), one.readManifest("t"), one.readManifest("t")]);
    expect(issued).toHaveLength(1);
    expect(Object.fromEntries(issued[0] ?? [])).toEqual({
      keep: "1",
      account: "me",
      service: 'sv, "x"',
      scope: "repository:a/b:pull",
    });
    valid.clear();
    await one.readManifest("t");
    expect(issued).toHaveLength(2);
  });

  test("wrong and missing credentials are refused, and named nowhere", async () => {
    protect();
    using wrong = client({ credential: Credential.password("me", `${SECRET}-wrong`) });
    const refused = await failureOf(wrong.readManifest("t"));
    expect(refused.code).toBe("oci/registry-unauthorized");
    expect(refused.text).not.toContain(SECRET);
    expect(refused.text).not.toContain(Buffer.from(`me:${SECRET}-wrong`).toString("base64"));
    using none = client();
    expect(await codeOf(none.readManifest("t"))).toBe("oci/registry-unauthorized");
    const credential = Credential.password("me", SECRET);
    const { inspect } = await import("node:util");
    expect(
      `${inspect(credential, { depth: 9, showHidden: true })} ${JSON.stringify({ credential })} ${String(credential)}`,
    ).not.toContain(SECRET);
    expect(inspect(wrong, { depth: 9 })).not.toContain(SECRET);
  });

  test("an identity token is exchanged by a form", async () => {
    const { issued } = protect();
    server.addManifest("t", MEDIA_TYPES.manifest, (await sample()).top.bytes);
    using one = client({ credential: Credential.identityToken("refresh-me") });
    await one.readManifest("t");
    expect(issued[0]?.get("grant_type")).toBe("refresh_token");
    expect(issued[0]?.get("refresh_token")).toBe("refresh-me");
  });

  test("credentials are not sent unencrypted to a registry that is not configured to be insecure", async () => {
    // The registry itself is reached without TLS only when insecure; here its realm is unencrypted.
    const { Authorizer } = await import("../src/registry/auth.ts");
    const { Http } = await import("../src/registry/http.ts");
    const { parseChallenges } = await import("../src/index.ts");
    protect();
    using http = new Http();
    const authorizer = new Authorizer(parseChallenges([`Bearer realm="http://${server.domain}/token"`]), {
      http,
      credential: Credential.password("me", SECRET),
      insecure: false,
    });
    expect(await codeOf(authorizer.header(["s"], new URL("https://x/")))).toBe("oci/registry-insecure");
  });

  test("of the host's own files, for the whole way of an image", async () => {
    protect();
    const image = await sample();
    const authFile = `${work}/auth.json`;
    writeFileSync(
      authFile,
      JSON.stringify({
        auths: { [server.domain]: { auth: Buffer.from(`me:${SECRET}`).toString("base64") } },
      }),
    );
    const registries = access({ authFile });
    await copy(image, `docker://${server.domain}/team/app:1`, { registries });
    const result = await copy(`docker://${server.domain}/team/app:1`, `oci:${work}/l:1`, { registries });
    expect(printDigest(result.document.digest)).toBe(printDigest(image.top.digest));
    expect(await codeOf(copy(`docker://${server.domain}/team/app:1`, `oci:${work}/m:1`))).toBe(
      "oci/registry-unauthorized",
    );
  });
});

describe("pushing", () => {
  test("what is there is not sent again; blobs are mounted from other repositories", async () => {
    const image = await sample();
    const first = await copy(image, `docker://${server.domain}/x:1`);
    expect(first.blobs.map(({ how }) => how)).toEqual(["copied", "copied", "copied"]);
    const second = await copy(image, `docker://${server.domain}/x:2`);
    expect(second.blobs.map(({ how }) => how)).toEqual(["reused", "reused", "reused"]);
    server.misbehave = (request, response) => {
      if (request.method !== "HEAD" || !request.url?.startsWith("/v2/y/blobs")) return false;
      response.writeHead(404).end();
      return true;
    };
    const patches = server.count(/^PATCH/);
    const third = await copy(image, `docker://${server.domain}/y:1`, { mountFrom: ["x"] });
    expect(third.blobs.map(({ how }) => how)).toEqual(["reused", "reused", "reused"]);
    expect(server.count(/^PATCH/)).toBe(patches);
    expect(server.count(/^POST .*mount=.*from=x/)).toBe(3);
  });

  test("in pieces", async () => {
    const bytes = randomBytes(1_000_001);
    using one = client();
    expect(
      await uploadBlob(one, descriptorOf(bytes), async () => chunksOf(bytes), { chunkSize: 300_000 }),
    ).toBe("copied");
    expect(server.count(/^PATCH/)).toBe(4);
    expect(
      server.seen.filter(({ method }) => method === "PATCH").map(({ headers }) => headers["content-range"]),
    ).toEqual(["0-299999", "300000-599999", "600000-899999", "900000-1000000"]);
    expect(server.blobs.get(`sha256:${descriptorOf(bytes).digest.hex}`)?.equals(bytes)).toBe(true);
  });

  test("a blob that the registry does not accept, and a source that fails", async () => {
    const bytes = randomBytes(100_000);
    using one = client();
    server.misbehave = (request, response) => {
      if (request.method !== "PUT") return false;
      request.resume();
      fail(response, 400, "DIGEST_INVALID");
      return true;
    };
    expect(await codeOf(uploadBlob(one, descriptorOf(bytes), async () => chunksOf(bytes)))).toBe(
      "oci/push-failed",
    );
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield bytes.subarray(0, 1000);
      throw new RangeError("the source is gone");
    }
    await expect(uploadBlob(one, descriptorOf(bytes), async () => broken())).rejects.toThrow(
      "the source is gone",
    );
  });

  test("what has a subject is found again by it, with and without the registry's help", async () => {
    const subject = digestOf(Buffer.from("x"));
    const manifest = {
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.manifest,
      artifactType: "text/note",
      config: { mediaType: MEDIA_TYPES.empty, digest: server.addBlob(Buffer.from("{}")), size: 2 },
      layers: [],
      subject: { mediaType: MEDIA_TYPES.manifest, digest: printDigest(subject), size: 1 },
    };
    using one = client();
    const { uploadManifest } = await import("../src/index.ts");
    for (const extra of [{}, { annotations: { a: "b" } }]) {
      await uploadManifest(
        one,
        exactDocument(MEDIA_TYPES.manifest, Buffer.from(JSON.stringify({ ...manifest, ...extra }))),
        `n${Object.keys(extra).length}`,
      );
    }
    expect(await one.listReferrers(subject)).toHaveLength(2);
    expect(await one.listReferrers(subject, "text/note")).toHaveLength(2);
    expect(await one.listReferrers(subject, "text/other")).toHaveLength(0);
    expect(await one.listReferrers(digestOf(Buffer.from("y")))).toHaveLength(0);
  });

  test("an index, by digest, and one whose digest is to be its name", async () => {
    const index = await makeIndex(["amd64", "arm64"]);
    await copy(index, `docker://${server.domain}/i:1`, { all: true });
    const result = await copy(
      `docker://${server.domain}/i@${printDigest(index.top.digest)}`,
      `oci:${work}/i`,
      { all: true },
    );
    expect(printDigest(result.document.digest)).toBe(printDigest(index.top.digest));
    await copy(index, `docker://${server.domain}/j@@unknown-digest@@`, { all: true });
    expect(server.count(new RegExp(`^PUT /v2/j/manifests/${printDigest(index.top.digest)}`))).toBe(1);
  });
});

test("mirrors are tried in order, the registry last; a blocked one not at all", async () => {
  const image = await sample();
  await copy(image, `docker://${server.domain}/mirror/x:1`);
  await using empty = await RegistryServer.start();
  const text = `
[[registry]]
prefix = "example.invalid/team"
location = "${empty.domain}/main"
insecure = true
[[registry.mirror]]
location = "${empty.domain}/first"
insecure = true
[[registry.mirror]]
location = "${server.domain}/mirror"
insecure = true
[[registry]]
location = "blocked.invalid"
blocked = true
`;
  const env: HostEnvironment = { home: `${work}/home`, uid: 0, variables: {} };
  const registries = new RegistryAccess({
    host: { root },
    env,
    retry: FAST,
    registriesConf: conf(text),
    credential: Credential.password("me", SECRET),
  });
  const result = await copy("docker://example.invalid/team/x:1", `oci:${work}/l:1`, { registries });
  expect(printDigest(result.document.digest)).toBe(printDigest(image.top.digest));
  expect(empty.seen.some(({ url }) => url.startsWith("/v2/first/x/manifests/1"))).toBe(true);
  expect(await codeOf(copy("docker://example.invalid/team/none:9", `oci:${work}/l:2`, { registries }))).toBe(
    "oci/registry-not-found",
  );
  expect(empty.seen.at(-1)?.url).toBe("/v2/main/none/manifests/9");
  expect(await codeOf(copy("docker://blocked.invalid/x:1", `oci:${work}/l:3`, { registries }))).toBe(
    "oci/registry-blocked",
  );
  // Credentials that were given for one registry are not for its mirrors.
  expect([...server.seen, ...empty.seen].every(({ headers }) => headers.authorization === undefined)).toBe(
    true,
  );
});

test("other places of a blob are asked first, without credentials, and passed over where they fail", async () => {
  await using other = await RegistryServer.start();
  const bytes = randomBytes(5000);
  const digest = `sha256:${descriptorOf(bytes).digest.hex}`;
  other.misbehave = (request, response) => {
    if (request.url === "/good") sendRange(request, response, bytes);
    else response.writeHead(500).end();
    return true;
  };
  const config = Buffer.from(
    JSON.stringify({ os: "linux", architecture: "amd64", rootfs: { type: "layers", diff_ids: [digest] } }),
  );
  const urls = [
    "ftp://x/y",
    "http://127.0.0.1:1/gone",
    `http://${other.domain}/bad`,
    `http://${other.domain}/good`,
  ];
  server.addManifest(
    "1",
    MEDIA_TYPES.manifest,
    Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: MEDIA_TYPES.manifest,
        config: { mediaType: MEDIA_TYPES.config, digest: server.addBlob(config), size: config.length },
        layers: [{ mediaType: MEDIA_TYPES.layer, digest, size: bytes.length, urls }],
      }),
    ),
  );
  await copy(`docker://${server.domain}/x:1`, `oci:${work}/l`, {
    registries: access({ credential: Credential.password("me", SECRET) }),
  });
  expect(other.seen.map(({ url }) => url)).toEqual(["/bad", "/good"]);
  expect(other.seen.every(({ headers }) => headers.authorization === undefined)).toBe(true);
});

const noRegistry = lab.missing({ peers: ["docker-registry", "skopeo"] });
describe.skipIf(noRegistry !== undefined)(`docker-registry and skopeo ${noRegistry ?? ""}`, () => {
  async function freePort(): Promise<number> {
    const probe = createServer();
    await new Promise<void>((resolve) => probe.listen(0, "127.0.0.1", resolve));
    const { port } = probe.address() as { port: number };
    await new Promise((resolve) => probe.close(resolve));
    return port;
  }

  async function withRegistry(run: (domain: string) => Promise<void>): Promise<void> {
    const port = await freePort();
    await using scratch = lab.scratch("registry");
    mkdirSync(join(scratch.path, "data"));
    const config = join(scratch.path, "config.yml");
    writeFileSync(
      config,
      `version: 0.1
log: {level: error}
storage: {filesystem: {rootdirectory: ${join(scratch.path, "data")}}, delete: {enabled: true}}
http: {addr: "127.0.0.1:${port}"}
`,
    );
    const child = lab.peers["docker-registry"].spawn(["serve", config]);
    const ended = new Promise((resolve) => child.once("close", resolve));
    try {
      for (let turn = 0; ; turn++) {
        try {
          const answer = await fetch(`http://127.0.0.1:${port}/v2/`);
          if (answer.ok) break;
        } catch (error) {
          if (turn > 200) throw error;
        }
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      await run(`127.0.0.1:${port}`);
    } finally {
      child.kill("SIGTERM");
      await ended;
    }
  }

  const skopeo = async (...args: string[]): Promise<string> =>
    (await lab.peers.skopeo.succeed(["--insecure-policy", ...args], { timeout: 60_000 })).text;

  test("push with us and pull with it, push with it and pull with us", async () => {
    await withRegistry(async (domain) => {
      const image = await sample();
      const digest = printDigest(image.top.digest);
      await copy(image, `docker://${domain}/ours/app:1`);
      await skopeo(
        "copy",
        "--preserve-digests",
        "--src-tls-verify=false",
        `docker://${domain}/ours/app:1`,
        `oci:${work}/pulled:1`,
      );
      const info = JSON.parse(await skopeo("inspect", `oci:${work}/pulled:1`)) as { Digest: string };
      expect(info.Digest).toBe(digest);
      await skopeo(
        "copy",
        "--preserve-digests",
        "--dest-tls-verify=false",
        `oci:${work}/pulled:1`,
        `docker://${domain}/theirs/app:1`,
      );
      const back = await copy(`docker://${domain}/theirs/app:1`, `oci:${work}/back:1`);
      expect(printDigest(back.document.digest)).toBe(digest);
      expect(back.blobs.map(({ digest: each }) => printDigest(each)).sort()).toEqual(
        [...image.blobs.keys()].sort(),
      );
      // Pieces, and mounts.
      const other = await sample();
      await copy(other, `docker://${domain}/pieces/app:1`, { chunkSize: 1 << 20 });
      const mounted = await copy(other, `docker://${domain}/mounted/app:1`, { mountFrom: ["pieces/app"] });
      expect(mounted.blobs.map(({ how }) => how)).toEqual(["reused", "reused", "reused"]);
      const remote = JSON.parse(
        await skopeo("inspect", "--tls-verify=false", `docker://${domain}/mounted/app:1`),
      ) as { Digest: string };
      expect(remote.Digest).toBe(printDigest(other.top.digest));
      // An index, whole.
      const index = await makeIndex(["amd64", "arm64"]);
      await copy(index, `docker://${domain}/index:1`, { all: true });
      await skopeo(
        "copy",
        "--all",
        "--src-tls-verify=false",
        `docker://${domain}/index:1`,
        `dir:${work}/index`,
      );
      const again = await copy(`dir:${work}/index`, `oci:${work}/index-layout`, { all: true });
      expect(printDigest(again.document.digest)).toBe(printDigest(index.top.digest));
      using one = new RegistryClient({ domain, path: "ours/app", insecure: true });
      expect(await Array.fromAsync(one.listTags())).toEqual(["1"]);
      expect(printDigest((await one.headManifest("1")) ?? digestOf(new Uint8Array(0)))).toBe(digest);
      expect(await codeOf(one.readManifest("2"))).toBe("oci/registry-not-found");
    });
  });

  test("a layer that is cut on its way from it is resumed", async () => {
    await withRegistry(async (domain) => {
      const image = await sample();
      await copy(image, `docker://${domain}/x:1`);
      // Between us and it a server that cuts the first two answers that are large.
      let cuts = 0;
      server.misbehave = async (request, response) => {
        const headers = {
          Accept: request.headers.accept ?? "*/*",
          ...(request.headers.range === undefined ? {} : { Range: request.headers.range }),
        };
        const answer = await fetch(`http://${domain}${request.url}`, {
          method: request.method ?? "GET",
          headers,
        });
        const body = Buffer.from(await answer.arrayBuffer());
        response.writeHead(
          answer.status,
          Object.fromEntries([...answer.headers].filter(([name]) => /content|docker/.test(name))),
        );
        if (body.length > 1_500_000 && cuts < 2) {
          cuts++;
          response.write(body.subarray(0, 1_200_000), () => response.destroy());
        } else response.end(body);
        return true;
      };
      const result = await copy(`docker://${server.domain}/x:1`, `oci:${work}/l:1`);
      expect(printDigest(result.document.digest)).toBe(printDigest(image.top.digest));
      expect(cuts).toBe(2);
      expect(server.seen.filter(({ headers }) => headers.range !== undefined)).toHaveLength(2);
    });
  });
});
