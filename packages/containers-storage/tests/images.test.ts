/* oxlint-disable typescript/await-thenable -- the linter does not know of async disposal in test files */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { isStoreError, utf8 } from "@bootc-store/core";
import { Dir } from "@bootc-store/linux";
import { openLab } from "@bootc-store/lab";
import { afterAll, describe, expect, test } from "vitest";

import { ContainersStorage } from "../src/index.ts";
import { imageOfTars } from "./helpers/layout.ts";
import { describeTree, openStore, pathsIn } from "./helpers/store.ts";
import { tar } from "./helpers/tar.ts";

const lab = openLab();
const missing = lab.missing({ root: true });
afterAll(() => lab.close());

const one = tar([{ name: "one", content: "1" }]);
const two = tar([{ name: "two", content: "2" }]);
const three = tar([{ name: "three", content: "3" }]);

function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "nothing was thrown",
    (error: unknown) => (isStoreError(error) ? error.code : String(error)),
  );
}

describe.skipIf(missing !== undefined)(`images${missing === undefined ? "" : ` (${missing})`}`, () => {
  test("are found by id, name, digest and the beginning of an id", async () => {
    await using scratch = lab.scratch();
    await using store = openStore(pathsIn(scratch.path));
    const image = imageOfTars([one]);
    const { id } = await store.writeImage(image, { names: ["alpine"] });
    const digest = `sha256:${image.manifest.digest.hex}`;
    for (const reference of [
      id,
      id.slice(0, 12),
      "alpine",
      "docker.io/library/alpine:latest",
      digest,
      `alpine@${digest}`,
      `alpine:other@${digest}`,
      `@${id}`,
      `alpine@${id}`,
    ]) {
      expect([reference, (await store.findImage(reference))?.id]).toEqual([reference, id]);
    }
    for (const reference of ["busybox", `busybox@${digest}`, id.slice(0, 2), "f".repeat(64), ""]) {
      expect([reference, await store.findImage(reference)]).toEqual([reference, undefined]);
    }
  });

  test("names are set, added, removed and taken from others, and the history remembers", async () => {
    await using scratch = lab.scratch();
    await using store = openStore(pathsIn(scratch.path));
    const first = await store.writeImage(imageOfTars([one]), { names: ["a"] });
    const second = await store.writeImage(imageOfTars([two]), { names: ["b"] });
    const full = (name: string): string => `docker.io/library/${name}:latest`;
    expect(await store.changeNames(second.id, { add: ["a", "c"] })).toEqual(["a", "c", "b"].map(full));
    expect((await store.findImage(first.id))?.names).toEqual([]);
    expect(await store.changeNames(second.id, { remove: ["a"] })).toEqual(["c", "b"].map(full));
    expect(await store.changeNames(second.id, { set: ["d"] })).toEqual([full("d")]);
    expect((await store.findImage(second.id))?.namesHistory).toEqual(["d", "b", "c", "a"].map(full));
    expect(await codeOf(store.changeNames("none", { add: ["x"] }))).toBe(
      "containers-storage/image-not-found",
    );
    expect(await codeOf(store.changeNames(second.id, { add: ["A//"] }))).toBe("oci/reference-invalid");
  });

  test("share layers, and deleting one leaves what the other needs", async () => {
    await using scratch = lab.scratch();
    const paths = pathsIn(scratch.path);
    await using store = openStore(paths);
    const lower = await store.writeImage(imageOfTars([one, two]), { names: ["lower"] });
    const upper = await store.writeImage(imageOfTars([one, two, three]), { names: ["upper"] });
    expect(upper.layers.map(({ created }) => created)).toEqual([false, false, true]);
    const usage = await store.diskUsage();
    expect(usage.images.map(({ names, shared, unique }) => [names, shared, unique > 0])).toEqual([
      [["docker.io/library/lower:latest"], one.length + two.length, true],
      [["docker.io/library/upper:latest"], one.length + two.length, true],
    ]);
    expect(usage.reclaimable).toBe(usage.total);
    const deleted = await store.deleteImage("upper");
    expect(deleted.layers).toHaveLength(1);
    expect(await store.layers()).toHaveLength(2);
    expect(await codeOf(store.deleteLayer((await store.layers())[0]?.id ?? ""))).toBe(
      "containers-storage/layer-in-use",
    );
    expect((await store.deleteImage(lower.id)).layers).toHaveLength(2);
    expect(await store.layers()).toEqual([]);
    expect(readdirSync(join(paths.root, "overlay")).sort()).toEqual(["l", "tempdirs"]);
    expect(readdirSync(join(paths.root, "overlay/l"))).toEqual([]);
    expect(readdirSync(join(paths.root, "overlay/tempdirs"))).toEqual([]);
    expect(readdirSync(join(paths.root, "overlay-images")).sort()).toEqual(["images.json", "images.lock"]);
  });

  test("are pruned but for those with names to be kept", async () => {
    await using scratch = lab.scratch();
    await using store = openStore(pathsIn(scratch.path));
    for (const [layer, names] of [
      [one, ["localhost/kept:1", "localhost/x:1"]],
      [two, ["localhost/gone:1"]],
      [three, []],
    ] as const) {
      await store.writeImage(imageOfTars([layer]), { names });
    }
    expect(await store.pruneDangling()).toHaveLength(1);
    expect(await store.pruneExcept(["localhost/kept:1"])).toHaveLength(1);
    expect((await store.images()).map(({ names }) => names)).toEqual([["localhost/kept:1", "localhost/x:1"]]);
  });

  test("that a container uses stay", async () => {
    await using scratch = lab.scratch();
    const paths = pathsIn(scratch.path);
    await using store = openStore(paths);
    const { id } = await store.writeImage(imageOfTars([one]), { names: ["used"] });
    const container = {
      id: "c".repeat(64),
      image: id,
      layer: "d".repeat(64),
      created: "2024-01-01T00:00:00Z",
    };
    writeFileSync(
      join(paths.root, "overlay-containers/volatile-containers.json"),
      JSON.stringify([container]),
    );
    expect(await codeOf(store.deleteImage("used"))).toBe("containers-storage/image-in-use");
    expect(await store.pruneExcept([])).toEqual([]);
    expect(await store.images()).toHaveLength(1);
  });

  test("a layer that is in another store need not be written, and its image is read from both", async () => {
    await using scratch = lab.scratch();
    await using other = lab.scratch();
    const shared = pathsIn(other.path);
    {
      await using store = openStore(shared);
      await store.writeImage(imageOfTars([one, two]), { names: ["shared"] });
    }
    const before = describeTree(shared.root);
    const paths = pathsIn(scratch.path);
    for (const path of [paths.root, paths.run]) mkdirSync(path);
    await using store = ContainersStorage.ensure({
      graphRoot: Dir.openHost(utf8(paths.root)),
      runRoot: Dir.openHost(utf8(paths.run)),
      additional: [Dir.openHost(utf8(shared.root))],
    }).store;
    expect((await store.findImage("shared"))?.names).toEqual(["docker.io/library/shared:latest"]);
    expect(await codeOf(store.deleteImage("shared"))).toBe("containers-storage/store-read-only");
    const image = imageOfTars([one, two]);
    const written = await store.writeImage(image, { names: ["own"] });
    expect(written.layers.map(({ created }) => created)).toEqual([false, false]);
    await using read = await store.openImage("own");
    expect(read?.layers.map(({ diffId }) => diffId)).toEqual(image.layers.map(({ diffId }) => diffId));
    expect((await Array.fromAsync(store.verify())).filter(({ severity }) => severity === "error")).toEqual(
      [],
    );
    expect(describeTree(shared.root)).toEqual(before);
  });

  test("a tree is what a mount would show, with its contents", async () => {
    await using scratch = lab.scratch();
    await using store = openStore(pathsIn(scratch.path));
    const lower = tar([
      { name: "d/", type: "5", mode: 0o755 },
      { name: "d/a", content: "a" },
      { name: "d/b", content: "b" },
    ]);
    const upper = tar([
      { name: "d/.wh.a", content: "" },
      { name: "d/c", content: "c!" },
    ]);
    await store.writeImage(imageOfTars([lower, upper]), { names: ["tree"] });
    const { tree, contents } = await store.readTree("tree");
    const directory = tree.root.get(utf8("d"));
    if (directory?.kind !== "directory") throw new Error("no directory");
    expect([...directory.names()]).toEqual(["b", "c"]);
    const c = directory.get(utf8("c"));
    if (c?.kind !== "file" || c.content.kind !== "external") throw new Error("no file");
    const parts = await Array.fromAsync(contents.openContent(c.content, c.size).read());
    expect(Buffer.concat(parts).toString()).toBe("c!");
  });

  test("a store that is read only says so", async () => {
    await using scratch = lab.scratch();
    const paths = pathsIn(scratch.path);
    await openStore(paths)[Symbol.asyncDispose]();
    await using store = ContainersStorage.open({ graphRoot: Dir.openHost(utf8(paths.root)), readOnly: true });
    expect(await codeOf(store.writeImage(imageOfTars([one])))).toBe("containers-storage/store-read-only");
    expect(await store.images()).toEqual([]);
  });

  test("what died half-made is made again", async () => {
    await using scratch = lab.scratch();
    const paths = pathsIn(scratch.path);
    await using store = openStore(paths);
    await store.writeImage(imageOfTars([one, two]), { names: ["a"] });
    const index = join(paths.root, "overlay-layers/layers.json");
    const records = JSON.parse(readFileSync(index, "utf8")) as { flags?: object }[];
    if (records[1] !== undefined) records[1].flags = { incomplete: true };
    writeFileSync(index, JSON.stringify(records));
    expect(await codeOf(store.openImage("a"))).toBe("containers-storage/layer-incomplete");
    const written = await store.writeImage(imageOfTars([one, two]), { names: ["a"] });
    expect(written.layers.map(({ created }) => created)).toEqual([false, true]);
    expect((await Array.fromAsync(store.verify())).filter(({ severity }) => severity === "error")).toEqual(
      [],
    );
  });

  test("a layer that is another than its image says leaves nothing", async () => {
    await using scratch = lab.scratch();
    const paths = pathsIn(scratch.path);
    await using store = openStore(paths);
    const image = imageOfTars([one, two]);
    const other = imageOfTars([three, two]);
    const before = describeTree(paths.root, { times: false });
    const openly = { ...image, openLayer: (index: number) => other.openLayer(index) };
    const secretly = {
      ...image,
      async openLayer(index: number) {
        return { ...(await other.openLayer(index)), diffId: (await image.openLayer(index)).diffId };
      },
    };
    const places = /^overlay(-layers\/tmp|\/tempdirs) /;
    for (const liar of [openly, secretly]) {
      expect(await codeOf(store.writeImage(liar))).toBe("containers-storage/layer-digest-mismatch");
      expect(describeTree(paths.root, { times: false }).filter((line) => !places.test(line))).toEqual(before);
    }
  });

  test("cancelling leaves nothing", async () => {
    await using scratch = lab.scratch();
    const paths = pathsIn(scratch.path);
    await using store = openStore(paths);
    const stop = new AbortController();
    const image = imageOfTars([one]);
    const slow = {
      ...image,
      async openLayer(index: number) {
        const layer = await image.openLayer(index);
        stop.abort();
        return layer;
      },
    };
    expect(await codeOf(store.writeImage(slow, { signal: stop.signal }))).toBe("core/cancelled");
    expect(await store.layers()).toEqual([]);
    expect(readdirSync(join(paths.root, "overlay/tempdirs"))).toEqual([]);
  });
});
