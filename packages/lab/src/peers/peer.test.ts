import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { isRoot, mounts, openLab, succeed, type Lab } from "../index.ts";

const cache = process.env["BOOTC_STORE_CACHE"];
const probe = openLab({ cache });
const reason = probe.missing({ root: true, peers: ["ostree", "skopeo", "umoci", "mkcomposefs"] });

describe.skipIf(reason !== undefined)(`peers ${reason ?? ""}`, () => {
  let lab: Lab;
  beforeAll(() => {
    lab = openLab({ cache });
  });
  afterAll(() => lab.close());

  it("run with an environment of their own and report bytes, text and exit code", async () => {
    const done = await lab.peers.sh.run(["-c", 'printf "\\377%s" "$TZ"; echo oops >&2; exit 3']);
    expect(done.code).toBe(3);
    expect([...done.stdout.subarray(0, 1)]).toEqual([0xff]);
    expect(done.stdout.subarray(1).toString()).toBe("UTC");
    expect(done.errorText).toBe("oops\n");
    const home = await lab.peers.sh.succeed(["-c", "echo ${RUST_BACKTRACE-unset} ${npm_config_yes-unset}"]);
    expect(home.text).toBe("unset unset\n");
  });

  it("read standard input, and take a variable", () => {
    const done = lab.peers.sh.succeedSync(["-c", 'cat; echo "$GREETING"'], {
      input: "from outside ",
      env: { GREETING: "hello" },
    });
    expect(done.text).toBe("from outside hello\n");
  });

  it("succeed() refuses another exit code with what the tool said", async () => {
    await expect(lab.peers.ostree.succeed(["--repo=/nowhere", "refs"])).rejects.toMatchObject({
      code: "lab/command-failed",
      message: expect.stringContaining("/nowhere") as string,
    });
  });

  it("are ended when they take too long, with all that they started", async () => {
    await using scratch = lab.scratch();
    const mark = join(scratch.path, "mark");
    await expect(
      lab.peers.sh.run(["-c", `(sleep 2; echo late > ${mark}) & wait`], { timeout: 200 }),
    ).rejects.toMatchObject({ code: "lab/timed-out" });
    await new Promise((resolve) => setTimeout(resolve, 2500));
    expect(() => readFileSync(mark)).toThrow(/ENOENT/);
  });

  it("see scratch directories at the same path, and write there", async () => {
    await using scratch = lab.scratch();
    mkdirSync(join(scratch.path, "tree/usr"), { recursive: true });
    writeFileSync(join(scratch.path, "tree/usr/file"), "content");
    await lab.peers.ostree.succeed(["init", "--repo=repo", "--mode=bare"], { cwd: scratch.path });
    await lab.peers.ostree.succeed(["--repo=repo", "commit", "-b", "main", "--tree=dir=tree"], {
      cwd: scratch.path,
    });
    await lab.peers.ostree.succeed(["--repo=repo", "fsck"], { cwd: scratch.path });
    expect(readFileSync(join(scratch.path, "repo/config"), "utf8")).toContain("mode=bare");
  });

  it("cannot change their own tree", async () => {
    const done = await lab.peers.sh.run(["-c", "echo x > /usr/bin/x"]);
    expect(done.code).not.toBe(0);
    expect(done.errorText).toContain("Read-only file system");
  });

  it("see a file system mounted below a scratch directory later, and their mounts are seen outside", async () => {
    await using scratch = lab.scratch();
    await lab.peers.sh.succeed(["-c", "true"]);
    const inner = join(scratch.path, "m");
    mkdirSync(inner);
    await succeed(["mount", "-t", "tmpfs", "tmpfs", inner]);
    writeFileSync(join(inner, "f"), "1");
    expect((await lab.peers.sh.succeed(["-c", `cat ${inner}/f`])).text).toBe("1");
    const other = join(scratch.path, "n");
    mkdirSync(other);
    await lab.peers.mount.succeed(["-t", "tmpfs", "tmpfs", other]);
    expect(mounts().some((mount) => mount.path === other)).toBe(true);
    await lab.peers.sh.succeed(["-c", `echo 2 > ${other}/g`]);
    expect(readFileSync(join(other, "g"), "utf8")).toBe("2\n");
  });

  it("see cached images, and cannot change them", async () => {
    mkdirSync(lab.cache.images, { recursive: true });
    const done = await lab.peers.sh.run(["-c", `cd ${lab.cache.images} && echo x > x`]);
    expect(done.errorText).toContain("Read-only file system");
  });

  it("unpack an image into containers-storage", async () => {
    await using scratch = lab.scratch();
    const at = (name: string): string => join(scratch.path, name);
    mkdirSync(at("tree"));
    writeFileSync(at("tree/hello"), "hello");
    const { umoci, skopeo } = lab.peers;
    await umoci.succeed(["init", "--layout", at("oci")]);
    await umoci.succeed(["new", "--image", `${at("oci")}:v1`]);
    await umoci.succeed(["insert", "--image", `${at("oci")}:v1`, at("tree"), "/"]);
    const store = `containers-storage:[overlay@${at("graph")}+${at("run")}]lab:v1`;
    await skopeo.succeed(["--insecure-policy", "copy", `oci:${at("oci")}:v1`, store]);
    const inspected = await skopeo.succeed(["inspect", "--config", store]);
    expect(JSON.parse(inspected.text)).toMatchObject({ rootfs: { type: "layers" } });
  });
});

it.skipIf(reason !== undefined)("a session leaves neither mounts nor directories behind", () => {
  const lab = openLab({ cache });
  lab.peers.sh.succeedSync(["-c", "true"]);
  const { directory } = lab;
  lab.close();
  expect(mounts().filter((mount) => mount.path.startsWith(directory))).toEqual([]);
  expect(() => readFileSync(join(directory, "state"))).toThrow(/ENOENT/);
});

it("a peer that is not there says why and refuses", () => {
  const empty = mkdtempSync(join(tmpdir(), "no-peers-"));
  const lab = openLab({ cache: empty });
  onTestFinished(() => {
    lab.close();
    rmSync(empty, { recursive: true });
  });
  const { ostree } = lab.peers;
  expect(ostree.available).toBe(false);
  expect(ostree.reason).toContain("not installed");
  expect(lab.missing({ peers: ["ostree", "skopeo"] })).toBe(`the peers are not installed in ${empty}`);
  expect(lab.missing({ root: true })).toBe(isRoot() ? undefined : "needs root");
  expect(() => ostree.runSync(["--version"])).toThrow(expect.objectContaining({ code: "lab/not-installed" }));
});
