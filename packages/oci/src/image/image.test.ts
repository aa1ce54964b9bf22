import { isStoreError, printDigest } from "@bootc-store/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import {
  chainIds,
  choosePlatform,
  embeddedData,
  type ImageIndex,
  layerCompression,
  type Manifest,
  MEDIA_TYPES,
  parseConfig,
  parseJson,
  parseManifest,
  printPlatform,
} from "../index.ts";

const HEX = "ab".repeat(32);
const bytesOf = (value: unknown): Uint8Array =>
  Buffer.from(typeof value === "string" ? value : JSON.stringify(value));

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (isStoreError(error)) return error.code;
    throw error;
  }
  return "accepted";
}

const blob = (mediaType: string, extra: object = {}): object => ({
  mediaType,
  digest: `sha256:${HEX}`,
  size: 5,
  ...extra,
});
const manifest = (extra: object = {}): object => ({
  schemaVersion: 2,
  mediaType: MEDIA_TYPES.manifest,
  config: blob(MEDIA_TYPES.config),
  layers: [blob(MEDIA_TYPES.layerGzip)],
  ...extra,
});

describe("JSON", () => {
  test("is what JSON.parse says, for any value", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), fc.constantFrom(undefined, 1, "\t"), (value, space) => {
        const text = JSON.stringify(value, undefined, space);
        expect(JSON.parse(JSON.stringify(parseJson(text)))).toEqual(JSON.parse(text));
      }),
    );
  });

  test.each([
    ['{"a":1,"a":2}'],
    ["{} {}"],
    ["[1,]"],
    ['{"a"}'],
    ['"\\x"'],
    ['"\\u12g4"'],
    ['"a\nb"'],
    ["01"],
    ["1e999"],
    ["nul"],
    [""],
    ["\ufeff{}"],
    ['{"a":1'],
    [`${"[".repeat(70)}${"]".repeat(70)}`],
  ])("refuses %j", (text) => {
    expect(codeOf(() => parseJson(text))).toBe("oci/json-invalid");
  });

  test("refuses keys that differ in case only where that is asked for, and bytes that are not UTF-8", () => {
    expect(codeOf(() => parseJson('{"a":1,"A":2}', { caseless: true }))).toBe("oci/json-invalid");
    expect(codeOf(() => parseJson('{"a":1,"A":2}'))).toBe("accepted");
    expect(codeOf(() => parseJson(Uint8Array.of(0x22, 0xff, 0x22)))).toBe("oci/json-invalid");
  });

  test("__proto__ is a key like any other", () => {
    const value = parseJson('{"__proto__":{"a":1}}') as Record<string, unknown>;
    expect(Object.keys(value)).toEqual(["__proto__"]);
    expect(({} as Record<string, unknown>)["a"]).toBeUndefined();
  });

  test("parses or refuses any change of a manifest", () => {
    const text = JSON.stringify(manifest());
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.integer({ min: 0, max: 255 }), (at, byte) => {
        const changed = Buffer.from(text);
        changed[at] = byte;
        expect(codeOf(() => parseManifest(changed))).toMatch(/^(?:oci\/|accepted)/);
      }),
      { numRuns: 500 },
    );
  });
});

describe("manifests", () => {
  test("of OCI, with all that they can have", () => {
    const subject = blob(MEDIA_TYPES.manifest);
    const bytes = bytesOf(manifest({ subject, artifactType: "a/b", annotations: { k: "v" }, unknown: [1] }));
    const parsed = parseManifest(bytes) as Manifest;
    expect(parsed.kind).toBe("manifest");
    expect(parsed.document.bytes).toBe(bytes);
    expect(parsed.layers[0]).toMatchObject({ mediaType: MEDIA_TYPES.layerGzip, size: 5 });
    expect(parsed.artifactType).toBe("a/b");
    expect(parsed.subject?.mediaType).toBe(MEDIA_TYPES.manifest);
    expect(parsed.annotations["k"]).toBe("v");
    expect(parseManifest(bytes, { digest: parsed.document.digest })).toEqual(parsed);
  });

  test.each([
    [manifest({ mediaType: undefined }), undefined, MEDIA_TYPES.manifest],
    [manifest({ mediaType: undefined }), MEDIA_TYPES.dockerManifest, MEDIA_TYPES.dockerManifest],
    [
      manifest({ mediaType: undefined, config: blob(MEDIA_TYPES.dockerConfig) }),
      "text/plain",
      MEDIA_TYPES.dockerManifest,
    ],
    [{ schemaVersion: 2, manifests: [] }, undefined, MEDIA_TYPES.index],
    [
      { schemaVersion: 2, mediaType: MEDIA_TYPES.dockerIndex, manifests: [] },
      "application/json",
      MEDIA_TYPES.dockerIndex,
    ],
  ])("type %#", (value, said, type) => {
    expect(
      parseManifest(bytesOf(value), said === undefined ? {} : { mediaType: said }).document.mediaType,
    ).toBe(type);
  });

  test.each([
    [{ ...manifest(), schemaVersion: 1 }, "oci/schema1-unsupported"],
    [{ ...manifest(), schemaVersion: 3 }, "oci/document-invalid"],
    [{ ...manifest(), mediaType: "text/plain" }, "oci/document-invalid"],
    [{ ...manifest(), manifests: [] }, "oci/manifest-ambiguous"],
    [{ ...manifest(), Manifests: [] }, "oci/manifest-ambiguous"],
    [{ ...manifest(), fsLayers: [] }, "oci/manifest-ambiguous"],
    [`{"schemaVersion":2,"layers":[],"Layers":[],"config":{}}`, "oci/json-invalid"],
    [{ schemaVersion: 2, mediaType: MEDIA_TYPES.index, manifests: [], layers: [] }, "oci/manifest-ambiguous"],
    [{ ...manifest(), layers: [blob("x", { size: -1 })] }, "oci/document-invalid"],
    [{ ...manifest(), layers: [blob("x", { size: 2 ** 63 })] }, "oci/document-invalid"],
    [{ ...manifest(), layers: [blob("x", { digest: "sha256:../../etc" })] }, "oci/document-invalid"],
    [
      { ...manifest(), layers: [blob("x", { digest: `sha256:${HEX.toUpperCase()}` })] },
      "oci/document-invalid",
    ],
    [{ ...manifest(), layers: [blob("x", { digest: `blake3:${HEX}` })] }, "oci/document-invalid"],
    [{ ...manifest(), config: undefined }, "oci/document-invalid"],
    [{ ...manifest(), layers: {} }, "oci/document-invalid"],
    ["[]", "oci/document-invalid"],
    ["null", "oci/document-invalid"],
    [" ".repeat((4 << 20) + 1), "oci/document-too-large"],
  ])("refuses %#", (value, code) => {
    expect(codeOf(() => parseManifest(bytesOf(value)))).toBe(code);
  });

  test("refuses two opinions about the type, and a wrong digest", () => {
    expect(codeOf(() => parseManifest(bytesOf(manifest()), { mediaType: MEDIA_TYPES.index }))).toBe(
      "oci/document-invalid",
    );
    const digest = { algorithm: "sha256", hex: HEX } as const;
    expect(codeOf(() => parseManifest(bytesOf(manifest()), { digest }))).toBe("oci/digest-mismatch");
  });

  test("content in a descriptor counts only if it is what the descriptor says", () => {
    const descriptor = {
      mediaType: MEDIA_TYPES.empty,
      digest: {
        algorithm: "sha256",
        hex: "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
      },
      size: 2,
    } as const;
    expect(embeddedData({ ...descriptor, data: "e30=" })).toEqual(Buffer.from("{}"));
    expect(embeddedData({ ...descriptor, data: "fX0=" })).toBeUndefined();
    expect(embeddedData({ ...descriptor, data: "e30=".repeat(99) })).toBeUndefined();
  });
});

describe("indexes", () => {
  const entry = (digit: string, platform?: object, annotations?: object): object =>
    blob(MEDIA_TYPES.manifest, { digest: `sha256:${digit.repeat(64)}`, platform, annotations });
  const index = (...manifests: object[]): ImageIndex =>
    parseManifest(bytesOf({ schemaVersion: 2, mediaType: MEDIA_TYPES.index, manifests })) as ImageIndex;
  const amd64 = { os: "linux", architecture: "amd64" };
  const arm = (variant?: string): object => ({ os: "linux", architecture: "arm", variant });
  const zstd = { "io.github.containers.compression.zstd": "true" };
  const chosen = (
    list: ImageIndex,
    platform: { os: string; architecture: string; variant?: string },
  ): string => choosePlatform(list, platform).digest.hex[0] ?? "";

  test("the first that fits, and zstd before gzip", () => {
    const list = index(entry("1", arm("v7")), entry("2", amd64), entry("3", amd64), entry("4", amd64, zstd));
    expect(chosen(list, amd64)).toBe("4");
    expect(choosePlatform(list, amd64, { prefer: "gzip" }).digest.hex[0]).toBe("2");
  });

  test("the nearest lesser variant, then none, then an entry without a platform", () => {
    const list = index(entry("9"), entry("5", arm("v5")), entry("6", arm("v6")), entry("8", arm("v8")));
    expect(chosen(list, { os: "linux", architecture: "arm", variant: "v7" })).toBe("6");
    expect(chosen(list, { os: "linux", architecture: "arm" })).toBe("8");
    expect(chosen(list, { os: "linux", architecture: "s390x" })).toBe("9");
    expect(
      chosen(index(entry("1", arm()), entry("2")), { os: "linux", architecture: "arm", variant: "v6" }),
    ).toBe("1");
  });

  test("what there is not is an error that says what there is", () => {
    expect(() => choosePlatform(index(entry("1", arm("v7"))), amd64)).toThrow("linux/arm/v7");
    expect(codeOf(() => choosePlatform(index(), amd64))).toBe("oci/platform-not-found");
    expect(printPlatform({ os: "linux", architecture: "arm", variant: "v7" })).toBe("linux/arm/v7");
  });

  test("an entry of an unknown algorithm is kept, one of an unknown type is passed over", () => {
    const list = index(
      entry("1", amd64),
      blob("x/y", { platform: amd64 }),
      blob(MEDIA_TYPES.manifest, { digest: "blake3:abc" }),
    );
    expect(list.unusable).toBe(1);
    expect(list.entries).toHaveLength(2);
    expect(chosen(list, amd64)).toBe("1");
  });
});

describe("configurations", () => {
  const config = {
    architecture: "amd64",
    os: "linux",
    rootfs: { type: "layers", diff_ids: [`sha256:${HEX}`] },
  };

  test("with history, labels, nulls and unknown fields", () => {
    const parsed = parseConfig(
      bytesOf({
        ...config,
        created: "2024-01-01T00:00:00Z",
        history: [{ created_by: "x", empty_layer: true }, { comment: "y" }],
        config: { Labels: { a: "b" }, Env: ["A=b"], Cmd: null, Entrypoint: ["/x"], ArgsEscaped: true },
        weird: 1,
      }),
    );
    expect(parsed).toMatchObject({ os: "linux", labels: { a: "b" }, env: ["A=b"], entrypoint: ["/x"] });
    expect(parsed.cmd).toBeUndefined();
    expect(parsed.history.map((entry) => entry.emptyLayer)).toEqual([true, false]);
  });

  test.each([
    [{ ...config, rootfs: { type: "base", diff_ids: [] } }, "oci/document-invalid"],
    [{ ...config, rootfs: undefined }, "oci/document-invalid"],
    [{ ...config, rootfs: { type: "layers", diff_ids: ["md5:1"] } }, "oci/document-invalid"],
    ["{", "oci/json-invalid"],
  ])("refuses %#", (value, code) => {
    expect(codeOf(() => parseConfig(bytesOf(value)))).toBe(code);
  });

  test("chain ids", () => {
    const diffIds = ["1", "2"].map((digit) => ({ algorithm: "sha256", hex: digit.repeat(64) }) as const);
    // printf 'sha256:1…1 sha256:2…2' | sha256sum
    expect(chainIds(diffIds).map(printDigest)).toEqual([
      `sha256:${"1".repeat(64)}`,
      "sha256:9932074217c35353d2e03a3f5a86549f7c67bfeb0ba53e23d69f4d4c8f7958f5",
    ]);
    expect(chainIds([])).toEqual([]);
  });
});

describe("media types of layers", () => {
  test.each([
    [MEDIA_TYPES.layer, "none"],
    [MEDIA_TYPES.layerGzip, "gzip"],
    [MEDIA_TYPES.layerZstd, "zstd"],
    ["application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", "gzip"],
    [MEDIA_TYPES.dockerLayer, "none"],
    [MEDIA_TYPES.dockerLayerGzip, "gzip"],
    ["application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "gzip"],
    ["application/vnd.oci.image.layer.v1.tar+encrypted", undefined],
    ["application/vnd.oci.image.config.v1+json", undefined],
  ])("%s", (type, compression) => {
    expect(layerCompression(type)).toBe(compression);
  });
});
