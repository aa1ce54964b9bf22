// The status of recorded roots, told which of their deployments was booted, beside what bootc said of them when it was.
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { utf8 } from "@bootc-store/core";
import { createPool, Dir } from "@bootc-store/linux";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import {
  type Host,
  hostOfRoot,
  parseBootedName,
  printHostForPeople,
  printHostJson,
  printHostYaml,
} from "../src/host/index.ts";

const RECORDED = join(import.meta.dirname, "../../../../shared/fixtures/ostree-container");
const possible = existsSync(RECORDED) && process.getuid?.() === 0;

const pool = createPool();
let base = "";
beforeAll(() => {
  base = mkdtempSync(join(tmpdir(), "bootc-store-host-"));
});
afterAll(async () => {
  rmSync(base, { recursive: true });
  await pool[Symbol.asyncDispose]();
});

interface Command {
  readonly cmd: string;
  readonly rc: number;
  readonly stdout: string;
}

interface Step {
  readonly dump?: string;
  readonly tar?: string;
  readonly state?: string;
  readonly "root-tar"?: string;
  readonly "esp-tar"?: string;
  readonly "fake-boot"?: string;
  readonly "fake-boot-of"?: string;
  readonly stateroot?: string;
  readonly commands?: readonly Command[];
}

/** What bootc said first after a state was recorded, before a command changed it. */
interface Recorded {
  readonly name: string;
  readonly root: string;
  readonly esp?: string;
  /** STATEROOT/CHECKSUM.SERIAL; of composefs as the status itself has it. */
  readonly booted?: string;
  readonly said: ReadonlyMap<string, string>;
}

const CHANGES_NOTHING = /^bootc (?:status|image list|internals fsck|config-diff)|^ostree admin status|^cat /;

function recordings(place: string, file: string): Recorded[] {
  const { steps } = JSON.parse(readFileSync(join(RECORDED, place, file), "utf8")) as {
    readonly steps: readonly Step[];
  };
  const found: Recorded[] = [];
  let state: { readonly root: string; readonly esp?: string; readonly name: string } | undefined;
  for (const step of steps) {
    const tar = step.tar ?? step["root-tar"];
    if (step.dump !== undefined || step.state !== undefined) {
      const esp = step["esp-tar"];
      state =
        tar === undefined
          ? undefined
          : {
              root: tar.replace(/^sysroot\//, ""),
              name: step.dump ?? step.state ?? "",
              ...(esp === undefined ? {} : { esp }),
            };
    }
    if (step.commands === undefined || state === undefined) continue;
    const said = new Map<string, string>();
    for (const { cmd, rc, stdout } of step.commands) {
      if (!CHANGES_NOTHING.test(cmd)) break;
      if (cmd.startsWith("bootc status") && rc === 0 && !said.has(cmd)) said.set(cmd, stdout);
    }
    const of = step["fake-boot-of"];
    if (said.size > 0) {
      found.push({
        ...state,
        ...(of === undefined ? {} : { booted: `${step.stateroot ?? ""}/${of}` }),
        said,
      });
    }
    // What the rest of the boot did to the root is in the next dump, if at all.
    if (step.commands.some(({ cmd }) => !CHANGES_NOTHING.test(cmd))) state = undefined;
  }
  return found;
}

function unpack(archive: string): string {
  const into = join(base, archive.replaceAll(/\W/g, "-"));
  if (existsSync(into)) return into;
  mkdirSync(into);
  execFileSync("tar", ["--xattrs", "--xattrs-include=*", "--numeric-owner", "-xzf", archive, "-C", into]);
  return into;
}

async function statusOf(place: string, recorded: Recorded): Promise<Host> {
  using root = Dir.openHost(utf8(unpack(join(RECORDED, place, recorded.root))));
  using esp =
    recorded.esp === undefined ? undefined : Dir.openHost(utf8(unpack(join(RECORDED, place, recorded.esp))));
  const json = JSON.parse(recorded.said.get("bootc status --format=json") ?? "null") as Host | null;
  const booted = recorded.booted ?? json?.status.booted?.composefs?.verity ?? "";
  return await hostOfRoot(root, {
    pool,
    booted: parseBootedName(booted),
    ...(esp === undefined ? {} : { esp }),
  });
}

/** The recordings of composefs were made with a `/usr` of the machine's own mounted over the deployment's. */
const FAKED = { usrOverlay: { accessMode: "readWrite", persistence: "transient" } } as const;

function compare(recorded: Recorded, host: Host): void {
  const forms = new Map<string, string>([
    ["bootc status --format=json", printHostJson(host)],
    ["bootc status --format=yaml", printHostYaml(host)],
    ["bootc status", printHostYaml(host)],
    ["bootc status --format=json --format-version=1", printHostJson(host)],
    ["bootc status --format=humanreadable", printHostForPeople(host)],
    ["bootc status --format=humanreadable -v", printHostForPeople(host, true)],
    [
      "bootc status --booted --format=json",
      printHostJson({ ...host, status: { ...host.status, staged: null, rollback: null } }),
    ],
  ]);
  // Standard output was recorded with one line's end behind it.
  const trimmed = (texts: Iterable<readonly [string, string | undefined]>): object =>
    Object.fromEntries([...texts].map(([command, text]) => [command, text?.trimEnd()]));
  const ours = [...recorded.said.keys()].map((command) => [command, forms.get(command)] as const);
  expect(trimmed(ours)).toEqual(trimmed(recorded.said));
}

const SYSROOTS = ["sysroot.json", "deploy-options.json", "deploy-plain-ostree.json", "pinned-three.json"];

describe.skipIf(!possible)("recorded sysroots of ostree (needs root and ../shared)", () => {
  const all = possible ? SYSROOTS.flatMap((file) => recordings("sysroot", file)) : [];
  test("there are some", () => expect(all.length).toBeGreaterThanOrEqual(8));
  test.each(all)("$name, booted $booted", async (recorded) => {
    compare(recorded, await statusOf("sysroot", recorded));
  });
});

describe.skipIf(!possible)("recorded roots of composefs (needs root and ../shared)", () => {
  const all = possible ? recordings("composefs-backend", "composefs-backend.json") : [];
  test("there are some", () => expect(all.length).toBeGreaterThanOrEqual(3));
  test.each(all)("$name", async (recorded) => {
    const host = await statusOf("composefs-backend", recorded);
    compare(recorded, { ...host, status: { ...host.status, ...FAKED } });
  });
});

describe("the name of a booted deployment", () => {
  test.each([`lab/${"a".repeat(64)}.0`, `a.b/${"0".repeat(64)}.12`])("%.20s", (text) => {
    const found = parseBootedName(text);
    expect(
      found.kind === "ostree" && `${found.name.stateroot}/${found.name.checksum}.${found.name.serial}`,
    ).toBe(text);
  });
  test("of composefs", () => {
    expect(parseBootedName("b".repeat(128))).toEqual({ kind: "composefs", verity: "b".repeat(128) });
  });
  test.each([
    "",
    "/",
    "lab",
    `/${"a".repeat(64)}.0`,
    `lab/${"a".repeat(64)}`,
    `lab/${"a".repeat(63)}.0`,
    "b".repeat(127),
  ])("refuses %.30j", (text) => {
    expect(() => parseBootedName(text)).toThrow(
      expect.objectContaining({ code: "storage/argument-invalid" }),
    );
  });
});
