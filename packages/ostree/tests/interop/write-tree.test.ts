/* oxlint-disable typescript/await-thenable -- the linter does not know of async disposal in test files */
import { createHash, randomBytes } from "node:crypto";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { utf8 } from "@bootc-store/core";
import { createPool, Dir } from "@bootc-store/linux";
import { openLab } from "@bootc-store/lab";
import { device, file, inlineFile, metadataOf, symlink, TreeBuilder, Xattrs } from "@bootc-store/tree";
import { afterAll, describe, expect, it } from "vitest";

import { variant } from "../../src/gvariant/index.ts";
import { filesOf, inside, makeRepo, MODES, streamsOf } from "./helpers.ts";

const lab = openLab();
afterAll(() => lab.close());
const why = lab.missing({ root: true, peers: ["ostree"] });

const NOTHING = streamsOf(new Map());
const bytes = (text: string): Uint8Array => Buffer.from(text);

/** The tree of which the checksums are known: ostree 2026.4 made them. */
function goldenTree(): TreeBuilder {
  const tree = new TreeBuilder();
  const xattrs = Xattrs.from([
    [utf8("user.zz"), utf8("1")],
    [utf8("user.aa"), utf8("22")],
  ]);
  tree.addLeaf(utf8("a"), inlineFile(metadataOf("file", { xattrs }), bytes("hello\n")));
  tree.addLeaf(utf8("empty"), inlineFile(metadataOf("file"), bytes("")));
  tree.addLeaf(utf8("l"), symlink(metadataOf("symlink"), utf8("a")));
  tree.addDirectory(utf8("sub"), metadataOf("directory"));
  tree.addLeaf(utf8("sub/x"), inlineFile(metadataOf("file", { permissions: 0o4755 }), bytes("x\n")));
  return tree;
}

const GOLDEN = {
  timestamp: 1_577_836_800,
  branch: "main",
  subject: "subj",
  body: "body",
  metadata: [["version", variant("s", "1.0")]],
} as const;

describe.skipIf(why !== undefined)(
  `a tree that is committed ${why === undefined ? "" : `(skipped: ${why})`}`,
  () => {
    it.each(MODES)(
      "has the commit that ostree gives it, and ostree finds nothing wrong: %s",
      async (mode) => {
        await using scratch = lab.scratch();
        const at = inside(scratch.path, "repo");
        using repo = makeRepo(at, mode);
        const tree = goldenTree();
        if (mode === "bare-user-only") {
          // What such a repository can hold: the file is as ostree makes it then, without set-id bit and attributes.
          const plain = new TreeBuilder();
          plain.addLeaf(utf8("a"), inlineFile(metadataOf("file"), bytes("hello\n")));
          plain.addLeaf(utf8("empty"), inlineFile(metadataOf("file"), bytes("")));
          plain.addLeaf(utf8("l"), symlink(metadataOf("symlink"), utf8("a")));
          plain.addDirectory(utf8("sub"), metadataOf("directory"));
          plain.addLeaf(utf8("sub/x"), inlineFile(metadataOf("file", { permissions: 0o755 }), bytes("x\n")));
          await expect(
            repo.writeTree({ tree: tree.finish(), contents: NOTHING }, GOLDEN),
          ).rejects.toMatchObject({
            code: "ostree/object-mode-invalid",
          });
          const { id } = await repo.writeTree({ tree: plain.finish(), contents: NOTHING }, GOLDEN);
          expect(id).toBe("f079edce297883251696d72870970dab22109b97418edee393c1938ee882fb70");
        } else {
          const written = await repo.writeTree({ tree: tree.finish(), contents: NOTHING }, GOLDEN);
          expect(written).toMatchObject({
            id: "8a8426dfbf5634f48db17a62cab4f052475d3c9c1c4c011ae283f876517ca8b3",
            created: true,
            content: { copied: { files: 3 } },
          });
          const again = await repo.writeTree(
            { tree: goldenTree().finish(), contents: NOTHING },
            { ...GOLDEN, parent: null },
          );
          expect(again).toMatchObject({
            id: written.id,
            created: false,
            content: { copied: { files: 0 }, reused: { files: 3 } },
          });
        }
        const ostree = lab.peers.ostree;
        expect((await ostree.succeed([`--repo=${at}`, "fsck"])).text).toContain("fsck of 1 commits");
        const list = (await ostree.succeed([`--repo=${at}`, "ls", "-R", "main"])).text;
        expect(list).toBe(
          mode === "bare-user-only"
            ? "d00755 0 0      0 /\n-00644 0 0      6 /a\n-00644 0 0      0 /empty\nl00777 0 0      0 /l -> a\nd00755 0 0      0 /sub\n-00755 0 0      2 /sub/x\n"
            : "d00755 0 0      0 /\n-00644 0 0      6 /a\n-00644 0 0      0 /empty\nl00777 0 0      0 /l -> a\nd00755 0 0      0 /sub\n-04755 0 0      2 /sub/x\n",
        );
        expect((await ostree.succeed([`--repo=${at}`, "refs"])).text).toBe("main\n");
      },
    );

    it.each(MODES)(
      "with contents that lie in files, on workers: the commit that ostree makes of the same directory: %s",
      async (mode) => {
        await using scratch = lab.scratch();
        const source = inside(scratch.path, "source");
        mkdirSync(source);
        const tree = new TreeBuilder();
        for (let at = 0; at < 600; at++) {
          const name = `f${at}`;
          const content = randomBytes(at === 7 ? 3_000_000 : at % 100);
          writeFileSync(inside(source, name), content);
          chmodSync(inside(source, name), 0o755);
          tree.addLeaf(
            utf8(name),
            file(metadataOf("file", { permissions: 0o755 }), content.length, { kind: "external", key: name }),
          );
        }
        const ostree = lab.peers.ostree;
        const theirs = inside(scratch.path, "theirs");
        await ostree.succeed(["init", `--repo=${theirs}`, `--mode=${mode}`]);
        const peer = await ostree.succeed([
          `--repo=${theirs}`,
          "commit",
          "-b",
          "main",
          "--timestamp=@5",
          "--no-xattrs",
          "-s",
          "s",
          source,
        ]);
        await using pool = createPool({ size: 2 });
        const at = inside(scratch.path, "repo");
        using repo = makeRepo(at, mode, { pool });
        using dir = Dir.openHost(utf8(source));
        const written = await repo.writeTree(
          { tree: tree.finish(), contents: filesOf(dir) },
          { branch: "main", timestamp: 5, subject: "s" },
        );
        expect(written.id).toBe(peer.text.trim());
        await ostree.succeed([`--repo=${at}`, "fsck"]);
      },
    );

    it.each(MODES)("with contents that come as streams and holes: %s", async (mode) => {
      await using scratch = lab.scratch();
      const at = inside(scratch.path, "repo");
      using repo = makeRepo(at, mode);
      const content = randomBytes(2_500_000);
      const tree = new TreeBuilder();
      tree.addLeaf(utf8("stream"), file(metadataOf("file"), content.length, { kind: "external", key: "k" }));
      tree.addLeaf(utf8("hole"), file(metadataOf("file"), 3_000_000, { kind: "sparse" }));
      const source = { tree: tree.finish(), contents: streamsOf(new Map([["k", content]])) };
      await repo.writeTree(source, { branch: "main", timestamp: 5 });
      const ostree = lab.peers.ostree;
      await ostree.succeed([`--repo=${at}`, "fsck"]);
      const out = await ostree.succeed([
        `--repo=${at}`,
        "checkout",
        "-U",
        "main",
        inside(scratch.path, "out"),
      ]);
      expect(out.code).toBe(0);
      const sha = async (name: string): Promise<string> =>
        createHash("sha256")
          .update(
            await import("node:fs/promises").then((fs) => fs.readFile(inside(scratch.path, `out/${name}`))),
          )
          .digest("hex");
      expect(await sha("stream")).toBe(createHash("sha256").update(content).digest("hex"));
      expect(await sha("hole")).toBe(createHash("sha256").update(new Uint8Array(3_000_000)).digest("hex"));
    });

    it("contents that are not as long as they should be are refused, and nothing remains", async () => {
      await using scratch = lab.scratch();
      const at = inside(scratch.path, "repo");
      using repo = makeRepo(at, "bare");
      for (const length of [9, 11]) {
        const tree = new TreeBuilder();
        tree.addLeaf(utf8("f"), file(metadataOf("file"), 10, { kind: "external", key: "k" }));
        const contents = streamsOf(new Map([["k", new Uint8Array(length)]]));
        await expect(
          repo.writeTree({ tree: tree.finish(), contents }, { branch: "b", timestamp: 1 }),
        ).rejects.toMatchObject({
          code: "ostree/content-size",
        });
      }
      expect(repo.refs.listAll()).toEqual([]);
      using tmp = repo.dir.openDir(utf8("tmp"));
      expect(tmp.list()).toEqual([]);
    });

    it("devices and names that are not UTF-8 are refused", async () => {
      await using scratch = lab.scratch();
      using repo = makeRepo(inside(scratch.path, "repo"), "bare");
      const node = new TreeBuilder();
      node.addLeaf(utf8("null"), device("char", metadataOf("char"), 1, 3));
      await expect(
        repo.writeTree({ tree: node.finish(), contents: NOTHING }, { timestamp: 1 }),
      ).rejects.toMatchObject({
        code: "ostree/file-type-unsupported",
      });
      const name = new TreeBuilder();
      name.addLeaf("\xff" as ReturnType<typeof utf8>, inlineFile(metadataOf("file"), bytes("x")));
      await expect(
        repo.writeTree({ tree: name.finish(), contents: NOTHING }, { timestamp: 1 }),
      ).rejects.toMatchObject({
        code: "ostree/name-not-utf8",
      });
    });
  },
);

const noXfs = lab.missing({ root: true, peers: ["ostree"], filesystems: ["xfs"] });
describe.skipIf(noXfs !== undefined)(`on a file system with reflinks ${noXfs ?? ""}`, () => {
  it("contents are cloned, and only so if that is required", async () => {
    await using fs = await lab.filesystem("xfs");
    const source = inside(fs.path, "source");
    mkdirSync(source);
    const tree = new TreeBuilder();
    for (const [name, size] of [
      ["big", 3_000_000],
      ["small", 10_000],
    ] as const) {
      writeFileSync(inside(source, name), randomBytes(size));
      tree.addLeaf(utf8(name), file(metadataOf("file"), size, { kind: "external", key: name }));
    }
    using dir = Dir.openHost(utf8(source));
    using repo = makeRepo(inside(fs.path, "repo"), "bare");
    const written = await repo.writeTree(
      { tree: tree.finish(), contents: filesOf(dir) },
      { branch: "main", timestamp: 1, clone: "require" },
    );
    expect(written.content.cloned).toEqual({ files: 2, bytes: 3_010_000 });
    await lab.peers.ostree.succeed([`--repo=${inside(fs.path, "repo")}`, "fsck"]);
  });
});
