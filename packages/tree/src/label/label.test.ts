import { type ByteString, utf8 } from "@bootc-store/core";
import { describe, expect, test } from "vitest";

import { layer, listing } from "../../tests/helpers/text-tree.ts";
import {
  composefsRsRules,
  type InodeKind,
  LabelPolicy,
  labelTree,
  lookup,
  mergeLayers,
  parseFileContexts,
  parsePolicyName,
  type PolicyFiles,
  removeLabels,
  SELINUX_XATTR,
} from "../index.ts";

const files = (parts: { readonly [K in keyof PolicyFiles]: string }): PolicyFiles => parts as PolicyFiles;

function ask(policy: LabelPolicy, path: string, kind: InodeKind = "file"): string | undefined {
  return policy.labelOf(utf8(path), kind);
}

describe("LabelPolicy", () => {
  const text = `
    # base
    /usr/.*            u:usr
    /usr/bin/a         u:literal
    /usr/bin/.*   --   u:bin
    /usr/bin/b\\.c  -l  u:link
    /usr/none/.*       <<none>>`;
  const parts = {
    fileContexts: text,
    homedirs: "/usr/bin/.* u:home\n/x/h u:h\n",
    local: "/usr/bin/a u:local\n/x/h u:l\n",
  };

  test("of libselinux takes literal lines first, then the last; local files after home directories", () => {
    const policy = new LabelPolicy(files(parts), "libselinux");
    expect(ask(policy, "/usr/bin/a")).toBe("u:local");
    expect(ask(policy, "/usr/bin/z")).toBe("u:home");
    expect(ask(policy, "/usr/bin/b.c", "symlink")).toBe("u:link");
    expect(ask(policy, "/usr/bin/b.c", "file")).toBe("u:home");
    expect(ask(policy, "/usr/none/x")).toBeUndefined();
    expect(ask(policy, "/usr/lib", "directory")).toBe("u:usr");
    expect(ask(policy, "/usr")).toBeUndefined();
    expect(ask(policy, "/x/h")).toBe("u:l");
  });

  test("of composefs-rs takes the last line of all; home directories after local files", () => {
    const policy = new LabelPolicy(files(parts), "composefs-rs");
    expect(ask(policy, "/usr/bin/a")).toBe("u:home");
    expect(ask(policy, "/usr/bin/b.c", "symlink")).toBe("u:home");
    expect(ask(policy, "/x/h")).toBe("u:h");
  });

  test("substitutes as each dialect does", () => {
    const subs = {
      fileContexts: "/usr/.* u:usr\n/a/.* u:a\n/ u:root\n",
      subs: "/l /a\n/s /l\n/all /\n",
      subsDist: "/l /usr\n/a /usr\n",
    };
    const library = new LabelPolicy(files(subs), "libselinux");
    // subs first, then what that gave by subs_dist, each once.
    expect(ask(library, "/l/x")).toBe("u:usr");
    expect(ask(library, "/s/x")).toBe("u:usr");
    expect(ask(library, "/sx/x")).toBeUndefined();
    expect(ask(library, "/all/usr/x")).toBe("u:usr");
    const rust = new LabelPolicy(files(subs), "composefs-rs");
    expect(rust.alias(utf8("/l"))).toBe("/usr");
    expect(rust.alias(utf8("/l/x"))).toBe("/l/x");
  });

  test.each([
    ["/a", "libselinux", "tree/label-syntax"],
    ["/a -x u:a", "libselinux", "tree/label-syntax"],
    ["/a -- ", "libselinux", "tree/label-syntax"],
    ["/\xe9 u:a", "libselinux", "tree/label-syntax"],
    ["/a u:a more", "composefs-rs", "tree/label-syntax"],
    ["/a(?>b) u:a", "libselinux", "tree/label-regex-unsupported"],
    ["/a(?i)b u:a", "composefs-rs", "tree/label-regex-unsupported"],
  ] as const)("refuses %j of %s", (line, dialect, code) => {
    expect(() => new LabelPolicy(files({ fileContexts: `# x\n${line}\n` }), dialect)).toThrow(
      expect.objectContaining({ code }),
    );
  });

  test("names file and line of what it refuses", () => {
    expect(() => new LabelPolicy(files({ fileContexts: "", local: "\n/a*+ u:a" }), "libselinux")).toThrow(
      expect.objectContaining({ trail: [{ op: "read file contexts", path: "file_contexts.local:2" }] }),
    );
  });

  test("of composefs-rs refuses substitutions that are not two paths", () => {
    expect(() => new LabelPolicy(files({ fileContexts: "", subs: "/a" }), "composefs-rs")).toThrow(
      expect.objectContaining({ code: "tree/label-syntax" }),
    );
    expect(new LabelPolicy(files({ fileContexts: "", subs: "/a" }), "libselinux").dialect).toBe("libselinux");
  });
});

describe("labelTree", () => {
  const policy = (dialect: "libselinux" | "composefs-rs"): LabelPolicy =>
    new LabelPolicy(
      files({ fileContexts: "/ -d u:root\n/a/.* u:a\n/b/.* u:b\n/b/no <<none>>\n", subs: "/c /a\n" }),
      dialect,
    );
  const tree = () =>
    mergeLayers(
      [
        layer(
          "a dir\na/x file=1 x:security.selinux=old\nb dir\nb/no file=2 x:security.selinux=old\nb/x hard=a/x\nb/y hard=a/x\nc dir\nc/z link=t\na/w hard=a/x",
        ),
      ],
      composefsRsRules,
    );

  test("splits hard links whose names have other labels, as composefs-rs does", () => {
    const labelled = tree();
    labelTree(labelled, policy("composefs-rs"));
    expect(listing(labelled, 0)).toEqual([
      " dir x:security.selinux=u:root",
      "a dir",
      "a/w file=1 x:security.selinux=u:a",
      "a/x hard=a/w",
      "b dir",
      "b/no file=2",
      "b/x file=1 x:security.selinux=u:b",
      "b/y file=1 x:security.selinux=u:b",
      "c dir",
      "c/z link=t x:security.selinux=u:a",
    ]);
    removeLabels(labelled);
    expect(listing(labelled, 0).join("\n")).not.toContain("selinux");
  });

  test("leaves labels where the policy has none, if told to", () => {
    const labelled = mergeLayers(
      [
        layer(
          "a dir\na/x file=1 x:security.selinux=old\nb dir x:security.selinux=mine\nb/no hard=a/x\nb/x file=2 x:user.a=b\nd dir x:security.selinux=kept",
        ),
      ],
      composefsRsRules,
    );
    labelTree(labelled, policy("composefs-rs"), { unlabelled: "keep" });
    expect(listing(labelled, 0)).toEqual([
      " dir x:security.selinux=u:root",
      "a dir",
      "a/x file=1 x:security.selinux=u:a",
      "b dir x:security.selinux=mine",
      // A name for which there is none keeps what the file had, not what its other name was given.
      "b/no file=1 x:security.selinux=old",
      "b/x file=2 x:security.selinux=u:b x:user.a=b",
      "d dir x:security.selinux=kept",
    ]);
  });

  test("ends labels with a NUL byte for libselinux, and can keep hard links", () => {
    const labelled = tree();
    labelTree(labelled, policy("libselinux"), { hardlinks: "first" });
    expect(lookup(labelled, utf8("/b/x")).metadata.xattrs.get(SELINUX_XATTR)).toBe("u:a\0");
    expect(lookup(labelled, utf8("/b/x"))).toBe(lookup(labelled, utf8("/a/w")));
  });
});

describe("files of a policy", () => {
  test("are read line by line", () => {
    expect(parseFileContexts(utf8("  /a\\b\t--  u:a:s0-s1 # more\r\n#c\n\n/b <<none>>"), "f")).toEqual([
      { regex: "/a\\b", kind: "file", context: "u:a:s0-s1", line: 1 },
      { regex: "/b", kind: undefined, context: undefined, line: 4 },
    ]);
  });

  test.each([
    ["SELINUX=enforcing\nSELINUXTYPE=targeted\n", "targeted"],
    ["# SELINUXTYPE=x\n selinuxtype = mls \nSELINUXTYPE=targeted", "mls"],
    ["SELINUX=disabled", undefined],
  ])("name it: %j", (text, name) => {
    expect(parsePolicyName(text as ByteString)).toBe(name);
  });
});
