/* oxlint-disable typescript/await-thenable -- the linter does not know of async disposal in test files */
import { createHash, generateKeyPairSync, sign as cryptoSign } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { isStoreError, printDigest, utf8 } from "@bootc-store/core";
import { Dir } from "@bootc-store/linux";
import * as openpgp from "openpgp";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";

import {
  acceptsAnythingByDefault,
  checkPolicy,
  copyImage,
  type ExactDocument,
  type HostEnvironment,
  loadPolicy,
  loadRegistriesD,
  MEDIA_TYPES,
  openImageSink,
  openImageSource,
  parseImageReference,
  parsePolicy,
  policyCheck,
  RegistryAccess,
  requirementsFor,
  signaturePlaces,
  parseDockerReference,
  verifySimpleSignature,
} from "../src/index.ts";
import { makeImage, makeIndex, type MemorySource, sha256, tarOf } from "./helpers/image.ts";
import { RegistryServer } from "./helpers/registry-server.ts";
import { lab } from "./lab.ts";

afterAll(() => lab.close());

let top = "";
let root: Dir;
let server: RegistryServer;
beforeEach(async () => {
  top = mkdtempSync("/tmp/bootc-store-oci-");
  root = Dir.openHost(utf8(top));
  server = await RegistryServer.start();
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  root[Symbol.dispose]();
  rmSync(top, { recursive: true });
});

const ENV: HostEnvironment = { home: "/root", uid: 0, variables: {} };

function write(path: string, data: string | Uint8Array): void {
  mkdirSync(join(top, dirname(path)), { recursive: true });
  writeFileSync(join(top, path), data);
}

async function failureOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    if (isStoreError(error)) return `${error.code} ${error.message}`;
    throw error;
  }
  return "accepted";
}

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (isStoreError(error)) return error.code;
    throw error;
  }
  return "accepted";
}

describe("policy.json", () => {
  const accept = [{ type: "insecureAcceptAnything" }];
  const key = { keyType: "GPGKeys", keyPath: "/k" };
  test.each([
    ["{}"],
    ['{"default":[],"default":[]}'],
    ['{"default":[]} x'],
    [JSON.stringify({ default: [{ type: "unknown" }] })],
    [JSON.stringify({ default: accept, extra: 1 })],
    [JSON.stringify({ default: [{ type: "reject", why: "x" }] })],
    [JSON.stringify({ default: [{ type: "signedBy", keyType: "X", keyPath: "/k" }] })],
    [JSON.stringify({ default: [{ type: "signedBy", keyType: "GPGKeys" }] })],
    [JSON.stringify({ default: [{ type: "signedBy", ...key, keyData: "QQ==" }] })],
    [JSON.stringify({ default: [{ type: "signedBy", keyType: "GPGKeys", keyData: "?" }] })],
    [JSON.stringify({ default: [{ type: "signedBy", ...key, signedIdentity: { type: "x" } }] })],
    [
      JSON.stringify({
        default: [
          { type: "signedBy", ...key, signedIdentity: { type: "exactReference", dockerReference: "q.io/x" } },
        ],
      }),
    ],
    [
      JSON.stringify({
        default: [{ type: "signedBy", ...key, signedIdentity: { type: "remapIdentity", prefix: "a" } }],
      }),
    ],
    [JSON.stringify({ default: [{ type: "sigstoreSigned" }] })],
    [JSON.stringify({ default: [{ type: "sigstoreSigned", keyPath: "/k", fulcio: {} }] })],
    [JSON.stringify({ default: [{ type: "sigstoreSigned", fulcio: {} }] })],
    [
      JSON.stringify({
        default: [
          { type: "sigstoreSigned", keyPath: "/k", rekorPublicKeyPath: "/r", rekorPublicKeyData: "QQ==" },
        ],
      }),
    ],
  ])("refuses %s", (text) => {
    expect(codeOf(() => parsePolicy(text))).toBe("oci/policy-invalid");
  });

  test("whether everything is accepted by default", () => {
    expect(acceptsAnythingByDefault(parsePolicy(JSON.stringify({ default: accept })))).toBe(true);
    expect(acceptsAnythingByDefault(parsePolicy(JSON.stringify({ default: [...accept, ...accept] })))).toBe(
      false,
    );
    expect(acceptsAnythingByDefault(parsePolicy(JSON.stringify({ default: [{ type: "reject" }] })))).toBe(
      false,
    );
  });

  test("the nearest scope counts", () => {
    const names = ["q.io/a/b:1", "q.io/a/b", "q.io/a", "q.io", "*.io", ""];
    const of = (...scopes: string[]): string => {
      const policy = parsePolicy(
        JSON.stringify({
          default: accept,
          transports: { docker: Object.fromEntries(scopes.map((scope) => [scope, [{ type: "reject" }]])) },
        }),
      );
      return requirementsFor(policy, parseImageReference("docker://q.io/a/b:1"), { root }).rule;
    };
    for (let at = 0; at < names.length; at++)
      expect(of(...names.slice(at))).toBe(`transports.docker["${names[at] ?? ""}"]`);
    expect(of("q.io/ab", "q.io/a/b:2")).toBe("default");
  });

  test("paths are looked up where they really are", () => {
    mkdirSync(join(top, "var/images"), { recursive: true });
    symlinkSync("/var/images", join(top, "link"));
    const policy = parsePolicy(
      JSON.stringify({
        default: accept,
        transports: { oci: { "/var/images": [{ type: "reject" }] }, dir: { "": [{ type: "reject" }] } },
      }),
    );
    const rule = (text: string): string => requirementsFor(policy, parseImageReference(text), { root }).rule;
    expect(rule("oci:/link/x:t")).toBe('transports.oci["/var/images"]');
    expect(rule("oci:/var/imagesx:t")).toBe("default");
    expect(rule("dir:/x")).toBe('transports.dir[""]');
    expect(rule("docker-archive:/x")).toBe("default");
  });

  test("the host's files, in their order", () => {
    expect(codeOf(() => loadPolicy({ root }, ENV))).toBe("oci/policy-missing");
    write("usr/share/containers/policy.json", JSON.stringify({ default: accept }));
    expect(loadPolicy({ root }, ENV).default[0]?.type).toBe("insecureAcceptAnything");
    write("etc/containers/policy.json", JSON.stringify({ default: [{ type: "reject" }] }));
    expect(loadPolicy({ root }, ENV).default[0]?.type).toBe("reject");
    write("mine.json", JSON.stringify({ default: accept }));
    expect(
      loadPolicy({ root }, { ...ENV, variables: { CONTAINERS_POLICY_JSON: "/mine.json" } }).default[0]?.type,
    ).toBe("insecureAcceptAnything");
    write("root/.config/containers/policy.json", "{");
    expect(codeOf(() => loadPolicy({ root }, ENV))).toBe("oci/policy-invalid");
  });

  test("registries.d", async () => {
    write("etc/containers/registries.d/default.yaml", "default-docker:\n  lookaside: file:///var/sigs/\n");
    write(
      "etc/containers/registries.d/q.yaml",
      "docker:\n  q.io:\n    use-sigstore-attachments: true\n  q.io/a:\n    sigstore: https://sigs.example/x\n",
    );
    write("etc/containers/registries.d/notes.txt", ": not yaml");
    write("etc/containers/registries.d/empty.yaml", "# nothing\n");
    const config = await loadRegistriesD({ root }, ENV);
    const places = (text: string): unknown => signaturePlaces(config, parseDockerReference(text));
    expect(places("q.io/a/b")).toEqual({ lookaside: "https://sigs.example/x", sigstoreAttachments: true });
    expect(places("q.io/b")).toEqual({ lookaside: "file:///var/sigs", sigstoreAttachments: true });
    expect(places("z.io/b")).toEqual({ lookaside: "file:///var/sigs", sigstoreAttachments: false });
    write("etc/containers/registries.d/z.yaml", "docker:\n  q.io: {}\n");
    expect(await failureOf(loadRegistriesD({ root }, ENV))).toContain("oci/config-invalid");
    write("etc/containers/registries.d/z.yaml", "docker: [");
    expect(await failureOf(loadRegistriesD({ root }, ENV))).toContain("oci/config-invalid");
  });
});

interface Signer {
  readonly publicKey: Uint8Array;
  sign(payload: string | object): Promise<Uint8Array>;
}

async function newSigner(date = new Date(Date.now() - 10_000), life = 0): Promise<Signer> {
  const { privateKey, publicKey } = await openpgp.generateKey({
    userIDs: [{ name: "signer" }],
    format: "object",
    date,
    keyExpirationTime: life,
  });
  return {
    publicKey: publicKey.write(),
    async sign(payload) {
      const text = typeof payload === "string" ? payload : JSON.stringify(payload);
      const message = await openpgp.createMessage({ binary: Buffer.from(text) });
      return await openpgp.sign({
        message,
        signingKeys: privateKey,
        format: "binary",
        date: life > 0 ? date : new Date(Date.now() - 1000),
      });
    },
  };
}

function payloadOf(digest: string, name: string, type = "atomic container signature"): object {
  return {
    critical: { type, image: { "docker-manifest-digest": digest }, identity: { "docker-reference": name } },
    optional: { creator: "test", timestamp: 1 },
  };
}

describe("simple signing", () => {
  async function setUp(): Promise<{ image: MemorySource; digest: string; name: string; sigs: string }> {
    const image = makeImage([[await tarOf({ a: "b" }), "gzip"]]);
    const registries = access();
    await using sink = await openImageSink(parseImageReference(`docker://${server.domain}/x/y:1`), {
      host: { root },
      registries,
    });
    await copyImage(image, sink);
    const sigs = `var/sigs/x/y@sha256=${image.top.digest.hex}`;
    write("etc/containers/registries.d/default.yaml", "default-docker:\n  lookaside: file:///var/sigs\n");
    return { image, digest: printDigest(image.top.digest), name: `${server.domain}/x/y:1`, sigs };
  }

  function access(): RegistryAccess {
    return new RegistryAccess({ host: { root }, env: ENV, insecure: true, retry: { firstMs: 1 } });
  }

  async function check(
    image: MemorySource,
    keys: Uint8Array,
    identity?: object,
    reference = `docker://${server.domain}/x/y:1`,
  ): Promise<string> {
    write("keys.gpg", keys);
    const policy = parsePolicy(
      JSON.stringify({
        default: [{ type: "reject" }],
        transports: {
          docker: {
            [server.domain]: [
              {
                type: "signedBy",
                keyType: "GPGKeys",
                keyPath: "/keys.gpg",
                ...(identity === undefined ? {} : { signedIdentity: identity }),
              },
            ],
          },
        },
      }),
    );
    const parsed = parseImageReference(reference);
    await using source = await openImageSource(parsed, { host: { root }, registries: access() });
    const registriesD = await loadRegistriesD({ root }, ENV);
    return await failureOf(
      checkPolicy(image.top, { host: { root }, policy, reference: parsed, source, registriesD }),
    );
  }

  test("a signature by a trusted key is accepted; the refusal of any other names the rule", async () => {
    const { image, digest, name, sigs } = await setUp();
    const [signer, other] = await Promise.all([newSigner(), newSigner()]);
    const rule = `transports.docker["${server.domain}"][0] signedBy`;
    expect(await check(image, signer.publicKey)).toContain(`${rule}: there is no signature`);
    write(`${sigs}/signature-1`, await other.sign(payloadOf(digest, name)));
    expect(await check(image, signer.publicKey)).toContain(
      `oci/policy-rejected docker://${name}: ${rule}: signature`,
    );
    write(`${sigs}/signature-2`, await signer.sign(payloadOf(digest, name)));
    expect(await check(image, signer.publicKey)).toBe("accepted");
    expect(await check(image, Buffer.concat([other.publicKey, signer.publicKey]))).toBe("accepted");
    const armoured = (await openpgp.readKey({ binaryKey: signer.publicKey })).armor();
    expect(await check(image, Buffer.from(armoured))).toBe("accepted");
  });

  test.each([
    [
      "another manifest",
      (digest: string, name: string) =>
        payloadOf(
          digest.replace(/.$/, (last) => (last === "0" ? "1" : "0")),
          name,
        ),
      "another manifest",
    ],
    ["another name", (digest: string, name: string) => payloadOf(digest, `${name}x`), "for the name"],
    ["no name", (digest: string) => payloadOf(digest, ""), "for the name"],
    ["another type", (digest: string, name: string) => payloadOf(digest, name, "other"), "critical.type"],
    ["a field beside", (digest: string, name: string) => ({ ...payloadOf(digest, name), more: 1 }), "more"],
    [
      "a field twice",
      (digest: string, name: string) =>
        JSON.stringify(payloadOf(digest, name)).replace('"critical":', '"critical":{},"critical":'),
      "twice",
    ],
    [
      "a field twice in another case",
      (digest: string, name: string) =>
        JSON.stringify(payloadOf(digest, name)).replace('"critical":', '"Critical":{},"critical":'),
      "twice",
    ],
    ["no JSON", () => "x", "character"],
  ])("a payload with %s is refused", async (_, payload, reason) => {
    const { image, digest, name, sigs } = await setUp();
    const signer = await newSigner();
    write(`${sigs}/signature-1`, await signer.sign(payload(digest, name)));
    const found = await check(image, signer.publicKey);
    expect(found).toContain("oci/policy-rejected");
    expect(found).toContain(reason);
  });

  test("the rules for names", async () => {
    const { image, digest, name, sigs } = await setUp();
    const signer = await newSigner();
    const { publicKey } = signer;
    write(`${sigs}/signature-1`, await signer.sign(payloadOf(digest, `${server.domain}/x/y:other`)));
    expect(await check(image, publicKey, { type: "matchExact" })).toContain("rejected");
    expect(await check(image, publicKey, { type: "matchRepository" })).toBe("accepted");
    expect(
      await check(image, publicKey, {
        type: "exactReference",
        dockerReference: `${server.domain}/x/y:other`,
      }),
    ).toBe("accepted");
    expect(await check(image, publicKey, { type: "exactReference", dockerReference: name })).toContain(
      "rejected",
    );
    expect(
      await check(image, publicKey, { type: "exactRepository", dockerRepository: `${server.domain}/x/y` }),
    ).toBe("accepted");
    const byDigest = `docker://${server.domain}/x/y@${digest}`;
    expect(await check(image, publicKey, undefined, byDigest)).toBe("accepted");
    expect(await check(image, publicKey, { type: "matchExact" }, byDigest)).toContain("rejected");
    write(`${sigs}/signature-1`, await signer.sign(payloadOf(digest, "vendor.io/x/y:1")));
    expect(await check(image, publicKey)).toContain("rejected");
    expect(
      await check(image, publicKey, {
        type: "remapIdentity",
        prefix: server.domain,
        signedPrefix: "vendor.io",
      }),
    ).toBe("accepted");
    expect(
      await check(image, publicKey, {
        type: "remapIdentity",
        prefix: `${server.domain}/x`,
        signedPrefix: "vendor.io/z",
      }),
    ).toContain("rejected");
  });

  test("what is not one signed message is refused", async () => {
    const { digest, name } = await setUp();
    const [signer, other] = await Promise.all([newSigner(), newSigner()]);
    const good = await signer.sign(payloadOf(digest, name));
    const verified = await verifySimpleSignature(good, [signer.publicKey]);
    expect(verified.payload).toEqual({ manifestDigest: digest, dockerReference: name });
    expect(verified.fingerprint).toBe(
      (await openpgp.readKey({ binaryKey: signer.publicKey })).getFingerprint().toUpperCase(),
    );
    const damaged = Buffer.from(good);
    const at = damaged.indexOf("docker-manifest");
    damaged[at] = (damaged[at] as number) ^ 1;
    const expired = await newSigner(new Date("2020-01-01"), 3600);
    const literal = (
      await openpgp.createMessage({ binary: Buffer.from(JSON.stringify(payloadOf(digest, name))) })
    ).write();
    const rows: [Uint8Array, Uint8Array][] = [
      [damaged, signer.publicKey],
      [good, other.publicKey],
      [await expired.sign(payloadOf(digest, name)), expired.publicKey],
      [literal, signer.publicKey],
      [good.subarray(0, 40), signer.publicKey],
      [Buffer.from("junk"), signer.publicKey],
    ];
    for (const [bytes, key] of rows) {
      expect(await failureOf(verifySimpleSignature(bytes, [key]))).toContain("oci/signature-invalid");
    }
    expect(await failureOf(verifySimpleSignature(good, [Buffer.from("no key")]))).toContain(
      "oci/policy-invalid",
    );
  });
});

describe("sigstore", () => {
  const ec = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const rekor = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const ed = generateKeyPairSync("ed25519");
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const pem = ({ publicKey }: { publicKey: typeof ec.publicKey }): string =>
    publicKey.export({ type: "spki", format: "pem" }) as string;

  async function attach(
    image: MemorySource,
    pair: typeof ec,
    change: (payload: object, annotations: Record<string, string>) => void = () => {},
  ): Promise<void> {
    const payload = payloadOf(
      printDigest(image.top.digest),
      `${server.domain}/x/y`,
      "cosign container image signature",
    );
    const annotations: Record<string, string> = {};
    change(payload, annotations);
    const bytes = Buffer.from(JSON.stringify(payload));
    const signature = cryptoSign(
      pair.privateKey.asymmetricKeyType === "ed25519" ? null : "sha256",
      bytes,
      pair.privateKey,
    ).toString("base64");
    annotations["dev.cosignproject.cosign/signature"] ??= signature;
    if (annotations["rekor"] !== undefined) {
      const body = Buffer.from(
        JSON.stringify({
          apiVersion: "0.0.1",
          kind: "hashedrekord",
          spec: {
            data: {
              hash: {
                algorithm: "sha256",
                value:
                  annotations["rekor"] === "other"
                    ? sha256(Buffer.from("x"))
                    : createHash("sha256").update(bytes).digest("hex"),
              },
            },
            signature: {
              content: signature,
              publicKey: { content: Buffer.from(pem(pair)).toString("base64") },
            },
          },
        }),
      ).toString("base64");
      const entry = { body, integratedTime: 1_700_000_000, logID: "abc", logIndex: 7 };
      // Keys of the entry are in the order of the canonical form already.
      const set = cryptoSign("sha256", Buffer.from(JSON.stringify(entry)), rekor.privateKey).toString(
        "base64",
      );
      annotations["dev.sigstore.cosign/bundle"] = JSON.stringify({
        SignedEntryTimestamp: set,
        Payload: { logIndex: 7, body, logID: "abc", integratedTime: 1_700_000_000 },
      });
    }
    const config = server.addBlob(Buffer.from("{}"));
    const layer = server.addBlob(bytes);
    const manifest = {
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.manifest,
      config: { mediaType: MEDIA_TYPES.config, digest: config, size: 2 },
      layers: [{ mediaType: MEDIA_TYPES.cosignSignature, digest: layer, size: bytes.length, annotations }],
    };
    server.addManifest(
      `sha256-${image.top.digest.hex}.sig`,
      MEDIA_TYPES.manifest,
      Buffer.from(JSON.stringify(manifest)),
    );
  }

  async function check(image: MemorySource, requirement: object): Promise<string> {
    server.addManifest("1", MEDIA_TYPES.manifest, image.top.bytes);
    write("etc/containers/registries.d/default.yaml", "default-docker:\n  use-sigstore-attachments: true\n");
    const policy = parsePolicy(
      JSON.stringify({
        default: [{ type: "sigstoreSigned", signedIdentity: { type: "matchRepository" }, ...requirement }],
      }),
    );
    const reference = parseImageReference(`docker://${server.domain}/x/y:1`);
    const registries = new RegistryAccess({ host: { root }, env: ENV, insecure: true });
    await using source = await openImageSource(reference, { host: { root }, registries });
    const registriesD = await loadRegistriesD({ root }, ENV);
    return await failureOf(
      checkPolicy(image.top, { host: { root }, policy, reference, source, registriesD }),
    );
  }

  const data = (...pairs: (typeof ec)[]): { keyDatas: string[] } => ({
    keyDatas: pairs.map((pair) => Buffer.from(pem(pair)).toString("base64")),
  });

  test("keys of all kinds; another key, another manifest, another name and damage are refused", async () => {
    const image = makeImage([[await tarOf({ a: "b" }), "gzip"]]);
    expect(await check(image, data(ec))).toContain("there is no signature");
    for (const pair of [ec, ed, rsa]) {
      await attach(image, pair);
      expect(await check(image, data(pair))).toBe("accepted");
      expect(await check(image, data(generateKeyPairSync("ec", { namedCurve: "P-256" }), pair))).toBe(
        "accepted",
      );
      expect(await check(image, data(generateKeyPairSync("ec", { namedCurve: "P-256" })))).toContain(
        "does not hold",
      );
    }
    expect(await check(image, { ...data(rsa), signedIdentity: { type: "matchExact" } })).toContain(
      "for the name",
    );
    await attach(image, ec, (payload) =>
      Object.assign(payload, {
        critical: {
          ...(payload as { critical: object }).critical,
          image: { "docker-manifest-digest": "sha256:0" },
        },
      }),
    );
    expect(await check(image, data(ec))).toContain("another manifest");
    await attach(image, ec, (_, annotations) => (annotations["dev.cosignproject.cosign/signature"] = "AAAA"));
    expect(await check(image, data(ec))).toContain("does not hold");
    await attach(image, ec, (_, annotations) => (annotations["dev.cosignproject.cosign/signature"] = ""));
    expect(await check(image, data(ec))).toContain("missing");
    expect(await check(image, { keyPath: "/none" })).toContain("oci/policy-invalid");
    expect(await check(image, { fulcio: { caPath: "/x" }, rekorPublicKeyPath: "/r" })).toContain(
      "cannot be checked here",
    );
  });

  test("with the log: its entry has to hold, and to be about this signature", async () => {
    const image = makeImage([[await tarOf({ a: "b" }), "gzip"]]);
    const wanted = { ...data(ec), rekorPublicKeyData: Buffer.from(pem(rekor)).toString("base64") };
    await attach(image, ec);
    expect(await check(image, wanted)).toContain("no entry in the log");
    await attach(image, ec, (_, annotations) => (annotations["rekor"] = "this"));
    expect(await check(image, wanted)).toBe("accepted");
    expect(
      await check(image, { ...wanted, rekorPublicKeyData: Buffer.from(pem(ec)).toString("base64") }),
    ).toContain("log's keys");
    await attach(image, ec, (_, annotations) => (annotations["rekor"] = "other"));
    expect(await check(image, wanted)).toContain("something else");
  });
});

test("each image of an index is asked about before anything of it is copied", async () => {
  const index = await makeIndex(["amd64", "arm64"]);
  const reference = parseImageReference("oci:/out:x");
  const asked: string[] = [];
  await using sink = await openImageSink(reference, { host: { root }, sync: "none" });
  const allow = async (manifest: ExactDocument): Promise<void> => {
    asked.push(printDigest(manifest.digest));
    const policy = parsePolicy(
      JSON.stringify({ default: [{ type: asked.length === 2 ? "reject" : "insecureAcceptAnything" }] }),
    );
    await policyCheck({ host: { root }, policy, reference, source: index })(manifest);
  };
  expect(await failureOf(copyImage(index, sink, { all: true, allow }))).toBe(
    "oci/policy-rejected oci:/out:x: default[0] reject: no image is allowed",
  );
  expect(asked).toHaveLength(2);
});

const noPeers = lab.missing({ peers: ["docker-registry", "skopeo", "gpg"] });
describe.skipIf(noPeers !== undefined)(`what skopeo signs ${noPeers ?? ""}`, () => {
  test("with OpenPGP, beside a directory", async () => {
    await using scratch = lab.scratch("gpg");
    // A socket's path is short, and the agent lives no longer than the commands that it is for.
    const home = mkdtempSync("/tmp/gpg-");
    const env = { GNUPGHOME: home };
    const signing = async (commands: string): Promise<void> => {
      await lab.peers.sh.succeed(["-c", `gpg-agent --quiet --daemon sh -e -c '${commands}'`], { env });
    };
    const image = makeImage([[await tarOf({ a: "b" }), "gzip"]]);
    using peerRoot = Dir.openHost(utf8(scratch.path));
    const host = { root: peerRoot };
    {
      await using sink = await openImageSink(parseImageReference("oci:/l:1"), { host });
      await copyImage(image, sink);
    }
    const where = scratch.path;
    await signing(`
      gpg --batch --passphrase "" --quick-generate-key signer@example rsa2048 sign never
      gpg --export signer@example > ${where}/keys
      skopeo --insecure-policy copy --preserve-digests --sign-by signer@example --sign-identity q.io/x:1 oci:${where}/l:1 dir:${where}/d`);
    const keys = readFileSync(join(where, "keys"));
    rmSync(home, { recursive: true });
    const reference = parseImageReference("dir:/d");
    await using source = await openImageSource(reference, { host });
    const document = await source.readDocument();
    const of = (name: string): ReturnType<typeof parsePolicy> =>
      parsePolicy(
        JSON.stringify({
          default: [
            {
              type: "signedBy",
              keyType: "GPGKeys",
              keyData: keys.toString("base64"),
              signedIdentity: { type: "exactReference", dockerReference: name },
            },
          ],
        }),
      );
    expect(await failureOf(checkPolicy(document, { host, policy: of("q.io/x:1"), reference, source }))).toBe(
      "accepted",
    );
    expect(
      await failureOf(checkPolicy(document, { host, policy: of("q.io/x:2"), reference, source })),
    ).toContain("for the name");
  });

  test("with a key of sigstore, into a registry", async () => {
    await using scratch = lab.scratch("sigstore");
    const { skopeo } = lab.peers;
    const image = makeImage([[await tarOf({ a: "b" }), "gzip"]]);
    using peerRoot = Dir.openHost(utf8(scratch.path));
    const host = { root: peerRoot };
    {
      await using sink = await openImageSink(parseImageReference("oci:/l:1"), { host });
      await copyImage(image, sink);
    }
    writeFileSync(join(scratch.path, "pass"), "secret");
    await skopeo.succeed([
      "generate-sigstore-key",
      "--output-prefix",
      `${scratch.path}/key`,
      "--passphrase-file",
      `${scratch.path}/pass`,
    ]);
    mkdirSync(join(scratch.path, "registries.d"));
    writeFileSync(
      join(scratch.path, "registries.d/d.yaml"),
      "default-docker:\n  use-sigstore-attachments: true\n",
    );
    // Our own server is registry enough for it.
    await skopeo.succeed([
      "--insecure-policy",
      "--registries.d",
      `${scratch.path}/registries.d`,
      "copy",
      "--preserve-digests",
      "--dest-tls-verify=false",
      "--sign-by-sigstore-private-key",
      `${scratch.path}/key.private`,
      "--sign-passphrase-file",
      `${scratch.path}/pass`,
      `oci:${scratch.path}/l:1`,
      `docker://${server.domain}/x/y:1`,
    ]);
    const reference = parseImageReference(`docker://${server.domain}/x/y:1`);
    const registries = new RegistryAccess({ host, env: ENV, insecure: true });
    await using source = await openImageSource(reference, { host, registries });
    const registriesD = await loadRegistriesD(host, ENV, "/registries.d");
    const policy = parsePolicy(
      JSON.stringify({
        default: [
          { type: "sigstoreSigned", keyPath: "/key.pub", signedIdentity: { type: "matchRepository" } },
        ],
      }),
    );
    const document = await source.readDocument();
    expect(await failureOf(checkPolicy(document, { host, policy, reference, source, registriesD }))).toBe(
      "accepted",
    );
    const other = makeImage([[await tarOf({ a: "c" }), "gzip"]]);
    expect(
      await failureOf(checkPolicy(other.top, { host, policy, reference, source, registriesD })),
    ).toContain("there is no signature");
  });
});
