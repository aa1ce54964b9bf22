import { utf8 } from "@bootc-store/core";
import { describe, expect, test } from "vitest";

import { checkImage, type ImageFormat, parseDumpC, writeImage } from "../index.ts";

const V1: ImageFormat = { writer: "composefs-rs", version: 1 };
const V2: ImageFormat = { writer: "composefs-rs", version: 2 };

function imageOf(lines: string, format: ImageFormat): Uint8Array {
  return writeImage(parseDumpC(utf8(`/ 0 40755 2 0 0 0 0.0 - - -\n${lines}`)), format);
}

function findings(bytes: Uint8Array): string[] {
  return [...checkImage(bytes, "x")].map(
    ({ code, subject }) => `${code}${subject.path === undefined ? "" : ` ${subject.path}`}`,
  );
}

const WHITEOUT = "/d 0 40755 2 0 0 0 0.0 - - -\n/d/w 0 20644 1 0 0 0 0.0 - - -\n";
const ESCAPED = "/d 0 40755 2 0 0 0 0.0 - - -\n/d/w 0 100644 1 0 0 0 0.0 - - - trusted.overlay.whiteout=\n";

/** The same image with another number for its format. */
function called(bytes: Uint8Array, version: number): Uint8Array {
  const changed = bytes.slice();
  changed[12] = version;
  return changed;
}

describe("checkImage", () => {
  test("finds nothing in what is written", () => {
    expect(findings(imageOf(WHITEOUT, V1))).toEqual([]);
    expect(findings(imageOf(WHITEOUT, V2))).toEqual([]);
    expect(
      findings(
        imageOf("/l 0 120777 1 0 0 0 0.0 target - -\n", { writer: "c", minVersion: 0, maxVersion: 0 }),
      ),
    ).toEqual([]);
  });

  test("finds whiteouts of the wrong kind, and roots that do not hide the object store", () => {
    const plain = findings(called(imageOf(WHITEOUT, V2), 1));
    expect(plain).toHaveLength(257);
    expect(plain[0]).toBe("erofs/image-stub-missing /00");
    expect(plain.at(-1)).toBe("erofs/image-whiteout-native /d/w");
    expect(findings(imageOf(ESCAPED, V2))).toEqual(["erofs/image-whiteout-escaped /d/w"]);
  });

  test("finds symlinks that old kernels refuse", () => {
    // Format 2 pads for the tail only, so that an inode's head may lie in the block before.
    const links = Array.from(
      { length: 60 },
      (_, at) => `/l${at} 0 120777 1 0 0 0 0.0 ${"t".repeat(100)} - -\n`,
    ).join("");
    const codes = findings(called(imageOf(links, V2), 1)).filter((line) => !line.includes("stub"));
    expect(codes.every((line) => line.startsWith("erofs/image-symlink-crosses /l"))).toBe(true);
    expect(codes.length).toBeGreaterThan(0);
    expect(findings(imageOf(links, V1))).toEqual([]);
  });

  test("reports damage and ends", () => {
    const bytes = imageOf(WHITEOUT, V1);
    expect(findings(bytes.slice(0, 5000))).toEqual(["erofs/image-invalid"]);
    expect(findings(new Uint8Array(0))).toEqual(["erofs/image-invalid"]);
  });
});
