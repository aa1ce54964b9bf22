// bootc's status of a host: read, printed for programs and for people.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, test } from "vitest";

import { parseHost, printHostForPeople, printHostJson, printHostYaml } from "../src/host/index.ts";

const OWN = join(import.meta.dirname, "fixtures/bootc-status");

function casesIn(dir: string): string[] {
  return readdirSync(dir)
    .filter((name) => /\.(?:yaml|json)$/.test(name) && !/expected|^container-inspect|^manifest/.test(name))
    .sort();
}

async function check(dir: string, name: string): Promise<void> {
  const text = (file: string): string => readFileSync(join(dir, file), "utf8");
  const stem = name.replace(/\.(?:yaml|json)$/, "");
  const host = await parseHost(text(name));
  expect(printHostJson(host)).toBe(text(`${stem}.canonical.expected.json`));
  expect(printHostForPeople(host)).toBe(text(`${stem}.expected.txt`));
  expect(printHostForPeople(host, true)).toBe(text(`${stem}.verbose.expected.txt`));
  // What is printed is read again, in both forms.
  expect(await parseHost(printHostYaml(host))).toEqual(host);
  expect(await parseHost(printHostJson(host))).toEqual(host);
}

describe("statuses of fictional hosts", () => {
  test.each(casesIn(OWN))("%s", async (name) => await check(OWN, name));
});

const UPSTREAM = join(import.meta.dirname, "../../../../shared/fixtures/bootc-status");
const cases = existsSync(UPSTREAM) ? casesIn(UPSTREAM) : ["all of them"];
describe.skipIf(!existsSync(UPSTREAM))("statuses of bootc's own tests (needs ../shared)", () => {
  test.each(cases)("%s", async (name) => await check(UPSTREAM, name));
});

describe("a status that is none", () => {
  test.each([
    ["", /YAML/],
    ["{", /JSON/],
    ["a: [", /YAML/],
    ["[1]", /mapping/],
    [`{"apiVersion":1,"kind":"x","metadata":{},"spec":{},"status":{}}`, /host\.apiVersion is no text/],
    [
      `{"apiVersion":"a","kind":"x","metadata":{},"spec":{},"status":{"booted":{"pinned":false}}}`,
      /host\.status\.booted\.incompatible/,
    ],
    [
      `{"apiVersion":"a","kind":"x","metadata":{},"spec":{"bootOrder":"first"},"status":{}}`,
      /host\.spec\.bootOrder is none of default, rollback/,
    ],
    ["x".repeat(5 << 20), /characters/],
  ])("%.40s", async (text, problem) => {
    await expect(parseHost(text)).rejects.toMatchObject({
      code: "storage/host-invalid",
      message: expect.stringMatching(problem),
    });
  });
});

describe("YAML", () => {
  test.each([
    "true",
    "12",
    "1.5",
    "0x1f",
    "null",
    "~",
    "",
    " a",
    "a: b",
    "- a",
    "it's",
    "a #b",
    "a\nb",
    "é",
    "v1.0",
    "2024-01-01",
  ])("keeps the text %j", async (version) => {
    const host = await parseHost(readFileSync(join(OWN, "synthetic-ostree-other.yaml"), "utf8"));
    const { booted } = host.status;
    if (booted?.image === null || booted === null) throw new Error("the case has an image");
    const named = {
      ...host,
      metadata: { ...host.metadata, labels: { label: version } },
      status: { ...host.status, booted: { ...booted, image: { ...booted.image, architecture: version } } },
    };
    const again = printHostYaml(named);
    const { load, CORE_SCHEMA } = await import("js-yaml");
    expect(load(again, { schema: CORE_SCHEMA })).toMatchObject({
      metadata: { labels: { label: version } },
      status: { booted: { image: { architecture: version } } },
    });
  });
});
