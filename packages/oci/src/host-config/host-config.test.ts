import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

import { isStoreError, utf8 } from "@bootc-store/core";
import { Dir } from "@bootc-store/linux";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

import {
  type Credential,
  type CredentialOptions,
  endpointsFor,
  findCredential,
  type HostEnvironment,
  loadCerts,
  loadRegistriesConf,
  parseDockerReference,
  parseRegistriesConf,
  printDockerReference,
  resolveShortName,
} from "../index.ts";

let top = "";
let root: Dir;
beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), "bootc-store-oci-"));
  root = Dir.openHost(utf8(top));
});
afterEach(() => {
  root[Symbol.dispose]();
  rmSync(top, { recursive: true });
});

function write(path: string, text: string): void {
  mkdirSync(join(top, dirname(path)), { recursive: true });
  writeFileSync(join(top, path), text);
}

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (isStoreError(error)) return error.code;
    throw error;
  }
  return "accepted";
}

const ENV: HostEnvironment = {
  home: "/home/me",
  uid: 1000,
  variables: { XDG_RUNTIME_DIR: "/run/user/1000" },
};

describe("registries.conf", () => {
  const places = (text: string, reference: string): string[] =>
    endpointsFor(parseRegistriesConf(text), parseDockerReference(reference)).map(
      ({ reference: each, insecure }) => `${printDockerReference(each)}${insecure ? " insecure" : ""}`,
    );
  const CONF = `
[[registry]]
location = "docker.io/library"
[[registry.mirror]]
location = "mirror.example/hub/"
insecure = true
[[registry.mirror]]
location = "digests.example"
pull-from-mirror = "digest-only"
[[registry]]
prefix = "q.io/a"
location = "other.example:5000/b"
insecure = true
[[registry]]
prefix = "q.io/a/c"
location = "deeper.example"
[[registry]]
prefix = "*.wild.example"
[[registry.mirror]]
location = "wild-mirror.example/x"
[[registry]]
location = "tags.example"
mirror-by-digest-only = true
[[registry.mirror]]
location = "m.example"
`;
  const DIGEST = `@sha256:${"a".repeat(64)}`;
  test.each([
    ["x:1", ["mirror.example/hub/x:1 insecure", "docker.io/library/x:1"]],
    [
      `x${DIGEST}`,
      [
        `mirror.example/hub/x${DIGEST} insecure`,
        `digests.example/x${DIGEST}`,
        `docker.io/library/x${DIGEST}`,
      ],
    ],
    ["docker.io/user/x:1", ["docker.io/user/x:1"]],
    ["q.io/a:1", ["other.example:5000/b:1 insecure"]],
    ["q.io/a/d:1", ["other.example:5000/b/d:1 insecure"]],
    ["q.io/a/c/d:1", ["deeper.example/d:1"]],
    ["q.io/ab:1", ["q.io/ab:1"]],
    ["one.wild.example/y:1", ["wild-mirror.example/x/y:1", "one.wild.example/y:1"]],
    ["a.b.wild.example/y:1", ["wild-mirror.example/x/y:1", "a.b.wild.example/y:1"]],
    ["wild.example/y:1", ["wild.example/y:1"]],
    ["tags.example/z:1", ["tags.example/z:1"]],
    [`tags.example/z${DIGEST}`, [`m.example/z${DIGEST}`, `tags.example/z${DIGEST}`]],
  ])("%s", (reference, wanted) => {
    expect(places(CONF, reference)).toEqual(wanted);
  });

  test.each([
    ['[[registry]]\nlocation = "https://x"'],
    ["[[registry]]\ninsecure = true"],
    ['[[registry]]\nprefix = "a.b"'],
    ['[[registry]]\nprefix = "*.a.b/c"'],
    ['[[registry]]\nlocation = "a"\npull-from-mirror = "all"'],
    ['[[registry]]\nlocation = "a"\n[[registry.mirror]]\ninsecure = true'],
    ['[[registry]]\nlocation = "a"\n[[registry.mirror]]\nlocation = "b"\npull-from-mirror = "some"'],
    [
      '[[registry]]\nlocation = "a"\nmirror-by-digest-only = true\n[[registry.mirror]]\nlocation = "b"\npull-from-mirror = "all"',
    ],
    [
      '[[registry]]\nprefix = "p"\nlocation = "a"\n[[registry]]\nprefix = "q"\nlocation = "a"\nblocked = true',
    ],
    ['[[registry]]\nlocation = "a"\nblocked = "yes"'],
    ['unqualified-search-registries = ["a/b"]'],
    ['short-name-mode = "loose"'],
    ['[registries.search]\nregistries = ["a"]\n[[registry]]\nlocation = "b"'],
    ['[aliases]\n"a" = "b"'],
    ['[aliases]\n"q.io/a" = "q.io/b"'],
    ['[aliases]\n"a" = "q.io/b:1"'],
    ["= ="],
  ])("refuses %j", (text) => {
    expect(codeOf(() => parseRegistriesConf(text))).toBe("oci/config-invalid");
  });

  test("the old form, and keys that nobody knows", () => {
    const old = parseRegistriesConf(
      '[registries.search]\nregistries = ["a.io"]\n[registries.block]\nregistries = ["b.io"]\n[registries.insecure]\nregistries = ["c.io"]',
    );
    expect(old.searchRegistries).toEqual(["a.io"]);
    expect(codeOf(() => endpointsFor(old, parseDockerReference("b.io/x")))).toBe("oci/registry-blocked");
    expect(endpointsFor(old, parseDockerReference("c.io/x"))[0]?.insecure).toBe(true);
    expect(codeOf(() => parseRegistriesConf("[new]\nkey = 1"))).toBe("accepted");
  });

  test("files of the system and drop-ins, or the user's alone", () => {
    write(
      "etc/containers/registries.conf",
      'unqualified-search-registries = ["sys.io"]\n[[registry]]\nlocation = "a.io"\n[aliases]\n"x" = "q.io/x"\n"y" = "q.io/y"',
    );
    write(
      "etc/containers/registries.conf.d/50-b.conf",
      '[[registry]]\nlocation = "a.io"\nblocked = true\n[aliases]\n"x" = ""',
    );
    write(
      "etc/containers/registries.conf.d/10-a.conf",
      'unqualified-search-registries = []\nshort-name-mode = "enforcing"',
    );
    write("etc/containers/registries.conf.d/readme.txt", "not toml =");
    const system = loadRegistriesConf({ root }, ENV);
    expect(system.searchRegistries).toEqual([]);
    expect(system.shortNameMode).toBe("enforcing");
    expect(system.registries).toMatchObject([{ location: "a.io", blocked: true }]);
    expect(Object.fromEntries(system.aliases)).toEqual({ x: "", y: "q.io/y" });
    write("home/me/.config/containers/registries.conf", 'unqualified-search-registries = ["mine.io"]');
    write("home/me/.config/containers/registries.conf.d/1.conf", '[[registry]]\nlocation = "u.io"');
    const user = loadRegistriesConf({ root }, ENV);
    expect(user).toMatchObject({ searchRegistries: ["mine.io"], registries: [{ location: "u.io" }] });
    expect(codeOf(() => loadRegistriesConf({ root }, ENV, "/none"))).toBe("oci/config-invalid");
    expect(loadRegistriesConf({ root }, { ...ENV, home: "/nobody" }).registries).toHaveLength(1);
  });

  test("what was chosen once on this machine wins", () => {
    write("etc/containers/registries.conf", '[aliases]\n"x" = "q.io/x"\n"y" = "q.io/y"');
    write("home/me/.cache/containers/short-name-aliases.conf", '[aliases]\n"x" = "mine.io/x"');
    write("my/containers/short-name-aliases.conf", '[aliases]\n"x" = "other.io/x"');
    write("var/cache/containers/short-name-aliases.conf", '[aliases]\n"y" = "host.io/y"');
    const names = (env: HostEnvironment): Record<string, string> =>
      Object.fromEntries(loadRegistriesConf({ root }, env).aliases);
    expect(names(ENV)).toEqual({ x: "mine.io/x", y: "q.io/y" });
    expect(names({ ...ENV, variables: { XDG_CACHE_HOME: "/my" } })).toEqual({ x: "other.io/x", y: "q.io/y" });
    expect(names({ ...ENV, uid: 0 })).toEqual({ x: "q.io/x", y: "host.io/y" });
    write("var/cache/containers/short-name-aliases.conf", '[[registry]]\nlocation = "x');
    expect(codeOf(() => loadRegistriesConf({ root }, { ...ENV, uid: 0 }))).toBe("oci/config-invalid");
  });

  test("short names", () => {
    const conf = parseRegistriesConf(
      'unqualified-search-registries = ["a.io", "docker.io"]\n[aliases]\n"tool" = "q.io/org/tool"',
    );
    const names = (name: string): string[] =>
      resolveShortName(conf, name).candidates.map(printDockerReference);
    expect(names("tool:2")).toEqual(["q.io/org/tool:2"]);
    expect(names("x:1")).toEqual(["a.io/x:1", "docker.io/library/x:1"]);
    expect(names("u/x")).toEqual(["a.io/u/x", "docker.io/u/x"]);
    expect(names("localhost/x")).toEqual(["localhost/x"]);
    expect(resolveShortName(conf, "x").ask).toBe(true);
    expect(codeOf(() => resolveShortName(parseRegistriesConf(""), "x"))).toBe("oci/reference-invalid");
  });
});

describe("credentials", () => {
  const auth = (text: string): { auth: string } => ({ auth: Buffer.from(text).toString("base64") });
  const shown = (credential: Credential | undefined): string =>
    credential === undefined
      ? "none"
      : `${credential.user}/${credential.reveal()}${credential.kind === "identity-token" ? " token" : ""}`;
  const find = async (
    domain: string,
    path: string,
    options: Partial<CredentialOptions> = {},
  ): Promise<string> => shown(await findCredential(domain, path, { host: { root }, env: ENV, ...options }));

  test("the most exact name counts, then the registry's in other spellings", async () => {
    write(
      "run/user/1000/containers/auth.json",
      JSON.stringify({
        auths: {
          "q.io": auth("host:1"),
          "q.io/team": auth("team:a:b"),
          "q.io/team/app": auth("app:3"),
          "https://index.docker.io/v1/": auth("hub:4\0\0"),
          "empty.io": {},
          "bad.io": { auth: Buffer.from("nocolon").toString("base64") },
          "id.io": { identitytoken: "tok" },
          "http://old.io": auth("old:5"),
        },
      }),
    );
    expect(await find("q.io", "team/app")).toBe("app/3");
    expect(await find("q.io", "team/other/deep")).toBe("team/a:b");
    expect(await find("q.io", "teamwork")).toBe("host/1");
    expect(await find("docker.io", "library/x")).toBe("hub/4");
    expect(await find("empty.io", "x")).toBe("none");
    expect(await find("bad.io", "x")).toBe("none");
    expect(await find("id.io", "x")).toBe("/tok token");
    expect(await find("old.io", "x")).toBe("old/5");
    expect(await find("other.io", "team/app")).toBe("none");
  });

  test("files in their order; a named one is the only one", async () => {
    const file = (text: string): string => JSON.stringify({ auths: { "q.io": auth(text) } });
    write("home/me/.dockercfg", JSON.stringify({ "q.io": auth("legacy:1") }));
    expect(await find("q.io", "x")).toBe("legacy/1");
    write("home/me/.docker/config.json", file("docker:2"));
    expect(await find("q.io", "x")).toBe("docker/2");
    write("home/me/.config/containers/auth.json", file("config:3"));
    expect(await find("q.io", "x")).toBe("config/3");
    write("run/user/1000/containers/auth.json", JSON.stringify({ auths: { "other.io": auth("a:b") } }));
    expect(await find("q.io", "x")).toBe("config/3");
    write("run/user/1000/containers/auth.json", file("runtime:4"));
    expect(await find("q.io", "x")).toBe("runtime/4");
    write("mine.json", file("mine:5"));
    expect(await find("q.io", "x", { authFile: "/mine.json" })).toBe("mine/5");
    expect(await find("z.io", "x", { authFile: "/mine.json" })).toBe("none");
    expect(
      await find("q.io", "x", { env: { ...ENV, variables: { REGISTRY_AUTH_FILE: "/mine.json" } } }),
    ).toBe("mine/5");
    write("run/containers/0/auth.json", file("root:6"));
    expect(await find("q.io", "x", { env: { home: "/root", uid: 0, variables: {} } })).toBe("root/6");
  });

  test("bootc looks in ostree's files only", async () => {
    write("run/user/1000/containers/auth.json", JSON.stringify({ auths: { "q.io": auth("usual:1") } }));
    expect(await find("q.io", "x", { ostree: true })).toBe("none");
    write("usr/lib/ostree/auth.json", JSON.stringify({ auths: { "q.io": auth("image:2") } }));
    const asRoot = { home: "/root", uid: 0, variables: {} };
    expect(await find("q.io", "x", { ostree: true, env: asRoot })).toBe("image/2");
    write("etc/ostree/auth.json", JSON.stringify({ auths: {} }));
    expect(await find("q.io", "x", { ostree: true, env: asRoot })).toBe("none");
  });

  test("helpers are asked, and their answers checked", async () => {
    write("run/user/1000/containers/auth.json", JSON.stringify({ credHelpers: { "q.io": "vault" } }));
    const asked: string[] = [];
    const helper = async (name: string, registry: string): Promise<string> => {
      asked.push(`${name} ${registry}`);
      return '{"Username":"<token>","Secret":"t"}';
    };
    expect(await find("q.io", "x", { helper })).toBe("/t token");
    expect(await find("z.io", "x", { helper, helpers: ["pass"] })).toBe("/t token");
    expect(asked).toEqual(["vault q.io", "pass z.io"]);
    await expect(find("q.io", "x", { helpers: ["../sh"] })).rejects.toMatchObject({
      code: "oci/config-invalid",
    });
    await expect(find("q.io", "x", { helper: async () => "[]" })).rejects.toMatchObject({
      code: "oci/config-invalid",
    });
  });

  test("a broken file is an error that says nothing of what is in it", async () => {
    write("run/user/1000/containers/auth.json", '{"auths": {"q.io": {"auth": "c2VjcmV0OnB3"} } ');
    const error = await findCredential("q.io", "x", { host: { root }, env: ENV }).catch(
      (caught: unknown) => caught,
    );
    expect(isStoreError(error, "oci/config-invalid")).toBe(true);
    expect(JSON.stringify(error)).not.toContain("c2Vj");
  });
});

describe("certs.d", () => {
  test("the first directory alone; a lone half is an error", () => {
    expect(loadCerts({ root }, ENV, "q.io:5000")).toBeUndefined();
    write("etc/docker/certs.d/q.io:5000/a.crt", "DOCKER");
    write("etc/containers/certs.d/q.io:5000/ca.crt", "OWN");
    write("etc/containers/certs.d/q.io:5000/me.cert", "CERT");
    write("etc/containers/certs.d/q.io:5000/me.key", "KEY");
    const tls = loadCerts({ root }, ENV, "q.io:5000");
    expect(tls).toMatchObject({ cert: "CERT", key: "KEY" });
    expect(tls?.ca?.at(-1)).toBe("OWN");
    expect(tls?.ca?.length).toBeGreaterThan(50);
    rmSync(join(top, "etc/containers/certs.d/q.io:5000/me.key"));
    expect(codeOf(() => loadCerts({ root }, ENV, "q.io:5000"))).toBe("oci/config-invalid");
  });
});
