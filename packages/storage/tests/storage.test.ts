import { statSync, utimesSync } from "node:fs";
import { join } from "node:path";

import type { Backend } from "@bootc-store/backend";
import { utf8 } from "@bootc-store/core";
import { Repo } from "@bootc-store/ostree";
import { gvariant, variant } from "@bootc-store/ostree/gvariant";
import { MemoryBackend } from "@bootc-store/testkit";
import { emptyTree } from "@bootc-store/tree";
import { describe, expect, expectTypeOf, test } from "vitest";

import {
  BootedStorage,
  type BootedStorageKind,
  type Esp,
  Storage,
  type StorageOptions,
} from "../src/index.ts";
import { plant, type Planted } from "./plant.ts";

function storageOf(root: Planted, options: Partial<StorageOptions> = {}): Storage {
  return new Storage({
    physicalRoot: root.dir.duplicate(),
    physicalRootPath: "/sysroot",
    run: root.dir.openDir("run" as never),
    readOnly: false,
    ...options,
  });
}

function espOf(root: Planted, closed: string[] = []): Esp {
  const dir = root.dir.openDir("esp" as never);
  return {
    dir,
    access: "read-only",
    async [Symbol.asyncDispose]() {
      closed.push("esp");
      dir[Symbol.dispose]();
    },
  };
}

describe("what is required", () => {
  test("a writable root", async () => {
    using root = plant({ run: null });
    await using writable = storageOf(root);
    writable.requireWritable();
    await using fixed = storageOf(root, { readOnly: true });
    expect(() => fixed.requireWritable()).toThrow(
      expect.objectContaining({
        code: "storage/read-only",
        kind: "read-only",
        message: "Cannot perform this operation: /sysroot is on a read-only block device (e.g. a live ISO)",
      }),
    );
  });

  test("a boot directory and an ESP", async () => {
    using root = plant({ run: null, boot: null, "esp/EFI/Linux/bootc": null });
    await using bare = storageOf(root);
    expect(() => bare.requireBootDir()).toThrow(
      expect.objectContaining({ code: "storage/boot-dir-absent", message: "Boot dir not found" }),
    );
    expect(() => bare.requireEsp()).toThrow(
      expect.objectContaining({ code: "storage/esp-absent", message: "ESP not found" }),
    );
    const esp = espOf(root);
    await using full = storageOf(root, { bootDir: esp.dir.duplicate(), esp });
    expect(full.requireEsp()).toBe(esp);
    using binaries = full.blsBootBinariesDir("bls-compatible");
    expect(binaries.list().map((entry) => entry.name)).toEqual(["bootc"]);
    using classic = full.blsBootBinariesDir("grub-classic");
    expect(classic.list().map((entry) => entry.name)).toEqual(["EFI"]);
  });
});

describe("the stores", () => {
  test("without their backends they refuse, by name", async () => {
    using root = plant({ run: null });
    await using storage = storageOf(root);
    await expect(storage.getEnsureComposefs()).rejects.toMatchObject({
      code: "storage/backend-absent",
      context: { backend: "composefs" },
    });
    await expect(storage.getEnsureImgstore()).rejects.toMatchObject({
      context: { backend: "containers-storage" },
    });
    await expect(storage.openOstree()).rejects.toMatchObject({ context: { backend: "ostree" } });
    await expect(storage.getOstree()).rejects.toMatchObject({
      code: "storage/ostree-not-initialized",
      message: "OSTree storage not initialized",
    });
    expect(root.dir.statOptional("composefs" as never)).toBeUndefined();
  });

  test("are opened when asked for, once, also by two at a time, and closed last first", async () => {
    using root = plant({ run: null, esp: null });
    const closed: string[] = [];
    let opened = 0;
    const open = (kind: "ostree" | "composefs") => async (): Promise<Backend> => {
      opened++;
      const backend = new MemoryBackend(kind);
      const close = backend[Symbol.asyncDispose].bind(backend);
      backend[Symbol.asyncDispose] = async () => {
        closed.push(kind);
        await close();
      };
      return backend;
    };
    const storage = storageOf(root, {
      openers: { ostree: open("ostree"), composefs: open("composefs") },
      esp: espOf(root, closed),
    });
    await expect(storage.getOstree()).rejects.toMatchObject({ code: "storage/ostree-not-initialized" });
    const [one, two] = await Promise.all([storage.openOstree(), storage.openOstree()]);
    expect(one).toBe(two);
    expect(await storage.getOstree()).toBe(one);
    await storage.getEnsureComposefs();
    expect(statSync(join(root.path, "composefs")).mode & 0o777).toBe(0o700);
    expect(opened).toBe(2);
    await storage[Symbol.asyncDispose]();
    await storage[Symbol.asyncDispose]();
    expect(closed).toEqual(["composefs", "ostree", "esp"]);
    await expect(storage.openOstree()).rejects.toMatchObject({ code: "core/use-after-dispose" });
  });

  test("a failure is not kept: the next one who asks may have luck", async () => {
    using root = plant({ run: null });
    let attempts = 0;
    await using storage = storageOf(root, {
      openers: {
        async containersStorage() {
          if (attempts++ === 0) throw new Error("locked");
          return new MemoryBackend("containers-storage");
        },
      },
    });
    await expect(storage.getEnsureImgstore()).rejects.toThrow("locked");
    expect((await storage.getEnsureImgstore()).kind).toBe("containers-storage");
  });

  test("a read-only root gets no directory", async () => {
    using root = plant({ run: null });
    await using storage = storageOf(root, {
      readOnly: true,
      openers: { composefs: async () => new MemoryBackend() },
    });
    await storage.getEnsureComposefs();
    expect(root.dir.statOptional("composefs" as never)).toBeUndefined();
  });
});

describe("updateMtime", () => {
  test.each([
    ["of a directory", { "ostree/bootc": null }, "ostree/bootc"],
    [
      "through the link",
      { "composefs/bootc": null, "ostree/bootc": { link: "../composefs/bootc" } },
      "composefs/bootc",
    ],
  ] as const)("%s", async (_, plants, real) => {
    using root = plant({ run: null, ...plants });
    const path = join(root.path, real);
    utimesSync(path, 1000, 1000);
    await using storage = storageOf(root);
    storage.updateMtime();
    const { mtimeMs, atimeMs } = statSync(path);
    expect(Math.abs(Date.now() - mtimeMs)).toBeLessThan(60_000);
    expect(Math.abs(Date.now() - atimeMs)).toBeLessThan(60_000);
  });

  test("not through a link that leads out, nor on a read-only root", async () => {
    using root = plant({ run: null, "ostree/bootc": { link: "/etc" } });
    await using storage = storageOf(root);
    expect(() => storage.updateMtime()).toThrow(expect.objectContaining({ code: "linux/path-escapes" }));
    await using fixed = storageOf(root, { readOnly: true });
    expect(() => fixed.updateMtime()).toThrow(expect.objectContaining({ code: "storage/read-only" }));
  });
});

describe("the booted system", () => {
  const id = "ab".repeat(64);
  const cmdline = { digest: id, allowMissingVerity: false, softRebooted: false };
  const openers = {
    ostree: async (): Promise<Backend> => new MemoryBackend("ostree"),
    composefs: async (): Promise<Backend> => new MemoryBackend("composefs"),
  };

  test.each([{ kind: "container" }, { kind: "other" }] as const)(
    "there is none: $kind",
    async (environment) => {
      using root = plant({});
      expect(
        await BootedStorage.open({ host: root.dir, environment, espAccess: "read-only" }),
      ).toBeUndefined();
    },
  );

  test("ostree: no boot directory, no ESP", async () => {
    using root = plant({ sysroot: null, run: null });
    await using storage = await BootedStorage.open({
      host: root.dir,
      environment: { kind: "ostree-booted" },
      espAccess: "read-only",
      openers,
    });
    expect(storage).toMatchObject({
      readOnly: false,
      physicalRootPath: "/sysroot",
      bootDir: undefined,
      esp: undefined,
    });
    // The root is no sysroot.
    await expect(storage?.kind()).rejects.toMatchObject({ code: "ostree/repo-not-found" });
  });

  test("ostree: repository, stateroot and deployment", async () => {
    using root = plant({ "sysroot/ostree/repo": null, run: null });
    const { dir } = root;
    const branch = "os";
    let checksum: string;
    {
      using repo = Repo.ensure(dir.openDir(utf8("sysroot/ostree/repo")), { mode: "bare-user" });
      const contents = {
        openContent: () => {
          throw new Error("there is no content");
        },
      };
      ({ id: checksum } = await repo.writeTree({ tree: emptyTree(), contents }, { branch, timestamp: 0 }));
    }
    const deployment = `ostree/deploy/lab/deploy/${checksum}.0`;
    const kernel = "ab".repeat(32);
    const link = `ostree/boot.0.1/lab/${kernel}`;
    for (const path of [deployment, link, "boot/loader.0/entries"])
      dir.ensureDir(utf8(`sysroot/${path}`), { parents: true });
    dir.symlink(utf8(`../../../deploy/lab/deploy/${checksum}.0`), utf8(`sysroot/${link}/0`));
    dir.symlink(utf8("boot.0.1"), utf8("sysroot/ostree/boot.0"));
    dir.symlink(utf8("loader.0"), utf8("sysroot/boot/loader"));
    const write = (path: string, bytes: Uint8Array): void => {
      const slash = path.lastIndexOf("/");
      using parent = dir.openDir(utf8(path.slice(0, slash)));
      parent.atomicWrite(utf8(path.slice(slash + 1)), bytes);
    };
    const entry = `version 1\noptions ostree=/ostree/boot.0/lab/${kernel}/0 quiet\n`;
    write("sysroot/boot/loader.0/entries/ostree-1.conf", Buffer.from(entry));
    write(
      `sysroot/${deployment}.origin`,
      Buffer.from("[origin]\ncontainer-image-reference=ostree-unverified-registry:example.invalid/os\n"),
    );
    const open = async () => {
      const storage = await BootedStorage.open({
        host: dir,
        environment: { kind: "ostree-booted" },
        espAccess: "read-only",
        openers,
      });
      if (storage === undefined) throw new Error("nothing is booted");
      return storage;
    };
    // Booted with ostree, but from elsewhere.
    write("run/ostree-booted", Buffer.from(""));
    {
      await using storage = await open();
      await expect(storage.kind()).rejects.toMatchObject({ code: "storage/not-booted" });
    }
    const { dev, ino } = dir.stat(utf8(`sysroot/${deployment}`));
    const packed =
      (BigInt(dev.major) << 8n) | (BigInt(dev.minor) & 0xffn) | (BigInt(dev.minor & ~0xff) << 12n);
    const mark = gvariant("a{sv}").encode([["backing-root-device-inode", variant("(tt)", [packed, ino])]]);
    write("run/ostree-booted", mark);
    await using storage = await open();
    const kind = await storage.kind();
    expect(kind).toMatchObject({
      kind: "ostree",
      repository: { kind: "ostree" },
      stateroot: "lab",
      deployment: { checksum, serial: 0, booted: true, index: 0, bootChecksum: kernel },
    });
    if (kind.kind !== "ostree") throw new Error("the wrong kind");
    expect(kind.deployment.origin?.get("origin", "container-image-reference")).toBe(
      "ostree-unverified-registry:example.invalid/os",
    );
  });

  test.each([
    ["GRUB reads /boot", "grub-classic", "grub2"],
    ["others read the ESP", "bls-compatible", "EFI"],
  ] as const)("composefs: %s", async (_, bootloader, found) => {
    using root = plant({
      "sysroot/boot/grub2": null,
      "sysroot/composefs": { mode: 0o700 },
      run: null,
      "esp/EFI": null,
    });
    const accesses: string[] = [];
    await using storage = await BootedStorage.open({
      host: root.dir,
      environment: { kind: "composefs-booted", cmdline },
      espAccess: "read-write",
      openers,
      bootloader,
      mountEsp: async (_root, access) => (accesses.push(access), espOf(root)),
    });
    expect(
      storage
        ?.requireBootDir()
        .list()
        .map((entry) => entry.name),
    ).toEqual([found]);
    expect(accesses).toEqual(["read-write"]);
    expect(await storage?.kind()).toMatchObject({ kind: "composefs", cmdline });
  });

  test("composefs without an ESP is an error", async () => {
    using root = plant({ sysroot: null, run: null });
    await expect(
      BootedStorage.open({
        host: root.dir,
        environment: { kind: "composefs-booted", cmdline },
        espAccess: "read-only",
      }),
    ).rejects.toMatchObject({ code: "storage/esp-absent" });
  });

  test("a switch over the kinds is exhaustive", () => {
    const name = (kind: BootedStorageKind): string => {
      switch (kind.kind) {
        case "ostree":
          return kind.repository.kind;
        case "composefs":
          return kind.cmdline.digest;
        default:
          // A third kind would make this line an error of types.
          expectTypeOf(kind).toEqualTypeOf<never>();
          return kind;
      }
    };
    expect(name({ kind: "composefs", repository: new MemoryBackend(), cmdline })).toBe(id);
  });
});
