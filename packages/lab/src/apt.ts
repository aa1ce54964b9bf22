import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { LabError } from "./errors.ts";
import { succeed } from "./exec.ts";

/** The archive that this machine is set up with, and the key that signs it. */
export interface Mirror {
  uri: string;
  signedBy: string;
}

const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

interface Source {
  uris: string[];
  suites: string[];
}

function deb822(text: string): Source[] {
  return text.split(/\n\s*\n/).map((paragraph) => {
    const field = (name: string): string[] => {
      const match = new RegExp(`^${name}:[ \\t]*(.*)$`, "im").exec(paragraph);
      return match?.[1]?.split(/\s+/).filter((word) => word !== "") ?? [];
    };
    return field("Types").includes("deb")
      ? { uris: field("URIs"), suites: field("Suites") }
      : { uris: [], suites: [] };
  });
}

function oneLine(text: string): Source[] {
  return [...text.matchAll(/^deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)/gm)].map((match) => ({
    uris: [match[1] ?? ""],
    suites: [match[2] ?? ""],
  }));
}

/**
 * The Debian mirror of the machine's own apt sources: the first whose suites are of Debian itself, not security
 * updates nor another vendor's archive.
 *
 * @throws LabError `lab/no-mirror`
 */
export function debianMirror(etc = "/etc/apt"): Mirror {
  const files: string[] = [];
  const parts = join(etc, "sources.list.d");
  const names = [
    ...readNames(parts)
      .filter((name) => name.endsWith(".sources") || name.endsWith(".list"))
      .map((name) => join(parts, name)),
    join(etc, "sources.list"),
  ];
  for (const path of names) {
    const text = readIfThere(path);
    if (text === undefined) continue;
    files.push(path);
    const clean = text.replace(/^#.*$/gm, "#").replace(/^#\n/gm, "");
    for (const source of path.endsWith(".sources") ? deb822(clean) : oneLine(clean)) {
      const uri = source.uris[0];
      const debian = source.suites.some((suite) =>
        /^(bookworm|trixie|forky|sid|stable|testing|unstable)$/.test(suite),
      );
      if (uri !== undefined && debian && /^(https?|file|copy|mirror\+\w+):/.test(uri))
        return { uri, signedBy: KEYRING };
    }
  }
  throw new LabError("lab/no-mirror", "the machine's apt sources name no Debian archive", {
    context: { files },
    hint: "the peers come from Debian packages: run on Debian, or add a Debian source",
  });
}

function readNames(directory: string): string[] {
  try {
    return readdirSync(directory).sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** apt looking at one suite only, with lists and cache of its own: the machine's sources stay untouched. */
export class AptView {
  readonly #options: string[];
  readonly #directory: string;

  private constructor(directory: string, options: string[]) {
    this.#directory = directory;
    this.#options = options;
  }

  /** Makes the view in an empty directory and fetches the suite's lists (about 6 s, 30 MB). */
  static async make(directory: string, suite: string, mirror: Mirror): Promise<AptView> {
    for (const part of ["lists/partial", "cache/archives/partial", "downloads"])
      mkdirSync(join(directory, part), { recursive: true });
    writeFileSync(
      join(directory, "sources.list"),
      `deb [signed-by=${mirror.signedBy}] ${mirror.uri} ${suite} main\n`,
    );
    const settings = {
      "Dir::Etc::sourcelist": join(directory, "sources.list"),
      "Dir::Etc::sourceparts": "/nonexistent",
      "Dir::State::lists": join(directory, "lists"),
      "Dir::Cache": join(directory, "cache"),
      // The suite under development is mirrored by snapshots, which outlive their date.
      "Acquire::Check-Valid-Until": "false",
      "APT::Sandbox::User": "root",
    };
    const options = Object.entries(settings).flatMap(([key, value]) => ["-o", `${key}=${value}`]);
    await succeed(["apt-get", ...options, "-q", "update"], { timeout: 300_000 });
    return new AptView(directory, options);
  }

  /** The names a package depends on, in its own order. */
  async depends(name: string): Promise<string[]> {
    const { text } = await succeed(["apt-cache", ...this.#options, "depends", name]);
    return [...text.matchAll(/^\s+Depends: (\S+)$/gm)].map((match) => match[1] ?? "");
  }

  /** Downloads packages without installing them; returns the paths of the .deb files. */
  async download(names: readonly string[]): Promise<string[]> {
    const into = join(this.#directory, "downloads");
    const before = new Set(readdirSync(into));
    await succeed(["apt-get", ...this.#options, "-q", "download", ...names], { cwd: into, timeout: 600_000 });
    return readdirSync(into)
      .filter((name) => name.endsWith(".deb") && !before.has(name))
      .sort()
      .map((name) => join(into, name));
  }
}
