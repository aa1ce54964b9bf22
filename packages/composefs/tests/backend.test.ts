// The contract's scenarios on a repository, and the repository shared with cfsctl.
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { Image } from "@bootc-store/backend";
import { digestFromHex, isStoreError, printDigest, utf8 } from "@bootc-store/core";
import { openLab } from "@bootc-store/lab";
import { Dir } from "@bootc-store/linux";
import { segmentBytes, type TarEntryToWrite } from "@bootc-store/oci";
import {
  buildImage,
  contractScenarios,
  type ContractStore,
  describeScenarios,
  layerOf,
  leakedDescriptors,
} from "@bootc-store/testkit";
import { afterAll, describe, expect, test } from "vitest";

import { damage, type DamageOp } from "./damage.ts";
import { ComposefsBackend, listTags, readTag, Repository, writeTag } from "../src/index.ts";

const lab = openLab();
afterAll(() => lab.close());

const hasPeer = lab.peers.cfsctl.available;

const dir = (name: string): TarEntryToWrite => ({
  entry: { type: "directory", name: utf8(name), mtime: { sec: 5, nsec: 0 } },
});
const file = (name: string, text: string): TarEntryToWrite => {
  const content = Buffer.from(text);
  return { entry: { type: "file", name: utf8(name), size: content.length }, content };
};

const LONG = "content that is long enough to be an object of its own, since it has more than 64 bytes";

function smallImage(seed: string): Promise<Image & { readonly tars: readonly Uint8Array[] }> {
  return buildImage({
    layers: [
      [dir("usr/"), dir("usr/bin/"), file("usr/bin/tool", `${seed} ${LONG}`), file("usr/bin/short", seed)],
      [
        dir("usr/"),
        dir("usr/lib/"),
        file("usr/lib/os-release", `ID=${seed}\n${LONG.repeat(50)}`),
        dir("boot/"),
        dir("sysroot/"),
      ],
    ],
  });
}

function scratch(): { path: string; dir: Dir } & AsyncDisposable {
  const path = mkdtempSync(join(tmpdir(), "bootc-store-composefs-"));
  const opened = Dir.openHost(utf8(path));
  return {
    path,
    dir: opened,
    async [Symbol.asyncDispose]() {
      opened[Symbol.dispose]();
      rmSync(path, { recursive: true, force: true });
    },
  };
}

async function contractStore(path: string): Promise<ContractStore> {
  using at = Dir.openHost(utf8(path));
  const backend = await ComposefsBackend.ensure(at, { sync: "none" });
  const stray = await smallImage("stray");
  return {
    backend,
    async fill() {
      await backend.writeImage(await smallImage("kept"), {
        names: ["localhost/kept:latest"],
        bootable: true,
      });
      // The configuration and manifest from before the images were attached are garbage by design.
      await backend.applyGc(await backend.planGc());
    },
    async damage() {
      const [shard = ""] = readdirSync(join(path, "objects")).sort();
      const [rest = ""] = readdirSync(join(path, "objects", shard)).sort();
      writeFileSync(join(path, "objects", shard, rest), "damaged");
      return [`${shard}${rest}`];
    },
    async leaveGarbage() {
      await backend.writeImage(stray);
      // What rewriting left is garbage that nothing can revive; it is not what the scenario is about.
      const { garbage } = await backend.planGc();
      expect(garbage.some((each) => each.kind === "stream")).toBe(true);
    },
    async revive() {
      // A ref to every stream, and names for those that were replaced, which are what is left of the garbage.
      const { repository } = backend;
      for (const name of readdirSync(join(path, "streams"))) {
        if (name !== "refs") symlinkSync(`../${name}`, join(path, "streams/refs", `kept-${name}`));
      }
      for (const { kind, id } of (await backend.planGc()).garbage) {
        if (kind !== "object") continue;
        repository.dir.symlink(utf8(`../objects/${id.slice(0, 2)}/${id.slice(2)}`), utf8(`streams/${id}`));
        symlinkSync(`../${id}`, join(path, "streams/refs", id));
      }
    },
    async fingerprint() {
      return spawnSync("find", [path, "-printf", "%P %y %l %s %m %T@\n"], { encoding: "utf8" })
        .stdout.split("\n")
        .sort()
        .join("\n");
    },
    async [Symbol.asyncDispose]() {
      await backend[Symbol.asyncDispose]();
    },
  };
}

describeScenarios(
  "the contract",
  contractScenarios("composefs", {}, (t) => contractStore(t.scratch)),
  {
    async scratch() {
      const made = scratch();
      made.dir[Symbol.dispose]();
      return {
        path: made.path,
        [Symbol.asyncDispose]: async () => rmSync(made.path, { recursive: true, force: true }),
      };
    },
  },
);

describe("a repository", () => {
  test("is made once, opened as it is, and described as cfsctl does", async () => {
    await using made = scratch();
    const first = await Repository.init(made.dir);
    expect(first.created).toBe(true);
    await first.repository[Symbol.asyncDispose]();
    const second = await Repository.init(made.dir);
    expect(second.created).toBe(false);
    await second.repository[Symbol.asyncDispose]();
    await expect(Repository.init(made.dir, { algorithm: "sha256" })).rejects.toMatchObject({
      code: "composefs/already-initialized",
    });
    expect(JSON.parse(readFileSync(join(made.path, "meta.json"), "utf8"))).toEqual({
      version: 1,
      algorithm: "fsverity-sha512-12",
      features: { compatible: [], "read-only-compatible": ["v1_erofs"], incompatible: [] },
      erofs_formats: { default: 1 },
    });
  });

  test.each([
    ["nothing", undefined, "composefs/metadata-missing"],
    ["no JSON", "{", "composefs/metadata-invalid"],
    ["a later version", '{"version":2,"algorithm":"fsverity-sha512-12"}', "composefs/version-unsupported"],
    ["an unknown algorithm", '{"version":1,"algorithm":"fsverity-md5-12"}', "composefs/metadata-invalid"],
    [
      "an unknown feature",
      '{"version":1,"algorithm":"fsverity-sha512-12","features":{"incompatible":["x"]}}',
      "composefs/feature-unsupported",
    ],
    [
      "an unknown image format",
      '{"version":1,"algorithm":"fsverity-sha512-12","erofs_formats":{"default":7}}',
      "composefs/metadata-invalid",
    ],
  ])("with %s in place of its description is refused", async (_, text, code) => {
    await using made = scratch();
    if (text !== undefined) writeFileSync(join(made.path, "meta.json"), text);
    await expect(Repository.open(made.dir)).rejects.toMatchObject({ code });
  });

  test("with a feature that allows reading only is not written to", async () => {
    await using made = scratch();
    writeFileSync(
      join(made.path, "meta.json"),
      '{"version":1,"algorithm":"fsverity-sha512-12","features":{"read-only-compatible":["x"]}}',
    );
    await using repository = await Repository.open(made.dir);
    expect(() => repository.assertWritable()).toThrow(
      expect.objectContaining({ code: "composefs/not-writable", kind: "read-only" }),
    );
  });

  test("leaves no descriptor open", async () => {
    await using made = scratch();
    const leaked = await leakedDescriptors(async () => {
      await using backend = await ComposefsBackend.ensure(made.dir, { sync: "none" });
      await backend.writeImage(await smallImage("x"), { names: ["t"] });
      for await (const _ of backend.verify()) void _;
    });
    expect(leaked).toEqual([]);
  });
});

describe("layers and images", () => {
  test("come out bit for bit", async () => {
    await using made = scratch();
    await using backend = await ComposefsBackend.ensure(made.dir, { sync: "none" });
    const image = await smallImage("x");
    const written = await backend.writeImage(image, { names: ["localhost/x:1"] });
    expect(written.created).toBe(true);
    expect(await backend.writeImage(image, { names: ["localhost/x:1"] })).toMatchObject({
      created: false,
      erofs: written.erofs,
    });
    await using found = await backend.openImage("localhost/x:1");
    expect(found?.manifest.bytes).toEqual(Buffer.from(image.manifest.bytes));
    expect(found?.config.bytes).toEqual(Buffer.from(image.config.bytes));
    for (const [index, tar] of image.tars.entries()) {
      const layer = await found?.openLayer(index);
      const bytes = Buffer.concat(
        await Array.fromAsync(segmentBytes(layer?.segments() ?? layerOf(tar).segments())),
      );
      expect(bytes.equals(tar)).toBe(true);
    }
    expect(await Array.fromAsync(backend.listImages())).toMatchObject([{ names: ["localhost/x:1"] }]);
  });

  test("a layer that is not what it says is refused, and has no name", async () => {
    await using made = scratch();
    await using backend = await ComposefsBackend.ensure(made.dir, { sync: "none" });
    const [tar] = (await smallImage("x")).tars;
    const diffId = digestFromHex("sha256", "0".repeat(64));
    await expect(backend.writeLayer({ ...layerOf(tar as Uint8Array), diffId })).rejects.toMatchObject({
      code: "composefs/layer-mismatch",
    });
    expect(await backend.hasLayer(diffId)).toBe(false);
    expect(existsSync(join(made.path, "streams"))).toBe(false);
  });

  test("a tag that leads nowhere is not written", async () => {
    await using made = scratch();
    const { repository } = await Repository.init(made.dir);
    await using _ = repository;
    expect(() => writeTag(repository, "x", "oci-manifest-sha256:0")).toThrow(
      expect.objectContaining({ code: "composefs/stream-missing" }),
    );
    for (const name of ["", ".", "..", "@x"]) {
      expect(() => readTag(repository, name)).toThrow(
        expect.objectContaining({ code: "composefs/stream-name-invalid" }),
      );
    }
  });

  test("a splitstream that is cut or changed is refused with a code", async () => {
    await using made = scratch();
    await using backend = await ComposefsBackend.ensure(made.dir, { sync: "none" });
    const image = await smallImage("x");
    await backend.writeImage(image);
    const name = `oci-layer-${printDigest(image.layers[0]?.diffId ?? image.config.digest)}`;
    const path = join(made.path, "streams", name);
    const whole = readFileSync(path);
    for (let at = 0; at < whole.length; at += 7) {
      const damaged = Buffer.from(whole);
      damaged[at] = (damaged[at] as number) ^ 0x41;
      writeFileSync(path, damaged);
      await readAll(backend, image).catch((error: unknown) => {
        expect((error as { code: string }).code).toMatch(/^(composefs|oci|core)\//);
      });
      truncateSync(path, at);
      await expect(readAll(backend, image)).rejects.toMatchObject({
        code: expect.stringMatching(/^composefs\//),
      });
    }
  });
});

async function readAll(backend: ComposefsBackend, image: Image): Promise<void> {
  const layer = await backend.openLayer(image.layers[0]?.diffId ?? image.config.digest);
  for await (const _ of layer?.segments() ?? []) void _;
}

describe.skipIf(!hasPeer)("shared with cfsctl", () => {
  const cfsctl = async (path: string, ...args: string[]): Promise<string> =>
    (await lab.peers.cfsctl.succeed(["--repo", path, ...args])).text;

  test("cfsctl checks, lists, mounts the ids of, and collects what we wrote", async () => {
    await using made = scratch();
    await using backend = await ComposefsBackend.ensure(made.dir, { sync: "none" });
    const written = await backend.writeImage(await smallImage("x"), {
      names: ["localhost/x:1"],
      bootable: true,
    });
    expect(await cfsctl(made.path, "fsck")).toContain("status: ok");
    expect(await cfsctl(made.path, "oci", "fsck")).toContain("status: ok");
    expect(await cfsctl(made.path, "oci", "images")).toContain("localhost/x:1");
    expect((await cfsctl(made.path, "oci", "compute-id", "localhost/x:1")).trim()).toBe(
      written.erofs.plain.get(1),
    );
    expect((await cfsctl(made.path, "oci", "compute-id", "localhost/x:1", "--bootable")).trim()).toBe(
      written.erofs.boot.get(1),
    );
    await backend[Symbol.asyncDispose]();
    // The manifest and configuration from before their images were attached.
    expect(await cfsctl(made.path, "gc")).toContain("Objects: 2 removed");
    expect(await cfsctl(made.path, "fsck")).toContain("status: ok");
  });

  test("what we collect is what cfsctl would, and each leaves the other's alone", async () => {
    await using made = scratch();
    await using backend = await ComposefsBackend.ensure(made.dir, { sync: "none" });
    await backend.writeImage(await smallImage("ours"), { names: ["ours"] });
    await backend.writeImage(await smallImage("stray"));
    const said = await cfsctl(made.path, "gc", "-n");
    const plan = await backend.planGc();
    const objects = plan.garbage.filter(({ kind }) => kind === "object");
    expect(said).toContain(
      `Objects: ${objects.length} removed (${objects.reduce((sum, { bytes }) => sum + bytes, 0)} bytes)`,
    );
    await backend.applyGc(plan);
    expect(await cfsctl(made.path, "gc", "-n")).toContain("Objects: 0 removed");
    expect(await cfsctl(made.path, "oci", "fsck")).toContain("status: ok");
    expect(listTags(backend.repository)).toHaveLength(1);
  });

  test("a lock of cfsctl's is waited for, and ours stops its collection", async () => {
    await using made = scratch();
    const { repository } = await Repository.init(made.dir);
    await using _ = repository;
    const waiting = await lab.peers.cfsctl
      .run(["--repo", made.path, "gc"], { timeout: 1500 })
      .catch((error: unknown) => error);
    expect(waiting).not.toMatchObject({ code: 0 });
  });
});

// Repositories that cfsctl made, with damage done to them. They are not part of the project.
const RECORDED = join(import.meta.dirname, "../../../../shared/fixtures/composefs-repo");

describe.skipIf(!existsSync(RECORDED))("recorded repositories (needs ../shared)", () => {
  test.each(["sha256-v1", "sha256-v2", "sha512-v1", "sha512-v2", "sha512-v1+v2"])(
    "%s is sound, and every image comes out",
    async (name) => {
      await using made = scratch();
      expect(
        spawnSync("tar", ["-xzf", join(RECORDED, "repos", `${name}.tar.gz`), "-C", made.path]).status,
      ).toBe(0);
      using at = made.dir.openDir(utf8(name));
      await using backend = await ComposefsBackend.open(at);
      expect(await Array.fromAsync(backend.verify())).toEqual([]);
      let images = 0;
      let mismatched = 0;
      for await (const { id, names } of backend.listImages()) {
        // An artifact is no image that could be read layer by layer.
        if (names.some((each) => each.startsWith("artifact"))) continue;
        // cfsctl files what skopeo converted from Docker's types under the digest from before; that is said, and not hidden.
        const image = await backend.openImage(id).catch((error: unknown) => {
          if (!isStoreError(error, "composefs/digest-mismatch")) throw error;
          mismatched++;
          return undefined;
        });
        for (const index of image?.layers.keys() ?? []) {
          const layer = await image?.openLayer(index);
          for await (const _ of segmentBytes(layer?.segments() ?? layerOf(new Uint8Array(0)).segments()))
            void _;
        }
        images++;
      }
      expect(images).toBeGreaterThan(5);
      expect(mismatched).toBeLessThanOrEqual(1);
      expect((await backend.planGc()).garbage.length).toBeGreaterThan(0);
    },
  );

  test.each(["old-format", "old-format-0.6"])("%s is refused until it is upgraded", async (name) => {
    await using made = scratch();
    expect(spawnSync("tar", ["-xzf", join(RECORDED, name, "old.tar.gz"), "-C", made.path]).status).toBe(0);
    const [only = ""] = readdirSync(made.path);
    using at = made.dir.openDir(utf8(only));
    await expect(Repository.open(at)).rejects.toMatchObject({ code: "composefs/metadata-missing" });
    await using backend = await ComposefsBackend.open(at, { old: "upgrade" });
    const findings = await Array.fromAsync(backend.verify());
    const streams = findings.filter(({ code }) => code === "composefs/stream-invalid").length;
    // Streams of cfsctl 0.3.0 are of another format altogether; those of 0.6 are read.
    if (name === "old-format") expect(streams).toBeGreaterThan(0);
    else expect(findings).toEqual([]);
  });

  const cases = existsSync(RECORDED) ? damagedCases() : [];

  test.each(cases.map((each) => [each.case, each] as const))("damage: %s", async (_, { ops, places }) => {
    await using made = scratch();
    expect(spawnSync("tar", ["-xzf", join(RECORDED, "damaged/base.tar.gz"), "-C", made.path]).status).toBe(0);
    const [only = ""] = readdirSync(made.path);
    for (const op of ops) damage(join(made.path, only), op);
    using at = made.dir.openDir(utf8(only));
    try {
      await using backend = await ComposefsBackend.open(at);
      const findings = await Array.fromAsync(backend.verify());
      const found = findings.map(({ message }) => message).join("\n");
      // Every place that cfsctl names, we name; what it does not notice we may.
      for (const place of places) expect(found).toContain(place);
    } catch (error) {
      if (!isStoreError(error)) throw error;
      // A repository that cfsctl cannot open either, or says nothing of.
      expect(error.code).toMatch(/^composefs\//);
      expect(places).toEqual([]);
    }
  });
});

interface DamagedCase {
  readonly case: string;
  readonly ops: readonly DamageOp[];
  /** What cfsctl's own fsck names: paths of objects, streams, images and refs. */
  readonly places: readonly string[];
}

function damagedCases(): DamagedCase[] {
  interface Record {
    readonly case?: string;
    readonly ops?: readonly DamageOp[];
    readonly runs?: readonly { readonly argv?: readonly string[]; readonly stdout?: string }[];
  }
  return readFileSync(join(RECORDED, "damaged/damaged.jsonl"), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record)
    .flatMap(({ case: name, ops = [], runs = [] }) => {
      if (name === undefined) return [];
      const said = runs.find(({ argv }) => argv?.length === 4 && argv[3] === "fsck")?.stdout ?? "";
      const places = [...said.matchAll(/^ {2}- fsck: [a-z-]+: ([^:\n]+(?::[0-9a-z]+)?)(?::|$)/gm)].map(
        (match) => match[1] ?? "",
      );
      return [
        { case: name, ops, places: places.filter((place) => /^(?:objects|streams|images)\//.test(place)) },
      ];
    });
}
