import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";

import { byteString, type ByteString, isStoreError, parseDigest, utf8 } from "@bootc-store/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { bigDataFileName } from "./big-data-name.ts";
import { parseContainers, printContainers } from "./containers-json.ts";
import { Crc64 } from "./crc64.ts";
import { nextHistory, normalName, parseNameOptional } from "./image-name.ts";
import { digestsOf, parseImages, printImages } from "./images-json.ts";
import { layerId } from "./layer-id.ts";
import { isIncomplete, parseLayers, printLayers } from "./layers-json.ts";
import { parseMountpoints, printMountpoints } from "./mountpoints-json.ts";
import {
  cleanPath,
  parseTarSplit,
  parseTarSplitLine,
  printTarSplit,
  type TarSplitRecord,
} from "./tar-split.ts";

const FIXTURES = new URL("../../tests/fixtures/", import.meta.url);

function text(path: string): string {
  return readFileSync(new URL(path, FIXTURES), "utf8");
}

function named(directory: string, pattern: RegExp): string[] {
  return readdirSync(new URL(directory, FIXTURES))
    .filter((name) => pattern.test(name))
    .map((name) => `${directory}/${name}`);
}

describe("indexes", () => {
  test.each([
    ...named("skopeo", /layers\.json$/),
    ...named("podman", /layers.*\.json$/),
    ...named("variants", /layers(?!-with).*\.json$/),
  ])("%s is read, and written as it was", (path) => {
    const records = parseLayers(text(path), path);
    expect(records.length).toBeGreaterThan(0);
    expect(printLayers(records)).toBe(text(path));
    expect(records.flatMap((record) => Object.keys(record.unknown))).toEqual([]);
  });

  test.each([
    ...named("skopeo", /images\.json$/),
    ...named("podman", /images\.json$/),
    ...named("variants", /images.*\.json$/).filter((path) => !path.includes("layers")),
  ])("%s is read, and written as it was", (path) => {
    const records = parseImages(text(path), path);
    expect(records.length).toBeGreaterThan(0);
    expect(printImages(records)).toBe(text(path));
  });

  test.each([...named("podman", /containers\.json$/), ...named("variants", /containers\.json$/)])(
    "%s is read, and written as it was",
    (path) => {
      const records = parseContainers(text(path), path);
      expect(records.length).toBeGreaterThan(0);
      expect(printContainers(records)).toBe(text(path));
    },
  );

  test("mount points", () => {
    const mounted = text("podman/mountpoints-mounted.json");
    expect(parseMountpoints(mounted)).toHaveLength(1);
    expect(printMountpoints(parseMountpoints(mounted))).toBe(mounted);
  });

  test("an incomplete layer, and an image with several manifests", () => {
    const layers = parseLayers(text("variants/layers-with-incomplete-flag.json"));
    expect(layers.map(isIncomplete)).toEqual([false, false, true]);
    const [image] = parseImages(text("variants/images-signed-then-v2s2.json"));
    expect(image === undefined ? 0 : digestsOf(image).length).toBe(3);
  });

  test("fields that nobody knows are kept, after those that are known", () => {
    const [record] = JSON.parse(text("skopeo/layers.json")) as [{ [key: string]: unknown }];
    const odd = JSON.stringify([{ ...record, future: { deep: ["<", 1] }, flags: { "new-flag": "x" } }]);
    const printed = printLayers(parseLayers(odd));
    expect(JSON.parse(printed)).toEqual(JSON.parse(odd));
    expect(printed).toContain('"future":{"deep":["\\u003c",1]}');
  });

  test("empty and null files hold nothing", () => {
    for (const empty of ["", "null", "[]"]) expect(parseImages(empty)).toEqual([]);
    expect(printImages([])).toBe("[]");
  });

  test.each([
    ["not JSON", "[", "json-invalid"],
    ["not a list", "{}", "json-invalid"],
    ["a record that is none", "[1]", "record-invalid"],
    ["no id", "[{}]", "record-invalid"],
    ["an id that leads out", '[{"id":"../x"}]', "record-invalid"],
    ["an id that is a directory", '[{"id":".."}]', "record-invalid"],
    ["a digest that is none", '[{"id":"a","diff-digest":"sha256:1"}]', "record-invalid"],
    ["a parent that leads out", '[{"id":"a","parent":"a/b"}]', "record-invalid"],
    ["a size that is none", '[{"id":"a","diff-size":1.5}]', "record-invalid"],
    ["names that are none", '[{"id":"a","names":[1]}]', "record-invalid"],
    ["a time that is none", '[{"id":"a","created":"yesterday"}]', "record-invalid"],
  ])("%s is refused", (_, json, code) => {
    expect(() => parseLayers(json)).toThrow(expect.objectContaining({ code: `containers-storage/${code}` }));
  });

  test("any JSON is read or refused, and what is read is a fixed point", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.dictionary(
            fc.constantFrom("id", "names", "parent", "created", "flags", "diff-size", "uidset", "zz"),
            fc.jsonValue(),
          ),
        ),
        (value) => {
          let printed: string;
          try {
            printed = printLayers(parseLayers(JSON.stringify(value)));
          } catch (error) {
            expect(isStoreError(error)).toBe(true);
            return;
          }
          expect(printLayers(parseLayers(printed))).toBe(printed);
        },
      ),
    );
  });
});

describe("names of big data items", () => {
  test.each([
    ["manifest", "manifest"],
    ["abc-", "abc-"],
    ["X", "X"],
    ["é", "\xc3\xa9"],
    ["Xa", "=WGE="],
    ["zstd-chunked-manifest", "=enN0ZC1jaHVua2VkLW1hbmlmZXN0"],
  ])("%s is %s", (key, name) => {
    expect(bigDataFileName(key)).toBe(name);
  });

  test.each(["", ".", "..", "/"])("%j is refused", (key) => {
    expect(() => bigDataFileName(key)).toThrow(/not a name/);
  });

  test("are those in the image of the sample", () => {
    const [image] = parseImages(text("skopeo/images.json"));
    expect(image?.bigDataNames.map(bigDataFileName)).toEqual([
      "=c2hhMjU2OjFiMDUzZWJkZGJlMGJlODYyZmZjNTI0YWIwNGY3MTQ5YTZiNmYxZDdlMTgyMzgyOGFkNGYwNzZmN2NiMzZmNjM=",
      "=bWFuaWZlc3Qtc2hhMjU2OjRjOWIyYmYyNTc5YTY3NTM2YmIyNzdkYTc3MTE3ODgzZmM2ZGU0ODEzNjA2NjllYmMxMTk2MmFkZmVlYTE1NzE=",
      "manifest",
    ]);
  });
});

test("ids of layers are those of the sample", () => {
  let parent: string | undefined;
  for (const record of parseLayers(text("skopeo/layers.json"))) {
    parent = layerId(parent, record.diffDigest ?? parseDigest("sha256:00"));
    expect(parent).toBe(record.id);
  }
});

describe("names of images", () => {
  test("are normalised", () => {
    expect(normalName("alpine")).toBe("docker.io/library/alpine:latest");
    expect(normalName("localhost/x:1")).toBe("localhost/x:1");
    expect(parseNameOptional("A//b")).toBeUndefined();
  });

  test("the history has the names reversed before what it had", () => {
    expect(nextHistory(["c", "a"], ["b", "a"])).toEqual(["a", "b", "c"]);
  });
});

describe("CRC-64/ISO", () => {
  test("has the check value of its definition", () => {
    const crc = new Crc64();
    crc.update(Buffer.from("123456789"));
    expect(crc.digest().toString("hex")).toBe("b90956c775a41001");
  });

  test("is the same however the bytes come", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(200), (bytes, at) => {
        const whole = new Crc64();
        whole.update(bytes);
        const first = new Crc64();
        first.update(bytes.subarray(0, at));
        const second = new Crc64(first.state);
        second.update(bytes.subarray(at));
        expect(second.digest()).toEqual(whole.digest());
      }),
    );
  });
});

async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function readAll(bytes: Uint8Array, size = 1000): Promise<TarSplitRecord[]> {
  const records: TarSplitRecord[] = [];
  for await (const record of parseTarSplit(pieces(bytes, size))) records.push(record);
  return records;
}

describe("tar-split", () => {
  test.each(named("skopeo", /tar-split\.gz$/))("%s is read, and written as it was", async (path) => {
    const plain = gunzipSync(readFileSync(new URL(path, FIXTURES)));
    for (const size of [1, 77, 1 << 20]) {
      const records = await readAll(plain, size);
      expect(records.map(printTarSplit).join("")).toBe(plain.toString("utf8"));
    }
  });

  test("any records survive", async () => {
    const record = fc.oneof(
      fc.uint8Array().map((bytes): TarSplitRecord => ({ type: "segment", bytes: Buffer.from(bytes) })),
      fc
        .tuple(fc.uint8Array({ minLength: 1 }), fc.nat(), fc.uint8Array({ minLength: 8, maxLength: 8 }))
        .map(([bytes, size, crc64]): TarSplitRecord => {
          const name = byteString(bytes);
          return size === 0
            ? { type: "file", name, size }
            : { type: "file", name, size, crc64: Buffer.from(crc64) };
        }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(record), async (records) => {
        const printed = Buffer.from(records.map(printTarSplit).join(""), "utf8");
        const read = await readAll(printed, 64);
        expect(read.map(printTarSplit)).toEqual(records.map(printTarSplit));
        expect(
          read.map((each) =>
            each.type === "file" ? each.name : createHash("sha1").update(each.bytes).digest("hex"),
          ),
        ).toEqual(
          records.map((each) =>
            each.type === "file" ? each.name : createHash("sha1").update(each.bytes).digest("hex"),
          ),
        );
      }),
    );
  });

  test.each([
    "x",
    "1",
    '{"type":3}',
    '{"type":2}',
    '{"type":1,"name":"a","size":1}',
    '{"type":1,"name":"a","size":-1,"payload":"AAAAAAAAAAA="}',
    '{"type":1,"name":"a","size":1,"payload":"AAAA"}',
    '{"type":1,"name":1,"size":1,"payload":"AAAAAAAAAAA="}',
    '{"type":2,"payload":"AAAA","position":5}',
  ])("%s is refused", (line) => {
    expect(() => parseTarSplitLine(line, 0)).toThrow(
      expect.objectContaining({ code: "containers-storage/tar-split-invalid" }),
    );
  });

  test.each([
    ["./", ""],
    ["./a/", "a"],
    ["/a//b", "a/b"],
    ["../../a", "a"],
    ["a/../b", "b"],
    ["a.", "a."],
    ["..a/b", "..a/b"],
    ["a/..", ""],
    [".", ""],
  ])("the path %s is %j", (name, path) => {
    expect(cleanPath(utf8(name))).toBe(path as ByteString);
  });
});
