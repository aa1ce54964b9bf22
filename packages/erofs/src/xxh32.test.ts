import { describe, expect, test } from "vitest";

import { compactInode, extendedInode, splitXattrName } from "./layout.ts";
import { FILTER_SEED } from "./writer/xattrs.ts";
import { xxh32 } from "./xxh32.ts";

describe("xxh32", () => {
  // From the specification of xxHash, and what the C program gets for names of attributes.
  test.each([
    ["", 0, 0x02cc5d05],
    ["a", 0, 0x550d7456],
    ["abc", 0, 0x32d153ff],
    ["Nobody inspects the spammish repetition", 0, 0xe2293b2f],
    ["selinux", FILTER_SEED + 6, 0x9490146b],
    ["capability", FILTER_SEED + 6, 0x8c47ac5d],
    ["overlay.opaque", FILTER_SEED + 4, 0x4ce0a7f4],
    ["", FILTER_SEED + 2, 0x0857597e],
    ["lustre.lov", FILTER_SEED, 0x2f70bfc9],
  ])("%j with %i", (text, seed, hash) => {
    expect(xxh32(text, seed).toString(16)).toBe(hash.toString(16));
  });
});

test.each([
  ["user.a", 1, [1, "a"]],
  ["system.posix_acl_access", 1, [2, ""]],
  ["system.posix_acl_accessX", 1, [2, "X"]],
  ["system.other", 1, [0, "system.other"]],
  ["lustre.lov", 1, [0, "lustre.lov"]],
  ["lustre.lov", 2, [5, "lov"]],
  ["security.selinux", 2, [6, "selinux"]],
] as const)("the prefix of %s in format %i", (name, version, parts) => {
  expect(splitXattrName(name, version)).toEqual(parts);
});

test("tables of inodes have no holes", () => {
  expect([compactInode.size, extendedInode.size]).toEqual([32, 64]);
});
