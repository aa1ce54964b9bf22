import { byteString } from "@bootc-store/core";
import { describe, expect, test } from "vitest";

import { layer, listing } from "../../tests/helpers/text-tree.ts";
import {
  composefsRsRules,
  LayerMerge,
  mergeLayers,
  type MergeRules,
  mergeTrees,
  metadataOf,
  OstreeExtFilter,
  ostreeExtRules,
  overlayRules,
  TreeBuilder,
} from "../index.ts";

const RULES = [
  ["overlay", overlayRules],
  ["composefs", composefsRsRules],
  ["ostree", ostreeExtRules],
] as const;

interface Case {
  readonly what: string;
  readonly layers: readonly string[];
  /** By set of rules: the listing, or the code of the error. `*` stands for those not named. */
  readonly want: { readonly [rules: string]: string };
}

const CASES: readonly Case[] = [
  {
    what: "a whiteout hides what lower layers have",
    layers: ["a file=1\nb file=2\nd dir\nd/x file=3", ".wh.a file=\n.wh.d file="],
    want: { "*": "b file=2" },
  },
  {
    what: "a whiteout of what is not there",
    layers: ["a file=1", ".wh.b file="],
    want: { "*": "a file=1" },
  },
  {
    what: "an entry and then its whiteout in one layer",
    layers: ["x file=0", "a file=1\n.wh.a file="],
    want: { overlay: "tree/whiteout-conflict", composefs: "x file=0", ostree: "a file=1\nx file=0" },
  },
  {
    what: "a whiteout and then its file in one layer",
    layers: ["a file=0", ".wh.a file=\na file=1"],
    want: { "*": "a file=1" },
  },
  {
    what: "a whiteout and then a directory of that name in one layer",
    layers: ["d dir mode=700\nd/x file=0", ".wh.d file=\nd dir mode=711\nd/y file=1"],
    want: {
      overlay: "d dir mode=711\nd/x file=0\nd/y file=1",
      composefs: "d dir mode=711\nd/y file=1",
      ostree: "d dir mode=711\nd/y file=1",
    },
  },
  {
    what: "an opaque mark after entries of its own layer",
    layers: ["d dir\nd/x file=0", "d dir mode=711\nd/y file=1\nd/.wh..wh..opq file="],
    want: {
      overlay: "d dir mode=711\nd/y file=1",
      composefs: "d dir mode=711",
      ostree: "d dir mode=711\nd/y file=1",
    },
  },
  {
    what: "an opaque mark before entries of its own layer",
    layers: ["d dir\nd/x file=0", "d dir mode=711\nd/.wh..wh..opq file=\nd/y file=1"],
    want: { "*": "d dir mode=711\nd/y file=1" },
  },
  {
    what: "an opaque mark on the root",
    layers: ["a file=0", ".wh..wh..opq file=\nb file=1"],
    want: { overlay: "a file=0\nb file=1", composefs: "b file=1", ostree: "b file=1" },
  },
  {
    what: "a directory over a directory, metadata",
    layers: ["d dir mode=700 own=1:1\nd/x file=0", "d dir mode=755 own=2:2"],
    want: {
      overlay: "d dir own=2:2\nd/x file=0",
      composefs: "d dir own=2:2\nd/x file=0",
      ostree: "d dir mode=700 own=1:1\nd/x file=0",
    },
  },
  {
    what: "file over directory and directory over file, across layers",
    layers: ["d dir\nd/x file=0\nf file=1", "d file=2\nf dir\nf/y file=3"],
    want: { "*": "d file=2\nf dir\nf/y file=3" },
  },
  {
    what: "file over directory in one layer",
    layers: ["d dir\nd/x file=0\nd file=1"],
    want: { overlay: "d file=1", composefs: "d file=1", ostree: "tree/entry-conflict" },
  },
  {
    what: "an entry below a symlink of the same layer",
    layers: ["real dir\ns link=/real\ns/x file=1"],
    want: {
      overlay: "real dir\nreal/x file=1\ns link=/real",
      composefs: "tree/path-not-directory",
      ostree: "tree/path-not-directory",
    },
  },
  {
    what: "an entry below a symlink of a lower layer",
    layers: ["real dir\ns link=real", "s dir\ns/x file=1"],
    want: { "*": "real dir\ns dir\ns/x file=1" },
  },
  {
    what: "missing parents",
    layers: ["a dir mode=700\na/b/c file=1 own=8:9"],
    want: {
      overlay: "a dir mode=700\na/b dir\na/b/c file=1 own=8:9",
      composefs: "tree/entry-parent-missing",
      ostree: "a dir own=8:9\na/b dir own=8:9\na/b/c file=1 own=8:9",
    },
  },
  {
    what: "hard link within a layer",
    layers: ["a file=1\nb hard=/a"],
    want: { "*": "a file=1\nb hard=a" },
  },
  {
    what: "hard link before its target",
    layers: ["b hard=a\nc file=1\na file=2"],
    want: {
      overlay: "tree/hardlink-target-missing",
      composefs: "tree/hardlink-target-missing",
      ostree: "a file=2\nb hard=a\nc file=1",
    },
  },
  {
    what: "hard link into a lower layer",
    layers: ["a file=1", "b hard=a"],
    want: {
      overlay: "tree/hardlink-target-missing",
      composefs: "a file=1\nb hard=a",
      ostree: "tree/hardlink-target-missing",
    },
  },
  {
    what: "hard link to a directory",
    layers: ["a dir\nb hard=a"],
    want: { "*": "tree/hardlink-target-directory" },
  },
  {
    what: "hard link to itself",
    layers: ["a file=1\na hard=a"],
    want: { overlay: "tree/hardlink-target-missing", "*": "a file=1" },
  },
  {
    what: "`..` in a path",
    layers: ["a dir\na/../b file=1"],
    want: { overlay: "a dir\nb file=1", "*": "tree/path-invalid" },
  },
  {
    what: "`..` out of the root",
    layers: ["../b file=1"],
    want: { overlay: "tree/path-escapes", "*": "tree/path-invalid" },
  },
  {
    what: "a symlink target out of the root",
    layers: ["a dir\na/l link=../../x"],
    want: { overlay: "tree/path-escapes", "*": "a dir\na/l link=../../x" },
  },
  { what: "a root that is a file", layers: ["./ file=1"], want: { "*": "tree/root-invalid" } },
  {
    what: "paths as tars have them",
    layers: ["./a/ dir\n/a/./b file=1\na//c file=2"],
    want: { "*": "a dir\na/b file=1\na/c file=2" },
  },
  {
    what: "a whiteout without a name",
    layers: ["a file=1", ".wh. file="],
    want: { overlay: "tree/whiteout-invalid", composefs: "a file=1", ostree: "tree/whiteout-invalid" },
  },
  {
    what: "a whiteout that is a symlink or a directory",
    layers: ["a file=1\nb file=2", ".wh.a link=x\n.wh.b dir"],
    want: { overlay: "", composefs: "", ostree: ".wh.a link=x\n.wh.b dir\na file=1\nb file=2" },
  },
  {
    what: "an opaque mark that is a symlink",
    layers: ["d dir\nd/a file=1", "d dir\nd/.wh..wh..opq link=x"],
    want: { "*": "d dir", ostree: "d dir\nd/.wh..wh..opq link=x" },
  },
  {
    what: "names of aufs",
    layers: ["a file=1", ".wh..wh.aufs file=\n.wh..wh.plnk file="],
    want: { "*": "a file=1" },
  },
  {
    what: "a character device 0:0",
    layers: ["a file=1", "a char=0:0"],
    want: { overlay: "", "*": "a char=0:0" },
  },
  {
    what: "a whiteout below what is no directory",
    layers: ["a file=1\na/.wh.b file="],
    want: { overlay: "a file=1", "*": "tree/path-not-directory" },
  },
  {
    what: "whiteouts in a directory that is new",
    layers: ["d dir\nd/.wh.a file=\nd/b file=1"],
    want: { "*": "d dir\nd/b file=1" },
  },
  {
    what: "a repeated directory of one layer",
    layers: ["d dir x:user.a=1\nd dir mode=700 x:user.b=2"],
    want: { overlay: "d dir mode=700 x:user.a=1 x:user.b=2", "*": "d dir mode=700 x:user.b=2" },
  },
  {
    what: "labels, times and escaped attributes",
    layers: [
      "a file=1 time=5.6 x:security.selinux=l x:trusted.overlay.overlay.opaque=y x:trusted.overlay.origin=z",
    ],
    want: {
      overlay: "a file=1 time=5.6 x:trusted.overlay.opaque=y",
      composefs:
        "a file=1 time=5.6 x:security.selinux=l x:trusted.overlay.origin=z x:trusted.overlay.overlay.opaque=y",
      ostree: "a file=1 x:security.selinux=l x:trusted.overlay.origin=z x:trusted.overlay.overlay.opaque=y",
    },
  },
  {
    what: "content that is elsewhere",
    layers: ["a file=1 x:trusted.overlay.metacopy="],
    want: { overlay: "tree/overlay-feature-unsupported", "*": "a file=1 x:trusted.overlay.metacopy=" },
  },
];

function merged(rules: MergeRules, layers: readonly string[]): string {
  try {
    return listing(mergeLayers(layers.map(layer), rules)).join("\n");
  } catch (error) {
    return (error as { code: string }).code;
  }
}

describe.each(RULES)("rules of %s", (name, rules) => {
  test.each(CASES)("$what", ({ layers, want }) => {
    const wanted = want[name] ?? want["*"];
    expect(merged(rules, layers)).toBe(wanted);
  });
});

describe("roots", () => {
  const root = (rules: MergeRules, ...layers: string[]): string | undefined =>
    listing(mergeLayers(layers.map(layer), rules), 0)[0];

  test("have the metadata that each set of rules gives them", () => {
    const layers = [". dir mode=700 own=1:1", "./ dir mode=711 own=2:2"];
    expect(root(overlayRules, ...layers)).toBe(" dir");
    expect(root(composefsRsRules, ...layers)).toBe(" dir mode=711 own=2:2");
    expect(root(ostreeExtRules, ...layers)).toBe(" dir mode=700 own=1:1");
    expect(root(ostreeExtRules, "", ". dir mode=700")).toBe(" dir");
    expect(root(ostreeExtRules, ". dir mode=700", "a/b file= own=5:5")).toBe(" dir mode=700");
    expect(root(ostreeExtRules, "a/b file= own=5:5")).toBe(" dir own=5:5");
  });
});

describe("trees of diff directories", () => {
  const tree = (text: string) => {
    const builder = new TreeBuilder();
    for (const entry of layer(text)) {
      if (entry.type === "directory") builder.addDirectory(entry.path, entry.metadata);
      else if (entry.type === "leaf") builder.addLeaf(entry.path, entry.leaf);
      else builder.addHardlink(entry.path, entry.target);
    }
    return builder.finish();
  };

  test("are merged by overlay's marks, of either kind of attribute", () => {
    const lower = "d dir\nd/a file=1\nd/b file=2\ne dir\ne/x file=3\nf file=4\ng hard=f";
    const upper = (prefix: string): string =>
      `d dir mode=700 x:${prefix}.overlay.opaque=x\nd/a file= x:${prefix}.overlay.whiteout=\ne dir x:${prefix}.overlay.opaque=y\ne/y file=5\nf char=0:0`;
    const wanted = ["d dir mode=700", "d/b file=2", "e dir", "e/y file=5", "g file=4"];
    expect(listing(mergeTrees([tree(lower), tree(upper("trusted"))], overlayRules))).toEqual(wanted);
    const userRules = { ...overlayRules, overlayXattrs: "user.overlay." } as const;
    expect(listing(mergeTrees([tree(lower), tree(upper("user"))], userRules))).toEqual(wanted);
  });

  test("refuse to come in the middle of a layer", () => {
    const merge = new LayerMerge(overlayRules);
    layer("a file=1").forEach((entry) => merge.add(entry));
    expect(() => merge.addTree(tree("b file=1"))).toThrow(
      expect.objectContaining({ code: "tree/merge-order" }),
    );
  });
});

describe("limits", () => {
  test.each(RULES)("of %s hold for entries and depth", (_, rules) => {
    const files = layer("a file=\nb file=\nc file=");
    expect(() => mergeLayers([files], rules, { limits: { entries: 2 } })).toThrow(
      expect.objectContaining({ code: "tree/limit-exceeded" }),
    );
    expect(mergeLayers([files], rules, { limits: { entries: 3 } }).root.size).toBe(3);
    const deep = layer("a dir\na/b dir\na/b/c dir");
    expect(() => mergeLayers([deep], rules, { limits: { depth: 2 } })).toThrow(
      expect.objectContaining({ code: "tree/limit-exceeded" }),
    );
  });
});

describe("OstreeExtFilter", () => {
  const filtered = (text: string, nonUsr = false, retainVar = true): [string[], Record<string, number>] => {
    const filter = new OstreeExtFilter({ nonUsr, retainVar });
    const entries = layer(text).flatMap((entry) => filter.apply(entry) ?? []);
    return [listing(mergeLayers([entries], ostreeExtRules)), Object.fromEntries(filter.dropped)];
  };

  test("moves /etc, empties /run, drops what is outside /usr", () => {
    const text = `usr dir\nusr/bin dir\nusr/bin/x file=1\netc dir mode=700\netc/y hard=etc/z\netc/z file=2
      run dir\nrun/lock dir\nrun/lock/x file=\ndev dir\ndev/null char=1:3\nvar dir\nvar/a file=3\nopt dir\nopt/b file=4`;
    expect(filtered(text)).toEqual([
      [
        "dev dir",
        "run dir",
        "usr dir",
        "usr/bin dir",
        "usr/bin/x file=1",
        "usr/etc dir mode=700",
        "usr/etc/y file=2",
        "usr/etc/z hard=usr/etc/y",
        "var dir",
        "var/a file=3",
      ],
      { lock: 2, null: 1, opt: 2 },
    ]);
    expect(filtered(text, true)[0]).toContain("opt/b file=4");
    expect(filtered(text, true, false)[0]).toContain("usr/share/factory/var/a file=3");
  });

  test.each([
    ["/ dir", "tree/path-invalid"],
    ["usr/../x file=", "tree/path-invalid"],
    ["usr/p fifo", "tree/entry-unsupported"],
    ["usr/c char=0:0", "tree/entry-unsupported"],
  ])("refuses %s", (text, code) => {
    expect(() => filtered(text)).toThrow(expect.objectContaining({ code }));
  });

  test("refuses paths that are not UTF-8", () => {
    const filter = new OstreeExtFilter({ nonUsr: true });
    const path = byteString(Uint8Array.of(0x75, 0xff));
    expect(() => filter.apply({ type: "directory", path, metadata: metadataOf("directory") })).toThrow(
      expect.objectContaining({ code: "tree/path-invalid" }),
    );
  });

  test("makes the first link to a changed object the file", () => {
    const text = `sysroot dir\nsysroot/ostree dir\nsysroot/ostree/repo dir\nsysroot/ostree/repo/o file=1 time=5
      usr dir\nusr/a hard=sysroot/ostree/repo/o time=5\nusr/b hard=sysroot/ostree/repo/o time=5`;
    expect(filtered(text)[0]).toEqual(["usr dir", "usr/a file=1", "usr/b hard=usr/a"]);
  });
});
