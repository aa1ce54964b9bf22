// Certificates: an authority of one's own from certs.d, none, and any.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";

import { isStoreError, utf8 } from "@bootc-store/core";
import { findProgram, succeedSync } from "@bootc-store/lab";
import { Dir } from "@bootc-store/linux";
import { expect, test } from "vitest";

import {
  MEDIA_TYPES,
  openImageSource,
  parseImageReference,
  RegistryAccess,
  type RegistryAccessOptions,
} from "../src/index.ts";
import { makeImage, tarOf } from "./helpers/image.ts";

const missing = findProgram("openssl") === undefined ? "needs openssl" : undefined;

test.skipIf(missing !== undefined)(`a registry with a certificate of its own ${missing ?? ""}`, async () => {
  const top = mkdtempSync("/tmp/bootc-store-oci-");
  using root = Dir.openHost(utf8(top));
  succeedSync([
    "openssl",
    "req",
    "-x509",
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:P-256",
    "-nodes",
    "-days",
    "2",
    "-subj",
    "/CN=test",
    "-addext",
    "subjectAltName=IP:127.0.0.1",
    "-keyout",
    `${top}/key.pem`,
    "-out",
    `${top}/cert.pem`,
  ]);
  const image = makeImage([[await tarOf({ a: "b" }), "gzip"]]);
  const server = createServer(
    { key: readFileSync(`${top}/key.pem`), cert: readFileSync(`${top}/cert.pem`) },
    (request, response) => {
      if (request.url === "/v2/") response.end();
      else response.writeHead(200, { "Content-Type": MEDIA_TYPES.manifest }).end(image.top.bytes);
    },
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const domain = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const read = async (options: Partial<RegistryAccessOptions> = {}): Promise<string> => {
    const env = { home: "/root", uid: 0, variables: {} };
    const registries = new RegistryAccess({ host: { root }, env, retry: { attempts: 1 }, ...options });
    try {
      const source = await openImageSource(parseImageReference(`docker://${domain}/x:1`), {
        host: { root },
        registries,
      });
      const document = await source.readDocument();
      await source[Symbol.asyncDispose]();
      return document.digest.hex;
    } catch (error) {
      if (isStoreError(error)) return `${error.code} ${String(error.context["reason"])}`;
      throw error;
    }
  };
  try {
    expect(await read()).toMatch(/^oci\/registry-unreachable .*SELF_SIGNED/);
    expect(await read({ insecure: true })).toBe(image.top.digest.hex);
    mkdirSync(`${top}/etc/containers/certs.d/${domain}`, { recursive: true });
    writeFileSync(`${top}/etc/containers/certs.d/${domain}/ca.crt`, readFileSync(`${top}/cert.pem`));
    expect(await read()).toBe(image.top.digest.hex);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    rmSync(top, { recursive: true });
  }
});
