import type { Amount, ContentTally } from "./content.ts";

type How = keyof ContentTally;

/** Counts how content came to be where it is. */
export class TallyBuilder {
  readonly #counts: Record<How, { files: number; bytes: number }> = {
    reused: { files: 0, bytes: 0 },
    cloned: { files: 0, bytes: 0 },
    linked: { files: 0, bytes: 0 },
    copied: { files: 0, bytes: 0 },
  };

  add(how: How, bytes: number, files = 1): void {
    this.#counts[how].files += files;
    this.#counts[how].bytes += bytes;
  }

  addAll(tally: ContentTally): void {
    for (const how of Object.keys(this.#counts) as How[]) this.add(how, tally[how].bytes, tally[how].files);
  }

  /** What was counted so far; later counting does not change it. */
  tally(): ContentTally {
    const amount = (how: How): Amount => ({ ...this.#counts[how] });
    return {
      reused: amount("reused"),
      cloned: amount("cloned"),
      linked: amount("linked"),
      copied: amount("copied"),
    };
  }
}
