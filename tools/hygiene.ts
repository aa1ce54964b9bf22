// Rules about the repository itself: no hosts of registries or paths of machines, no install scripts among
// the dependencies beyond those named, no node: import where Node may not be, no environment in libraries.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { ROOT } from "./workspace.ts";

interface Rule {
  readonly about: string;
  readonly files: RegExp;
  readonly except?: RegExp;
  readonly pattern: RegExp;
}

const RULES: readonly Rule[] = [
  {
    about: "a registry's host or a machine's path",
    files: /./,
    except: /^tools\/hygiene\.ts$/,
    pattern:
      /registry\.npmjs\.org|static\.crates\.io|index\.crates\.io|proxy\.golang\.org|deb\.debian\.org|\/work\/(?:main|shared|wt-)/,
  },
  {
    about: "node: in a package that runs anywhere",
    files: /^packages\/(?:core|paths|tree|erofs|boot)\/src\/.*\.ts$/,
    except: /\.test\.ts$/,
    pattern: /from "node:|import\("node:/,
  },
  {
    about: "FFI outside of the linux package",
    files: /^(?:packages|apps)\/.*\.ts$/,
    except: /^packages\/linux\//,
    pattern: /from "koffi"|import\("koffi"\)/,
  },
  {
    about: "the file system outside of the linux package",
    files: /^packages\/(?!linux\/|lab\/|testkit\/)[^/]+\/src\/.*\.ts$/,
    except: /\.test\.ts$/,
    pattern: /from "node:(?:fs|fs\/promises|path)"/,
  },
  {
    about: "the process or the environment in a library",
    files: /^packages\/(?!lab\/|testkit\/)[^/]+\/src\/.*\.ts$/,
    except: /\.test\.ts$|^packages\/linux\//,
    pattern: /\bprocess\.(?:env|argv|exit|stdout|stderr)\b|\bconsole\.(?:log|error|warn)\b/,
  },
];

const files = execFileSync("git", ["ls-files", "-z"], { cwd: ROOT, encoding: "utf8" })
  .split("\0")
  .filter(Boolean);
let problems = 0;
for (const file of files) {
  const rules = RULES.filter((rule) => rule.files.test(file) && rule.except?.test(file) !== true);
  if (rules.length === 0) continue;
  let text: string;
  try {
    text = readFileSync(join(ROOT, file), "utf8");
  } catch {
    continue; // removed, not yet committed
  }
  for (const rule of rules) {
    const found = rule.pattern.exec(text);
    if (found === null) continue;
    const line = text.slice(0, found.index).split("\n").length;
    console.error(`${file}:${line}: ${rule.about}: ${found[0]}`);
    problems++;
  }
}
process.exitCode = problems === 0 ? 0 : 1;
