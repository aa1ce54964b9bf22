// Makes of the program and all packages under it what is published and run by its name: `apps/cli/bundle`.
//
// Most runs of the program are short, and a third of their time went into finding and linking some 200 modules. The
// bundle is CommonJS for the same reason: Node's own modules are then loaded when they are first used, and some of
// them (crypto, streams) cost as much as all of ours. Libraries of others stay outside, as dependencies.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import { join } from "node:path";

import { type Plugin, rolldown } from "rolldown";

import { readJson, ROOT, type Manifest } from "./workspace.ts";

const CLI = join(ROOT, "apps/cli");
const OUT = join(CLI, "bundle");

const dependencies = Object.keys(readJson<Manifest>(join(CLI, "package.json")).dependencies ?? {});

function isOutside(id: string): boolean {
  if (isBuiltin(id)) return true;
  // The last are helpers that the bundler itself brings.
  if (/^(?:[./]|@bootc-store\/|@oxc-project\/runtime\/)/.test(id)) return false;
  const name = id
    .split("/")
    .slice(0, id.startsWith("@") ? 2 : 1)
    .join("/");
  // An optional peer is imported where it is used, and its absence is told there.
  if (!dependencies.includes(name) && name !== "openpgp")
    throw new Error(`${id} is imported, but is no dependency of the program`);
  return true;
}

/**
 * `let node_fs = require("node:fs")`, and likewise for the bundle's own pieces, becomes an object of getters, each of
 * which loads the module when it is first read. Our modules do nothing but define, so it does not matter when.
 */
const lazyRequires: Plugin = {
  name: "lazy-requires",
  renderChunk(code) {
    const lazy = code.replaceAll(
      /^(?:let|const|var) ([\w$]+) = require\("([^"]+)"\);$/gm,
      (statement, local: string, id: string) => {
        if (!isBuiltin(id) && !id.startsWith("./")) return statement;
        const uses = [
          ...code.matchAll(
            new RegExp(
              String.raw`(?<![\w$]|(?<!\.\.)\.)${local.replaceAll("$", "\\$")}(?![\w$])(?:\.(\w+))?`,
              "g",
            ),
          ),
        ];
        // As a name of its own, also behind a spread's three dots. Declared once and otherwise only read by name, or it stays as it is.
        if (uses.filter((use) => use[1] === undefined).length !== 1) return statement;
        const names = new Set(uses.flatMap((use) => use[1] ?? []));
        return `const ${local} = $lazily(() => require("${id}"), "${[...names].join(" ")}");`;
      },
    );
    return lazy === code
      ? code
      : lazy.replace(/^(?:#!.*\n)?(?:"use strict";\n)?/, (head) => `${head}${LAZILY}\n`);
  },
};

/** In every piece, before all else. */
const LAZILY = `const $lazily = (load, names) => {
\tconst object = {};
\tfor (const name of names.split(" ")) Object.defineProperty(object, name, { configurable: true, get() {
\t\tconst value = load()[name];
\t\tObject.defineProperty(object, name, { value });
\t\treturn value;
\t} });
\treturn object;
};`;

/**
 * What a run reads that only looks something up in a repository, in two pieces; left alone, the bundler makes some twenty of
 * them, along with all that moves data, and finding and compiling these took longer than the work. What is not here is
 * loaded where it is first used, as ever; so a name too few only costs time.
 */
const START = {
  core: /^core\/src\/(?!index|codec\/(?!keyfile))|rolldown\/runtime|usingCtx/,
  linux:
    /^linux\/src\/(?:(?:constants|dir|dir-names|dir-open|errno|errors|failure|fd-stack|ffi|file|list|name|native-path|plain|record-locks|resolve|resolve-walk|signal|walk)|calls\/(?:directory|link|open|stat)|pool\/(?:inline|messages|pool|task))\.ts$/,
  cli: /^apps\/cli\/src\/drop-ins\.ts$|^backend\/src\/command\/exit-code\.ts$/,
} as const;
const OSTREE_START =
  /^ostree\/src\/(?:errors|format\/(?:checksum|mode)|repo\/(?:config|lock|ref-name|refs|repo)|read\/rev-parse|cli\/(?:arguments|command|commands|context|drop-in|failure))\.ts$/;

function isOf(...patterns: readonly RegExp[]): (id: string) => boolean {
  return (id) => {
    const path = id.replace(`${ROOT}/packages/`, "").replace(`${ROOT}/`, "");
    return patterns.some((pattern) => pattern.test(path));
  };
}

/** Tasks of workers are found by name; in one bundle their modules do not tell them apart. */
function taskNames(): Plugin {
  const seen = new Map<string, string>();
  return {
    name: "task-names",
    transform(code, id) {
      for (const match of code.matchAll(/defineTask\(\s*import\.meta\.url,\s*"(\w+)"/g)) {
        const name = match[1] as string;
        const other = seen.get(name);
        if (other !== undefined && other !== id)
          throw new Error(`${other} and ${id} both define a task "${name}"`);
        seen.set(name, id);
      }
      return null;
    },
  };
}

rmSync(OUT, { recursive: true, force: true });
mkdirSync(OUT);
const bundle = await rolldown({
  input: { main: join(CLI, "src/main.ts"), worker: join(ROOT, "packages/linux/src/pool/worker.ts") },
  platform: "node",
  // Nobody imports the entries.
  preserveEntrySignatures: "allow-extension",
  // What the oldest Node that is promised cannot read, such as `using`, is written otherwise.
  transform: { target: "node22" },
  external: isOutside,
  resolve: { conditionNames: ["@bootc-store/source", "node", "import", "default"] },
  plugins: [taskNames(), lazyRequires],
  onLog(level, log) {
    if (level === "warn") throw new Error(log.message);
  },
});
const { output } = await bundle.write({
  dir: OUT,
  format: "cjs",
  entryFileNames: "[name].js",
  chunkFileNames: "[name]-[hash].js",
  codeSplitting: {
    includeDependenciesRecursively: false,
    groups: [
      { name: "start", test: isOf(...Object.values(START)), priority: 2 },
      { name: "ostree-start", test: isOf(OSTREE_START), priority: 1 },
    ],
  },
  // Public names and what a person sees in a stack stay readable; only what costs time to read goes.
  comments: { legal: true, annotation: false, jsdoc: false },
});
await bundle.close();
writeFileSync(join(OUT, "package.json"), `${JSON.stringify({ type: "commonjs" })}\n`);
const main = readFileSync(join(OUT, "main.js"), "utf8");
if (!main.startsWith("#!")) throw new Error("the program's first line was lost");
console.log(
  `${output.length} files, ${output.reduce((sum, each) => sum + ("code" in each ? each.code.length : 0), 0)} characters`,
);
