import { readFileSync } from "node:fs";
import { join } from "node:path";

/** What was installed, written last: a directory without it is not trusted. */
export interface TreeRecord {
  /** Names the recipe: another list of packages or another way of making is another tree. */
  recipe: string;
  suite: string;
  architecture: string;
  /** ISO date. */
  madeAt: string;
  /** Version of each Debian package in the tree. */
  packages: Readonly<Record<string, string>>;
}

export interface CfsctlRecord {
  version: string;
  /** ISO date. */
  madeAt: string;
  /** What the program says of itself. */
  says: string;
}

const RECORD = "record.json";

export const recordPath = (directory: string): string => join(directory, RECORD);

/** The record of a directory as it was parsed, or undefined when there is none. We wrote it ourselves. */
export function readRecord(directory: string): unknown {
  let text: string;
  try {
    text = readFileSync(recordPath(directory), "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  return JSON.parse(text) as unknown;
}
