/** How content is stored. The config's `archive-z2` is `archive` here. */
export type RepoMode = "bare" | "bare-user" | "bare-user-only" | "bare-split-xattrs" | "archive";

const WORDS: { readonly [word: string]: RepoMode } = {
  bare: "bare",
  "bare-user": "bare-user",
  "bare-user-only": "bare-user-only",
  "bare-split-xattrs": "bare-split-xattrs",
  archive: "archive",
  "archive-z2": "archive",
};

export function parseMode(word: string): RepoMode | undefined {
  return Object.hasOwn(WORDS, word) ? WORDS[word] : undefined;
}

/** The word that ostree writes into a config and a summary. */
export function printMode(mode: RepoMode): string {
  return mode === "archive" ? "archive-z2" : mode;
}
