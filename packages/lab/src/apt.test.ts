import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { debianMirror } from "./apt.ts";

let etc: string;
beforeEach(() => {
  etc = mkdtempSync(join(tmpdir(), "lab-apt-"));
  mkdirSync(join(etc, "sources.list.d"));
});
afterEach(() => rmSync(etc, { recursive: true, force: true }));

const put = (name: string, text: string): void => writeFileSync(join(etc, name), text);

it("takes Debian's own archive from sources of the new form, past others", () => {
  put("sources.list.d/another.sources", "Types: deb\nURIs: http://other.example/node\nSuites: nodistro\n");
  put(
    "sources.list.d/debian.sources",
    [
      "# a comment",
      "Types: deb-src\nURIs: http://source.example/debian\nSuites: trixie",
      "",
      "Types: deb",
      "# another",
      "URIs: http://mirror.example/debian http://second.example/debian",
      "Suites: trixie trixie-updates",
      "",
      "Types: deb\nURIs: http://security.example/\nSuites: trixie-security",
    ].join("\n"),
  );
  expect(debianMirror(etc).uri).toBe("http://mirror.example/debian");
});

it("takes it from one-line sources, and not from lines that are commented out", () => {
  put("sources.list.d/vendor.list", "deb https://vendor.example/apt cloud-sdk-bookworm main\n");
  put(
    "sources.list",
    "#deb http://no.example/debian bookworm main\ndeb [arch=amd64 signed-by=/k] https://yes.example/debian bookworm main\n",
  );
  expect(debianMirror(etc).uri).toBe("https://yes.example/debian");
});

it("refuses a machine that has none", () => {
  put("sources.list", "deb http://x.example/ubuntu noble main\n");
  expect(() => debianMirror(etc)).toThrow(expect.objectContaining({ code: "lab/no-mirror" }));
});
