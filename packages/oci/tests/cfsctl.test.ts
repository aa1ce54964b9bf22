/* oxlint-disable typescript/await-thenable -- the linter does not know of async disposal in test files */
// Images that cfsctl has pulled, as it dumps them, and the same images read by us and merged by composefs-rs's rules.
import { cpSync, existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { type ByteString, byteString, isStoreError, utf8 } from "@bootc-store/core";
import { Dir } from "@bootc-store/linux";
import {
  composefsRsRules,
  type Inode,
  LayerMerge,
  lookupOptional,
  type Metadata,
  type Tree,
  walkTree,
} from "@bootc-store/tree";
import { afterAll, expect, test } from "vitest";

import { layerEntries, openImageSource, parseImageReference, readImage, readTar } from "../src/index.ts";
import { lab } from "./lab.ts";

afterAll(() => lab.close());

const FIXTURES = fileURLToPath(new URL("../../../../shared/fixtures/ostree-container/oci", import.meta.url));
const missing = existsSync(FIXTURES)
  ? lab.missing({ peers: ["cfsctl"] })
  : "the images are not on this machine";
const BESIDE_THE_MERGE =
  /Unexpected media type|No manifest found|Directory entry "(?:usr|run)" (?:does not exist|is not a subdirectory)/;
const CAPABILITY = utf8("security.capability");

/** Lines of a dump: path, size, mode, owner, device, time, and a link's target. Contents and link counts are left out. */
function dumped(text: string): string[] {
  return text
    .trimEnd()
    .split("\n")
    .map((line) => {
      const [path = "", size, mode = "", , uid, gid, rdev, time, payload = "", , , ...xattrs] =
        line.split(" ");
      if (mode.startsWith("@")) return `${unescaped(path)} is ${unescaped(payload)}`;
      const link = mode.startsWith("12") ? ` -> ${unescaped(payload)}` : "";
      return `${unescaped(path)} ${size} ${mode} ${uid}:${gid} ${rdev} ${time}${link} ${xattrs.map(unescaped).sort().join(" ")}`;
    });
}

function unescaped(text: string): ByteString {
  const letters: Record<string, string> = { n: "\n", r: "\r", t: "\t", "\\": "\\" };
  return text.replace(/\\(?:x([0-9a-f]{2})|(.))/g, (_, hex: string | undefined, letter: string) =>
    hex === undefined ? (letters[letter] ?? letter) : String.fromCharCode(Number.parseInt(hex, 16)),
  ) as ByteString;
}

/** What cfsctl does to the tree after the merge: the root is as /usr is, and /run is empty with its time. */
function shown(tree: Tree): string[] {
  const usr = lookupOptional(tree, utf8("/usr"))?.metadata;
  const first = new Map<Inode, ByteString>();
  const lines: string[] = [];
  for (const { path, inode, components } of [...walkTree(tree)].map((entry) => ({
    path: entry.path,
    inode: entry.inode,
    components: entry.components(),
  }))) {
    if (components.length > 1 && components[0] === "run") continue;
    const known = first.get(inode);
    if (known !== undefined) {
      lines.push(`${path} is ${known}`);
      continue;
    }
    if (inode.kind !== "directory") first.set(inode, path);
    const own = inode.metadata;
    const metadata: Metadata =
      path === "/" ? (usr ?? own) : path === "/run" ? { ...own, mtime: usr?.mtime ?? own.mtime } : own;
    const { mode, uid, gid, mtime } = metadata;
    const size = inode.kind === "file" ? inode.size : inode.kind === "symlink" ? inode.target.length : 0;
    const rdev =
      "major" in inode ? inode.major * 256 + (inode.minor & 0xff) + (inode.minor >> 8) * 0x100000 : 0;
    const link = inode.kind === "symlink" ? ` -> ${inode.target}` : "";
    const value = metadata.xattrs.get(CAPABILITY);
    const xattrs = value === undefined ? "" : `${CAPABILITY}=${value}`;
    lines.push(
      `${path} ${size} ${mode.toString(8)} ${uid}:${gid} ${rdev} ${mtime.sec}.${mtime.nsec}${link} ${xattrs}`,
    );
  }
  return lines;
}

async function merged(reference: string): Promise<Tree> {
  using root = Dir.openHost(utf8("/"));
  const source = await openImageSource(parseImageReference(reference), { host: { root } });
  await using image = await readImage(source, { platform: { os: "linux", architecture: "amd64" } });
  const merge = new LayerMerge(composefsRsRules);
  for (let index = 0; index < image.layers.length; index++) {
    const layer = await image.openLayer(index);
    const options = { sparse: "refuse", sizeWithoutContent: "refuse" } as const;
    for await (const entry of layerEntries(readTar(layer.tar()), options)) merge.add(entry);
    merge.endLayer();
  }
  return merge.tree;
}

test.skipIf(missing !== undefined)(
  `images as cfsctl dumps them ${missing ?? ""}`,
  async () => {
    await using scratch = lab.scratch("cfsctl");
    const repository = ["--repo", `${scratch.path}/repo`, "--insecure"];
    const { cfsctl } = lab.peers;
    await cfsctl.succeed([...repository, "init"]);
    const counts = { equal: 0, names: 0, refusedByBoth: 0, besideTheMerge: 0 };
    const differing: string[] = [];
    for (const layout of ["plain", "edge", "os"]) {
      cpSync(`${FIXTURES}/${layout}`, `${scratch.path}/${layout}`, { recursive: true });
      const index = JSON.parse(readFileSync(`${FIXTURES}/${layout}/index.json`, "utf8")) as {
        manifests: { annotations?: Record<string, string> }[];
      };
      for (const { annotations } of index.manifests) {
        const tag = annotations?.["org.opencontainers.image.ref.name"];
        if (tag === undefined) continue;
        const reference = `oci:${scratch.path}/${layout}:${tag}`;
        const name = `${layout}-${tag}`;
        const pulled = await cfsctl.run([...repository, "oci", "pull", reference, name]);
        const dump = pulled.code === 0 ? await cfsctl.run([...repository, "oci", "dump", name]) : pulled;
        let found: string[] | undefined;
        let problem = "";
        try {
          found = shown(await merged(reference));
        } catch (error) {
          if (!isStoreError(error)) throw error;
          problem = `${error.code} ${error.message}`;
        }
        if (found === undefined && dump.code !== 0) counts.refusedByBoth++;
        else if (found === undefined) differing.push(`${name}: only we refuse it: ${problem}`);
        else if (dump.code !== 0) {
          // Before the merge (Docker's types, another machine's image) or after it (what it then does to /usr and /run).
          if (BESIDE_THE_MERGE.test(dump.errorText)) counts.besideTheMerge++;
          else differing.push(`${name}: only cfsctl refuses it: ${dump.errorText.slice(0, 200)}`);
        } else {
          const wanted = dumped(byteString(dump.stdout));
          if (JSON.stringify(found) === JSON.stringify(wanted)) {
            counts.equal++;
            counts.names += found.length;
          } else {
            const more = found.filter((line) => !wanted.includes(line));
            const less = wanted.filter((line) => !found.includes(line));
            differing.push(
              `${name}: ours ${JSON.stringify(more).slice(0, 200)}, cfsctl's ${JSON.stringify(less).slice(0, 200)}`,
            );
          }
        }
      }
    }
    console.log(`cfsctl: ${JSON.stringify(counts)}`);
    expect(differing).toEqual([]);
    expect(counts.equal).toBeGreaterThan(50);
  },
  300_000,
);
