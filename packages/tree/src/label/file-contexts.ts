import { type ByteString, displayName } from "@bootc-store/core";

import { treeErrors } from "../errors.ts";
import type { InodeKind } from "../mode.ts";

/** One line of a `file_contexts` file. */
export interface ContextLine {
  /** The regular expression as it is written, without the anchors that it is meant to have. */
  readonly regex: ByteString;
  /** What kind of inode it is for; `undefined` for all. */
  readonly kind: InodeKind | undefined;
  /** The context, or `undefined` for `<<none>>`: no label. */
  readonly context: ByteString | undefined;
  /** From 1. */
  readonly line: number;
}

const KINDS: { readonly [specifier: string]: InodeKind } = {
  "--": "file",
  "-b": "block",
  "-c": "char",
  "-d": "directory",
  "-p": "fifo",
  "-l": "symlink",
  "-s": "socket",
};

/** The letter that stands for each kind of inode in these files. */
export const KIND_LETTERS: { readonly [K in InodeKind]: string } = Object.freeze({
  file: "-",
  block: "b",
  char: "c",
  directory: "d",
  fifo: "p",
  symlink: "l",
  socket: "s",
});

/**
 * A `file_contexts` file (selabel_file(5)): on each line a regular expression, perhaps a kind, and a context, with
 * white space between. Throws `tree/label-syntax`.
 *
 * @param name of the file, for errors
 * @param extra what becomes of a fourth word: libselinux does not look at it, composefs-rs takes it for an error
 */
export function parseFileContexts(
  text: ByteString,
  name: string,
  extra: "ignore" | "refuse" = "ignore",
): ContextLine[] {
  const lines: ContextLine[] = [];
  for (const { words, line } of wordLines(text)) {
    const [regex, second, third] = words as [ByteString, ByteString?, ByteString?];
    const isKind = third !== undefined || (second?.startsWith("-") ?? false);
    const context = isKind ? third : second;
    if (second === undefined || context === undefined) {
      throw treeErrors.error("label-syntax", `line ${line} of ${name} has no context`, {
        context: { path: name },
      });
    }
    const kind = isKind ? KINDS[second] : undefined;
    if (isKind && kind === undefined) {
      throw treeErrors.error(
        "label-syntax",
        `line ${line} of ${name} has no known kind: "${displayName(second)}"`,
        {
          context: { path: name },
        },
      );
    }
    if (extra === "refuse" && words.length > (isKind ? 3 : 2)) {
      throw treeErrors.error("label-syntax", `line ${line} of ${name} has too many words`, {
        context: { path: name },
      });
    }
    lines.push({ regex, kind, context: context === "<<none>>" ? undefined : context, line });
  }
  return lines;
}

/** One line of a `file_contexts.subs` or `.subs_dist` file: paths that are labelled as others. */
export interface Substitution {
  readonly alias: ByteString;
  readonly original: ByteString;
}

/**
 * A `file_contexts.subs` or `file_contexts.subs_dist` file. Lines of one word are passed over, or with `strict`
 * are errors like lines of more than two. Throws `tree/label-syntax`.
 */
export function parseSubstitutions(text: ByteString, name: string, strict = false): Substitution[] {
  const found: Substitution[] = [];
  for (const { words, line } of wordLines(text)) {
    const [alias, original] = words as [ByteString, ByteString?];
    if (strict && words.length !== 2) {
      throw treeErrors.error("label-syntax", `line ${line} of ${name} has not two paths`, {
        context: { path: name },
      });
    }
    if (original !== undefined) found.push({ alias, original });
  }
  return found;
}

/**
 * The name of the policy from `/etc/selinux/config`: the value of the first `SELINUXTYPE`, whatever its case;
 * `undefined` if there is none.
 */
export function parsePolicyName(text: ByteString): ByteString | undefined {
  for (const line of text.split("\n")) {
    const equals = line.indexOf("=");
    if (equals < 0 || line.slice(0, equals).trim().toUpperCase() !== "SELINUXTYPE") continue;
    return line.slice(equals + 1).trim() as ByteString;
  }
  return undefined;
}

/** The words of each line that is neither empty nor a comment. White space is what C's `isspace` takes. */
function* wordLines(
  text: ByteString,
): Generator<{ readonly words: readonly string[]; readonly line: number }> {
  for (const [at, line] of text.split("\n").entries()) {
    const words = line.split(/[ \t\v\f\r]+/).filter((word) => word !== "");
    if (words.length > 0 && !words[0]?.startsWith("#")) yield { words, line: at + 1 };
  }
}
