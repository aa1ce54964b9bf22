/* oxlint-disable typescript/await-thenable -- the linter does not know of async disposal in test files */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { utf8 } from "@bootc-store/core";
import { Dir } from "@bootc-store/linux";
import { openLab } from "@bootc-store/lab";
import { afterAll, describe, expect, test } from "vitest";

import {
  openReferencedStore,
  parseStorageReference,
  printStorageReference,
  readStorageConf,
  resolveStore,
  type StorageEnvironment,
} from "../src/index.ts";

const lab = openLab();
afterAll(() => lab.close());

function host(
  path: string,
  files: Readonly<Record<string, string>>,
  rest: Partial<StorageEnvironment> = {},
): StorageEnvironment {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(path, name)), { recursive: true });
    writeFileSync(join(path, name), text);
  }
  return { root: Dir.openHost(utf8(path)), uid: 0, home: "/root", variables: {}, ...rest };
}

describe("references", () => {
  test.each([
    ["alpine", { store: { options: [] }, image: "alpine" }],
    ["[/g]x", { store: { graphRoot: "/g", options: [] }, image: "x" }],
    ["[overlay@/g]x:1", { store: { driver: "overlay", graphRoot: "/g", options: [] }, image: "x:1" }],
    ["[/g+/r]@abc", { store: { graphRoot: "/g", runRoot: "/r", options: [] }, image: "@abc" }],
    [
      "[overlay@/g+/r:a=b,c=d]localhost/x@sha256:1",
      {
        store: { driver: "overlay", graphRoot: "/g", runRoot: "/r", options: ["a=b", "c=d"] },
        image: "localhost/x@sha256:1",
      },
    ],
    ["[overlay@/g:a=b]", { store: { driver: "overlay", graphRoot: "/g", options: ["a=b"] }, image: "" }],
  ])("%s", (text, reference) => {
    expect(parseStorageReference(text)).toEqual(reference);
    expect(printStorageReference(parseStorageReference(text))).toBe(text);
  });

  test.each(["[", "[]x", "[@/g]x", "[g]x", "[overlay@g]x", "[/g+r]x"])("%s is refused", (text) => {
    expect(() => parseStorageReference(text)).toThrow(
      expect.objectContaining({ code: "containers-storage/reference-invalid" }),
    );
  });
});

describe("storage.conf", () => {
  test("is found, and drop-ins are merged over it by name", async () => {
    await using scratch = lab.scratch();
    const environment = host(scratch.path, {
      "usr/share/containers/storage.conf": '[storage]\ndriver="vfs"\n',
      "etc/containers/storage.conf":
        '[storage]\ndriver="overlay"\ngraphroot="/g"\nrunroot="/r"\n[storage.options]\nadditionalimagestores=["/a"]\nmountopt="nodev"\n',
      "usr/share/containers/storage.conf.d/10-x.conf":
        '[storage.options]\nadditionalimagestores=["/b", {append=true}]\n',
      "etc/containers/storage.rootful.conf.d/20-y.conf": '[storage.options]\nadditionalimagestores=["/c"]\n',
      "etc/containers/storage.conf.d/10-z.txt": "not read",
      "etc/containers/storage.rootless.conf.d/10-r.conf": '[storage]\ngraphroot="/not"\n',
    });
    const conf = readStorageConf(environment);
    expect(conf).toMatchObject({ driver: "overlay", graphRoot: "/g", runRoot: "/r" });
    expect(conf.additionalImageStores.values).toEqual(["/a", "/b", "/c"]);
    expect([...conf.driverOptions]).toEqual([["overlay.mountopt", "nodev"]]);
    expect(resolveStore({ options: [] }, environment)).toEqual({
      driver: "overlay",
      graphRoot: "/g",
      runRoot: "/r",
      additionalStores: ["/a", "/b", "/c"],
    });
    const { root } = environment;
    const only = {
      ...environment,
      variables: { CONTAINERS_STORAGE_CONF: "/usr/share/containers/storage.conf" },
    };
    expect(resolveStore({ options: [] }, only)).toMatchObject({
      driver: "vfs",
      graphRoot: "/var/lib/containers/storage",
    });
    const options = {
      ...environment,
      variables: { STORAGE_OPTS: "overlay.imagestore=/o,additionalimagestore=/p" },
    };
    expect(resolveStore({ options: [] }, options).additionalStores).toEqual(["/o", "/p"]);
    const explicit = parseStorageReference("[overlay@/x+/y:additionalimagestore=/z]").store;
    expect(resolveStore(explicit, options)).toEqual({
      driver: "overlay",
      graphRoot: "/x",
      runRoot: "/y",
      additionalStores: ["/z"],
    });
    root[Symbol.dispose]();
  });

  test("a split image store and a transient one are said", async () => {
    await using scratch = lab.scratch();
    const environment = host(scratch.path, {
      "etc/containers/storage.conf": '[storage]\nimagestore="/i"\ntransient_store=true\n',
    });
    expect(resolveStore({ options: [] }, environment)).toMatchObject({ imageStore: "/i", transient: true });
    environment.root[Symbol.dispose]();
  });

  test("a user has a store at home", async () => {
    await using scratch = lab.scratch();
    const environment = host(
      scratch.path,
      {},
      { uid: 1000, home: "/home/u", variables: { XDG_RUNTIME_DIR: "/run/user/1000" } },
    );
    expect(resolveStore({ options: [] }, environment)).toEqual({
      graphRoot: "/home/u/.local/share/containers/storage",
      runRoot: "/run/user/1000/containers",
      additionalStores: [],
    });
    environment.root[Symbol.dispose]();
  });

  test.each([
    ["x", "conf-invalid"],
    ["storage=1", "conf-invalid"],
    ["[storage]\ndriver=1", "conf-invalid"],
    ['[storage.options]\nadditionallayerstores=["/l:ref"]', "feature-unsupported"],
    ['[storage.options.overlay]\nmount_program="/usr/bin/fuse-overlayfs"', "feature-unsupported"],
  ])("%j is refused", async (text, code) => {
    await using scratch = lab.scratch();
    const environment = host(scratch.path, { "etc/containers/storage.conf": text });
    expect(() => resolveStore({ options: [] }, environment)).toThrow(
      expect.objectContaining({ code: `containers-storage/${code}` }),
    );
    environment.root[Symbol.dispose]();
  });

  test("opens the store that it means, and refuses an additional one that is not there", async () => {
    await using scratch = lab.scratch();
    const environment = host(scratch.path, {});
    {
      await using store = openReferencedStore({ options: [] }, { environment });
      expect(await store.images()).toEqual([]);
    }
    const reference = parseStorageReference(
      "[overlay@/var/lib/containers/storage+/run/x:imagestore=/none]",
    ).store;
    expect(() => openReferencedStore(reference, { environment })).toThrow(
      expect.objectContaining({ code: "containers-storage/store-not-found" }),
    );
    environment.root[Symbol.dispose]();
  });
});
