import { concatBytes, fromHex, toHex } from "@bootc-store/core";

import { type Checksum, sha256 } from "../format/checksum.ts";
import { type Commit, COMMIT_TYPE, decodeCommit } from "../format/commit.ts";
import { formatSize } from "../format/size.ts";
import { type Dict, gvariant, lookupValue, lookupVariant, printValue } from "../gvariant/index.ts";
import { readSizes } from "../read/sizes.ts";
import { revParse } from "../read/rev-parse.ts";
import type { Repo } from "../repo/repo.ts";
import { command } from "./command.ts";
import type { Cli } from "./context.ts";
import { formatDate } from "./date.ts";
import { OstreeFailure } from "./failure.ts";
import { printSwapped } from "./swap-variant.ts";

const DICT = gvariant("a{sv}");

export const show = command({
  name: "show",
  usage: "OBJECT",
  options: {
    "print-related": { kind: "flag" },
    "print-variant-type": { kind: "value" },
    "list-metadata-keys": { kind: "flag" },
    "print-metadata-key": { kind: "value" },
    "print-hex": { kind: "flag" },
    "list-detached-metadata-keys": { kind: "flag" },
    "print-detached-metadata-key": { kind: "value" },
    "print-sizes": { kind: "flag" },
    raw: { kind: "flag" },
    "no-byteswap": { kind: "flag", short: "B" },
    "gpg-homedir": { kind: "value" },
    "gpg-verify-remote": { kind: "value" },
  },
  async run(cli, options, args) {
    const [object] = args;
    if (object === undefined) throw new OstreeFailure("An object argument is required", true);
    const print = options["no-byteswap"]
      ? (type: string, value: unknown) => printValue(type, value)
      : printSwapped;
    const variantType = options["print-variant-type"];
    if (variantType !== undefined) {
      using file = cli.openFile(object);
      await cli.line(print(variantType, gvariant(variantType).decode(file.readAll())));
      return;
    }
    using repo = cli.openRepo(options.repo);
    const checksum = revParse(repo, object);
    const commit = (): Commit => repo.readCommit(checksum);
    const key = options["print-metadata-key"];
    if (key !== undefined) {
      await printKey(cli, commit().metadata, key, options["print-hex"], print);
    } else if (options["list-metadata-keys"]) {
      for (const name of keys(commit().metadata)) await cli.line(name);
    } else if (options["list-detached-metadata-keys"]) {
      for (const name of keys(detached(repo, checksum))) await cli.line(name);
    } else if (options["print-detached-metadata-key"] !== undefined) {
      await printKey(
        cli,
        detached(repo, checksum),
        options["print-detached-metadata-key"],
        options["print-hex"],
        print,
      );
    } else if (options["print-sizes"]) await printSizes(cli, repo, commit().metadata);
    else if (options["print-related"]) {
      // Nothing writes related objects, so there is nothing to print.
      commit();
    } else await showObject(cli, repo, checksum, options.raw ? print : undefined, options["no-byteswap"]);
  },
});

function detached(repo: Repo, commit: Checksum): Dict {
  const bytes = repo.reader.readMetadataOptional(commit, "commitmeta");
  if (bytes === undefined) throw new OstreeFailure(`No detached metadata for commit ${commit}`);
  return bytes.length === 0 ? [] : DICT.decode(bytes, { format: `${commit}.commitmeta` });
}

function keys(dict: Dict): string[] {
  return [...new Set(dict.map(([key]) => key))].sort((a, b) =>
    Buffer.compare(Buffer.from(a), Buffer.from(b)),
  );
}

async function printKey(
  cli: Cli,
  dict: Dict,
  key: string,
  hex: boolean,
  print: (type: string, value: unknown) => string,
): Promise<void> {
  const found = lookupVariant(dict, key);
  if (found === undefined) throw new OstreeFailure(`No such metadata key '${key}'`);
  if (!hex) return await cli.line(print(found.type, found.value));
  if (found.type !== "ay") throw new OstreeFailure("--print-hex requires a bytestring");
  return await cli.line(toHex(found.value as Uint8Array));
}

async function printSizes(cli: Cli, repo: Repo, metadata: Dict): Promise<void> {
  const sizes = lookupValue(metadata, "ostree.sizes", "aay");
  if (sizes === undefined) throw new OstreeFailure("No metadata key ostree.sizes in commit");
  const needed = { archived: 0, unpacked: 0, count: 0 };
  const total = { archived: 0, unpacked: 0, count: 0 };
  for (const { checksum, type, archived, unpacked } of readSizes(sizes)) {
    for (const sum of repo.reader.has(checksum, type) ? [total] : [total, needed]) {
      sum.archived += archived;
      sum.unpacked += unpacked;
      sum.count++;
    }
  }
  await cli.line(
    `Compressed size (needed/total): ${formatSize(needed.archived)}/${formatSize(total.archived)}`,
  );
  await cli.line(
    `Unpacked size (needed/total): ${formatSize(needed.unpacked)}/${formatSize(total.unpacked)}`,
  );
  await cli.line(`Number of objects (needed/total): ${needed.count}/${total.count}`);
}

const TYPES = { dirtree: "(a(say)a(sayay))", dirmeta: "(uuua(ayay))" } as const;

async function showObject(
  cli: Cli,
  repo: Repo,
  checksum: Checksum,
  print: ((type: string, value: unknown) => string) | undefined,
  both: boolean,
): Promise<void> {
  const bytes = repo.reader.readMetadataOptional(checksum, "commit");
  if (bytes !== undefined) return await showCommit(cli, repo, checksum, bytes, print, both);
  for (const type of ["dirtree", "dirmeta"] as const) {
    const other = repo.reader.readMetadataOptional(checksum, type);
    if (other === undefined) continue;
    await cli.line(`${type} ${checksum}`);
    if (print !== undefined) await cli.line(print(TYPES[type], gvariant(TYPES[type]).decode(other)));
    return;
  }
  if (!repo.reader.has(checksum, "file"))
    throw new OstreeFailure(`No such metadata object ${checksum}.commit`);
  await cli.line(`file ${checksum}`);
}

async function showCommit(
  cli: Cli,
  repo: Repo,
  checksum: Checksum,
  bytes: Uint8Array,
  print: ((type: string, value: unknown) => string) | undefined,
  both = false,
): Promise<void> {
  const commit = decodeCommit(bytes, `${checksum}.commit`);
  await cli.line(`commit ${checksum}`);
  if (print !== undefined) {
    await cli.line(print(COMMIT_TYPE, gvariant(COMMIT_TYPE).decode(bytes)));
    // Asked not to turn the bytes round, ostree goes on to the usual form.
    if (!both) return;
  }
  if (commit.parent !== undefined) await cli.line(`Parent:  ${commit.parent}`);
  await cli.line(`ContentChecksum:  ${sha256(concatBytes([fromHex(commit.tree), fromHex(commit.meta)]))}`);
  await cli.line(`Date:  ${formatDate(commit.timestamp)}`);
  const version = lookupValue(commit.metadata, "version", "s");
  if (version !== undefined) await cli.line(`Version: ${version}`);
  if (commit.subject === "") await cli.line("(no subject)");
  else {
    await cli.line("");
    await indented(cli, commit.subject);
  }
  await cli.line("");
  if (commit.body !== "") {
    await indented(cli, commit.body);
    await cli.line("");
  }
}

async function indented(cli: Cli, text: string): Promise<void> {
  for (const line of text.replace(/\n$/, "").split("\n")) await cli.line(`    ${line}`);
}

export const log = command({
  name: "log",
  usage: "REV",
  options: { raw: { kind: "flag" } },
  async run(cli, options, args) {
    using repo = cli.openRepo(options.repo);
    const [rev] = args;
    if (rev === undefined) throw new OstreeFailure("A rev argument is required", true);
    let checksum: Checksum | undefined = revParse(repo, rev);
    for (let first = true; checksum !== undefined; first = false) {
      const bytes = repo.reader.readMetadataOptional(checksum, "commit");
      if (bytes === undefined) {
        if (first) throw new OstreeFailure(`No such metadata object ${checksum}.commit`);
        await cli.line("<< History beyond this commit not fetched >>");
        return;
      }
      await showCommit(cli, repo, checksum, bytes, options.raw ? printSwapped : undefined);
      checksum = decodeCommit(bytes, `${checksum}.commit`).parent;
    }
  },
});
