// Every row of the recorded tables: what the real programs made of each dump file, byte for byte by digest.
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";

import { byteString, type ByteString, isStoreError } from "@bootc-store/core";
import { describe, expect, test } from "vitest";

import {
  C_DEFAULT_FORMAT,
  type ImageFormat,
  imageOfTree,
  parseDumpC,
  parseDumpRs,
  treeOfImage,
  writeImage,
} from "../src/index.ts";
import { fsVerity } from "./helpers.ts";

const OWN = new URL("fixtures/", import.meta.url);
/** Upstream's own files are not in the repository but may lie beside it. */
const SHARED = new URL("../../../../shared/fixtures/composefs/", import.meta.url);
const ABSENT = "upstream's own files are not here";

function place(path: string): URL {
  return new URL(path, path.startsWith("upstream-") ? SHARED : OWN);
}

function dump(path: string): ByteString {
  return byteString(readFileSync(place(path)));
}

function rows(table: string): { readonly path: string; readonly fields: readonly string[] }[] {
  const lines = readFileSync(new URL(table, OWN), "utf8").trimEnd().split("\n").slice(1);
  return lines.map((line) => {
    const [path = "", ...fields] = line.split("\t");
    return { path, fields };
  });
}

/** What the C program would say: a digest, or its message. */
function verdictC(text: ByteString, strict: boolean): string {
  try {
    return fsVerity(writeImage(parseDumpC(text, { strict }), C_DEFAULT_FORMAT), "sha256");
  } catch (error) {
    if (!isStoreError(error)) throw error;
    if (error.code === "erofs/file-too-large") return "mkcomposefs: cannot write file: File too large";
    const writing = error.code === "erofs/hardlink-cycle" ? "cannot write file: " : "";
    return `mkcomposefs: ${writing}${error.message}`;
  }
}

/** What composefs-rs would say: a digest, or that it is an error. */
function verdictRs(text: ByteString, algorithm: "sha256" | "sha512", version: 0 | 1 | 2): string {
  try {
    const root = parseDumpRs(text, { algorithm });
    const image = writeImage(root, { writer: "composefs-rs", version });
    // The way over a tree loses nothing that this writer looks at.
    const again = writeImage(imageOfTree(treeOfImage(root)), { writer: "composefs-rs", version });
    expect(Buffer.compare(again, image)).toBe(0);
    return fsVerity(image, algorithm);
  } catch (error) {
    if (!isStoreError(error)) throw error;
    return error.code.startsWith("erofs/dump-") ? "ERROR" : `unexpected ${error.code}`;
  }
}

const VERSIONS = { V0: 0, V1: 1, V2: 2 } as const;

describe("images of the C program", () => {
  test.for(rows("digests.tsv"))("$path $fields", ({ path, fields }, ctx) => {
    ctx.skip(!existsSync(place(path)), ABSENT);
    const [, options = "", ...wanted] = fields;
    const versions = /min-version=([01]) --max-version=([01])/.exec(options);
    const version = versions?.[1] === "1" ? 1 : 0;
    const format: ImageFormat =
      versions === null ? C_DEFAULT_FORMAT : { writer: "c", minVersion: version, maxVersion: version };
    const image = writeImage(parseDumpC(dump(path)), format);
    const sha256 = createHash("sha256").update(image).digest("hex");
    expect([fsVerity(image, "sha256"), String(image.length), sha256]).toEqual(wanted);
  });
});

describe("images of composefs-rs", () => {
  test.for(rows("digests-rs.tsv"))("$path $fields", ({ path, fields }, ctx) => {
    ctx.skip(!existsSync(place(path)), ABSENT);
    const [, format = "V0", sha256 = "", sha512 = ""] = fields;
    const failed = sha256.startsWith("ERROR");
    const wanted = { sha256: failed ? "ERROR" : sha256, sha512: failed ? "ERROR" : sha512 };
    const version = VERSIONS[format as keyof typeof VERSIONS];
    const ours = {
      sha256: sha256 === "-" ? "-" : verdictRs(dump(path), "sha256", version),
      sha512: sha512 === "-" && !failed ? "-" : verdictRs(dump(path), "sha512", version),
    };
    expect(ours).toEqual(wanted);
  });
});

describe("odd and wrong dump files", () => {
  /** The C parser takes what lies on its stack for the rest of such a digest; we take zeros. */
  const GARBAGE = new Set(["reject/digest-badhex.dump", "reject/digest-short.dump"]);

  test.for(rows("parse.tsv"))("$path by the C parser", ({ path, fields }, ctx) => {
    ctx.skip(!existsSync(place(path)), ABSENT);
    const [code, wanted = "", , strict = ""] = fields;
    const ours = [false, true].map((one) => verdictC(dump(path), one));
    if (GARBAGE.has(path)) {
      expect(ours.every((digest) => code === "0" && /^[0-9a-f]{64}$/.test(digest))).toBe(true);
      return;
    }
    expect(ours).toEqual([wanted, strict === "same" ? wanted : strict]);
  });

  const NOT_IN_A_TREE = new Set([
    "reject/name-256.dump",
    "upstream-c/should-fail-empty-xattr-key.dump",
    "upstream-c/should-fail-too-big.dump",
  ]);

  test.for(rows("parse-rs.tsv"))("$path by the parser of composefs-rs", ({ path, fields }, ctx) => {
    ctx.skip(!existsSync(place(path)), ABSENT);
    const [wanted = ""] = fields;
    // A tree has no names of 256 bytes, no attributes without a name and no sizes over 2^53.
    const direct = NOT_IN_A_TREE.has(path);
    const ours = direct
      ? fsVerity(
          writeImage(parseDumpRs(dump(path), { algorithm: "sha256" }), {
            writer: "composefs-rs",
            version: 1,
          }),
          "sha256",
        )
      : verdictRs(dump(path), "sha256", 1);
    expect(ours).toBe(/^(ERROR|PANIC)/.test(wanted) ? "ERROR" : wanted);
  });
});
