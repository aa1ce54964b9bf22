// The way through a proxy: requests in the clear are handed to it whole, others by a tunnel.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import {
  createServer,
  type IncomingMessage,
  request as forward,
  type Server,
  type ServerResponse,
} from "node:http";
import { createServer as createTlsServer } from "node:https";
import { type AddressInfo, connect } from "node:net";

import { isStoreError, renderError, utf8 } from "@bootc-store/core";
import { findProgram, succeedSync } from "@bootc-store/lab";
import { Dir } from "@bootc-store/linux";
import { afterEach, beforeEach, expect, test } from "vitest";

import { MEDIA_TYPES, openImageSource, parseImageReference, RegistryAccess } from "../src/index.ts";
import { makeImage, tarOf } from "./helpers/image.ts";

const missing = findProgram("openssl") === undefined ? "needs openssl" : undefined;
const NAME = "registry.example.test";
const USER = "me:pa55word";

let top: string;
let root: Dir;
let image: ReturnType<typeof makeImage>;
const servers: Server[] = [];

beforeEach(async () => {
  top = mkdtempSync("/tmp/bootc-store-oci-");
  root = Dir.openHost(utf8(top));
  image = makeImage([[await tarOf({ a: "b" }), "gzip"]]);
});

afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
  root[Symbol.dispose]();
  rmSync(top, { recursive: true });
});

async function listen(server: Server): Promise<number> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

const registry = (request: IncomingMessage, response: ServerResponse): void => {
  if (request.url === "/v2/") response.end();
  else response.writeHead(200, { "Content-Type": MEDIA_TYPES.manifest }).end(image.top.bytes);
};

/** A proxy that knows one place, by a name that no resolver knows. */
async function startProxy(target: number): Promise<{ port: number; asked: string[] }> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? "");
    asked.push(`${request.method} ${url.host} ${request.headers["proxy-authorization"] ?? "-"}`);
    forward({ port: target, host: "127.0.0.1", path: url.pathname }, (answer) => {
      response.writeHead(answer.statusCode ?? 0, answer.headers);
      answer.pipe(response);
    }).end();
  });
  server.on("connect", (request, socket) => {
    asked.push(`CONNECT ${request.url} ${request.headers["proxy-authorization"] ?? "-"}`);
    const there = connect(target, "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      there.pipe(socket).pipe(there);
    });
    for (const each of [there, socket]) each.on("error", () => there.destroy());
  });
  return { port: await listen(server), asked };
}

async function read(variables: Record<string, string>, insecure?: boolean): Promise<string> {
  const registries = new RegistryAccess({
    host: { root },
    env: { home: "/root", uid: 0, variables },
    retry: { attempts: 1 },
    ...(insecure === undefined ? {} : { insecure }),
  });
  const source = await openImageSource(parseImageReference(`docker://${NAME}/x:1`), {
    host: { root },
    registries,
  });
  await using kept = source;
  return (await kept.readDocument()).digest.hex;
}

test("in the clear", async () => {
  const proxy = await startProxy(await listen(createServer(registry)));
  // Encryption is tried first and goes to the proxy of its own, that is none.
  const variables = { HTTP_PROXY: `http://${USER}@127.0.0.1:${proxy.port}` };
  expect(await read(variables, true)).toBe(image.top.digest.hex);
  const basic = `Basic ${Buffer.from(USER).toString("base64")}`;
  expect(new Set(proxy.asked)).toEqual(new Set([`GET ${NAME} ${basic}`]));
});

test.skipIf(missing !== undefined)(`by a tunnel ${missing ?? ""}`, async () => {
  const [key, cert] = [`${top}/key.pem`, `${top}/cert.pem`];
  const make = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=test";
  succeedSync([
    "openssl",
    ...make.split(" "),
    "-addext",
    `subjectAltName=DNS:${NAME}`,
    "-keyout",
    key,
    "-out",
    cert,
  ]);
  const server = createTlsServer({ key: readFileSync(key), cert: readFileSync(cert) }, registry);
  const proxy = await startProxy(await listen(server));
  mkdirSync(`${top}/etc/containers/certs.d/${NAME}`, { recursive: true });
  writeFileSync(`${top}/etc/containers/certs.d/${NAME}/ca.crt`, readFileSync(cert));
  const variables = { HTTPS_PROXY: `http://${USER}@127.0.0.1:${proxy.port}` };
  expect(await read(variables)).toBe(image.top.digest.hex);
  const basic = `Basic ${Buffer.from(USER).toString("base64")}`;
  expect(new Set(proxy.asked)).toEqual(new Set([`CONNECT ${NAME}:443 ${basic}`]));
});

test("one that is not there is named without its password", async () => {
  const gone = createServer();
  const port = await listen(gone);
  servers.pop();
  await new Promise((resolve) => gone.close(resolve));
  try {
    await read({ HTTPS_PROXY: `http://${USER}@127.0.0.1:${port}` });
    expect.fail("reached a registry");
  } catch (error) {
    if (!isStoreError(error)) throw error;
    expect(error.code).toBe("oci/registry-unreachable");
    expect(error.message).toContain(`http://127.0.0.1:${port}`);
    expect(`${renderError(error)} ${JSON.stringify(error)}`).not.toContain("pa55word");
  }
});
