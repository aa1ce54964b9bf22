// Random trees of all that an image can hold.
import { byteString, type ByteString, utf8 } from "@bootc-store/core";
import {
  device,
  Directory,
  file,
  inlineFile,
  type Leaf,
  type Metadata,
  type InodeKind,
  metadataOf,
  special,
  symlink,
  type Tree,
  Xattrs,
} from "@bootc-store/tree";
import * as fc from "fast-check";

const name = fc.oneof(
  fc.constantFrom("a", "b", "ab", "ff", "-", "!x", ".h", "é", "n\nl", "a=b", "x".repeat(255)).map(utf8),
  fc
    .uint8Array({ minLength: 1, maxLength: 12 })
    .map(byteString)
    .filter((text) => !/[/\0]/.test(text) && text !== "." && text !== ".."),
);

const value = fc.oneof(
  fc.constantFrom("", "v", "system_u:object_r:etc_t:s0").map(utf8),
  fc.uint8Array({ maxLength: 60 }).map(byteString),
);
const key = fc.constantFrom(
  "user.a",
  "user.b",
  "user.overlay.x",
  "security.selinux",
  "security.capability",
  "trusted.x",
  "trusted.overlay.y",
  "trusted.overlay.overlay.z",
  "system.posix_acl_access",
  "system.posix_acl_default",
  "lustre.lov",
  "other.thing",
  "plain",
);
const xattrs = fc.array(fc.tuple(key.map(utf8), value), { maxLength: 6 }).map((pairs) => Xattrs.from(pairs));

function metadata(kind: InodeKind): fc.Arbitrary<Metadata> {
  return fc
    .record({
      permissions: fc.constantFrom(0o644, 0o755, 0, 0o7777, 0o4711),
      uid: fc.constantFrom(0, 1000, 65_535, 65_536, 0xffff_ffff),
      gid: fc.constantFrom(0, 5, 70_000),
      mtime: fc.record({
        sec: fc.constantFrom(0, 1, 1_700_000_000, 0x1_0000_0000),
        nsec: fc.constantFrom(0, 0, 5, 999_999_999),
      }),
      xattrs,
    })
    .map((init) => metadataOf(kind, init));
}

const bytes = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 70 }),
  fc
    .constantFrom(64, 512, 2047, 2048, 2049, 4095, 4096, 4097, 5000)
    .map((size) => new Uint8Array(size).fill(0x61)),
);

/** What a test's images allow. */
export interface TreeKnobs {
  readonly algorithm: "sha256" | "sha512";
  /** Inline content and symlinks at most so long. */
  readonly maxInline: number;
  readonly maxTarget: number;
  /** Whether there are whiteouts. */
  readonly whiteouts: boolean;
}

function leaf(knobs: TreeKnobs): fc.Arbitrary<Leaf> {
  const digits = knobs.algorithm === "sha256" ? 64 : 128;
  const hex = fc
    .array(fc.constantFrom(...Array.from("0123456789abcdef")), { minLength: digits, maxLength: digits })
    .map((parts) => parts.join(""));
  const size = fc.constantFrom(1, 65, 4096, 4097, 1_000_000, 2 ** 31, 2 ** 32, 2 ** 33 + 1, 2 ** 45);
  return fc.oneof(
    {
      weight: 3,
      arbitrary: fc
        .tuple(metadata("file"), bytes)
        .map(([meta, content]) => inlineFile(meta, content.subarray(0, knobs.maxInline))),
    },
    { weight: 1, arbitrary: metadata("file").map((meta) => inlineFile(meta, new Uint8Array(0))) },
    {
      weight: 4,
      arbitrary: fc.tuple(metadata("file"), size, hex).map(([meta, length, digest]) =>
        file(meta, length, {
          kind: "external",
          key: `${digest.slice(0, 2)}/${digest.slice(2)}`,
          verity: { algorithm: knobs.algorithm, hex: digest },
        }),
      ),
    },
    {
      weight: 1,
      arbitrary: fc
        .tuple(metadata("file"), size)
        .map(([meta, length]) => file(meta, length, { kind: "sparse" })),
    },
    {
      weight: 2,
      arbitrary: fc
        .tuple(metadata("symlink"), fc.oneof(fc.constantFrom(1, 60, 1024, 2000, 4000, 4095), fc.nat(300)))
        .map(([meta, length]) =>
          symlink(meta, "t".repeat(Math.min(length, knobs.maxTarget) || 1) as ByteString),
        ),
    },
    {
      weight: 1,
      arbitrary: fc
        .tuple(fc.constantFrom<"char" | "block">("char", "block"), fc.nat(300), fc.nat(70_000))
        .chain(([kind, major, minor]) => metadata(kind).map((meta) => device(kind, meta, major + 1, minor))),
    },
    {
      weight: 1,
      arbitrary: fc
        .constantFrom<"fifo" | "socket">("fifo", "socket")
        .chain((kind) => metadata(kind).map((meta) => special(kind, meta))),
    },
    {
      weight: knobs.whiteouts ? 1 : 0,
      arbitrary: metadata("char").map((meta) => device("char", meta, 0, 0)),
    },
  );
}

interface Plan {
  readonly meta: Metadata;
  readonly leaves: readonly (readonly [ByteString, Leaf | number])[];
  readonly directories: readonly (readonly [ByteString, Plan])[];
}

function plan(knobs: TreeKnobs, depth: number): fc.Arbitrary<Plan> {
  const leaves = fc.array(
    fc.tuple(name, fc.oneof({ weight: 6, arbitrary: leaf(knobs) }, { weight: 1, arbitrary: fc.nat(40) })),
    { maxLength: 14 },
  );
  const directories =
    depth === 0 ? fc.constant([]) : fc.array(fc.tuple(name, plan(knobs, depth - 1)), { maxLength: 4 });
  return fc.record({ meta: metadata("directory"), leaves, directories });
}

/** Trees with hard links, of a few dozen inodes. */
export function trees(knobs: TreeKnobs): fc.Arbitrary<Tree> {
  return plan(knobs, 3).map((root) => {
    const known: Leaf[] = [];
    const build = ({ meta, leaves, directories }: Plan): Directory => {
      const directory = new Directory(meta);
      for (const [child, what] of leaves) {
        const made = typeof what === "number" ? known[what] : what;
        if (made === undefined) continue;
        // A whiteout with two names is not allowed by composefs-rs.
        const isWhiteout = made.kind === "char" && made.major === 0;
        if (typeof what !== "number" && !isWhiteout) known.push(made);
        directory.set(child, made);
      }
      for (const [child, below] of directories) directory.set(child, build(below));
      return directory;
    };
    return { root: build(root) };
  });
}
