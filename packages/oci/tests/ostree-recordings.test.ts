/* oxlint-disable typescript/await-thenable -- the linter does not know of async disposal in test files */
// Images that ostree-ext has pulled into a repository, and what it made of them: read from their layouts, and merged by
// the ostree-ext rules, they are the same, name by name.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { isStoreError, textOf, utf8 } from "@bootc-store/core";
import { Dir } from "@bootc-store/linux";
import { LayerMerge, OstreeExtFilter, ostreeExtRules, type Tree, walkTree } from "@bootc-store/tree";
import { expect, test } from "vitest";

import { layerEntries, openImageSource, parseImageReference, readImage, readTar } from "../src/index.ts";

const FIXTURES = fileURLToPath(new URL("../../../../shared/fixtures/ostree-container", import.meta.url));
const there = existsSync(`${FIXTURES}/single`);

interface Step {
  readonly cmd?: string;
  readonly rc?: number;
  readonly stdout?: string;
  readonly stderr?: string;
  readonly commits?: Record<string, { readonly "ls-R-X-C": string }>;
}

interface Recording {
  readonly image?: string;
  readonly mode?: string;
  readonly steps: readonly Step[];
}

const LINE = /^([-dl])(\d{5}) (\d+) (\d+) +(\d+) [0-9a-f]{64}(?: [0-9a-f]{64})? \{ (.*?) \} (\/[\s\S]*)$/;

/** Lines of `ostree ls -R -X -C`, checksums left out. */
function recorded(text: string): string[] {
  return text
    .replace(/\n$/, "")
    .split(/\n(?=[-dl]\d{5} \d+ \d+ )/)
    .map((line) => {
      const match = LINE.exec(line);
      if (match === null) throw new Error(`not a line of ostree's: ${line}`);
      const [, type, mode, uid, gid, size, xattrs, path] = match;
      return `${type}${mode} ${uid}:${gid} ${size} ${xattrs === "@a(ayay) []" ? "" : "xattrs "}${path}`;
    })
    .sort();
}

/** Files that container tools leave in an image empty; ostree-ext takes them out of the merged tree. */
const INJECTED = new Set(["/usr/etc/hostname", "/usr/etc/resolv.conf"]);

function shown(tree: Tree): string[] {
  const lines: string[] = [];
  for (const { path, inode } of walkTree(tree)) {
    const { mode, uid, gid, xattrs } = inode.metadata;
    const type = inode.kind === "directory" ? "d" : inode.kind === "symlink" ? "l" : "-";
    const size = inode.kind === "file" ? inode.size : 0;
    if (inode.kind === "file" && size === 0 && INJECTED.has(path)) continue;
    const target = inode.kind === "symlink" ? ` -> ${textOf(inode.target) ?? ""}` : "";
    const bits = (mode & 0o7777).toString(8).padStart(5, "0");
    lines.push(
      `${type}${bits} ${uid}:${gid} ${size} ${xattrs.size > 0 ? "xattrs " : ""}${textOf(path) ?? ""}${target}`,
    );
  }
  return lines.sort();
}

async function merged(reference: string): Promise<Tree | undefined> {
  using root = Dir.openHost(utf8("/"));
  const source = await openImageSource(parseImageReference(reference), { host: { root } });
  await using image = await readImage(source, { platform: { os: "linux", architecture: "amd64" } });
  // What ostree itself has written into a layer is its own business.
  if (image.parsedConfig.labels["ostree.commit"] !== undefined) return undefined;
  const merge = new LayerMerge(ostreeExtRules);
  for (let index = 0; index < image.layers.length; index++) {
    const layer = await image.openLayer(index);
    const filter = new OstreeExtFilter({ nonUsr: true });
    for await (const entry of layerEntries(readTar(layer.tar()))) {
      const kept = filter.apply(entry);
      if (kept !== undefined) merge.add(kept);
    }
    merge.endLayer();
  }
  return merge.tree;
}

test.skipIf(!there)(
  `recordings of ostree-ext ${there ? "" : "are not on this machine"}`,
  async () => {
    const counts = { equal: 0, names: 0, refusedByBoth: 0, refusedBefore: 0, encapsulated: 0 };
    const differing: string[] = [];
    for (const name of readdirSync(`${FIXTURES}/single`)) {
      const recording = JSON.parse(readFileSync(`${FIXTURES}/single/${name}`, "utf8")) as Recording;
      const image = recording.image?.replace("oci:/oci/", `oci:${FIXTURES}/oci/`);
      const pull = recording.steps.find(({ cmd }) => cmd?.includes("container image pull") === true);
      if (image === undefined || pull === undefined || (recording.mode ?? "bare") !== "bare") continue;
      const commit = / => ([0-9a-f]{64})/.exec(pull.stdout ?? "")?.[1];
      let tree: Tree | undefined;
      try {
        tree = await merged(image);
      } catch (error) {
        if (!isStoreError(error)) throw error;
        if (pull.rc === 0) differing.push(`${name}: only we refuse it: ${error.message}`);
        else counts.refusedByBoth++;
        continue;
      }
      if (tree === undefined) counts.encapsulated++;
      else if (pull.rc !== 0) {
        // Refused by skopeo, for its configuration, before any layer was read.
        if (pull.stderr?.includes("failed to invoke method GetFullConfig") === true) counts.refusedBefore++;
        else differing.push(`${name}: only ostree-ext refuses it: ${(pull.stderr ?? "").slice(0, 200)}`);
      } else {
        const text = recording.steps
          .map(({ commits }) => commits?.[commit ?? ""])
          .find((each) => each !== undefined);
        // Labels by the image's own policy come after the merge.
        const plain = (line: string): string =>
          name.startsWith("os-selinux") ? line.replace(" xattrs /", " /") : line;
        const wanted = recorded(text?.["ls-R-X-C"] ?? "").map(plain);
        const found = shown(tree).map(plain);
        if (JSON.stringify(found.sort()) === JSON.stringify(wanted.sort())) {
          counts.equal++;
          counts.names += found.length;
        } else {
          const more = found.filter((line) => !wanted.includes(line));
          const less = wanted.filter((line) => !found.includes(line));
          differing.push(
            `${name}: ours ${JSON.stringify(more).slice(0, 300)}, ostree-ext's ${JSON.stringify(less).slice(0, 300)}`,
          );
        }
      }
    }
    console.log(`recordings: ${JSON.stringify(counts)}`);
    expect(differing).toEqual([]);
    expect(counts.equal).toBeGreaterThan(80);
  },
  300_000,
);
