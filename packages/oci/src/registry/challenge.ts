// WWW-Authenticate (RFC 9110, 11.6.1): challenges of a scheme and parameters. One header line may have several, which
// containers/image does not split; a malformed tail ends the list, and what was read stays.

export interface Challenge {
  /** Lower case: `basic`, `bearer`. */
  readonly scheme: string;
  /** Names in lower case. */
  readonly parameters: ReadonlyMap<string, string>;
}

const TOKEN = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y;

/** The challenges of all header lines, in order. */
export function parseChallenges(lines: readonly string[]): Challenge[] {
  return lines.flatMap((line) => [...challengesOf(line.slice(0, 8192))]);
}

function* challengesOf(line: string): Generator<Challenge> {
  let at = 0;
  const skip = (characters: string): void => {
    while (at < line.length && characters.includes(line[at] as string)) at++;
  };
  const token = (): string => {
    TOKEN.lastIndex = at;
    const found = TOKEN.exec(line)?.[0] ?? "";
    at += found.length;
    return found;
  };
  while (at < line.length) {
    skip(" \t,");
    const scheme = token().toLowerCase();
    if (scheme === "") return;
    const parameters = new Map<string, string>();
    let broken = false;
    for (;;) {
      const before = at;
      skip(" \t,");
      const name = token().toLowerCase();
      skip(" \t");
      if (name === "" || line[at] !== "=") {
        // A word without a value is the scheme of the next challenge.
        broken = name === "" && at < line.length;
        at = before;
        break;
      }
      at++;
      skip(" \t");
      const value = line[at] === '"' ? quoted() : token();
      if (value === undefined || value === "") {
        broken = true;
        break;
      }
      parameters.set(name, value);
    }
    yield { scheme, parameters };
    if (broken) return;
  }

  function quoted(): string | undefined {
    let value = "";
    for (at++; at < line.length; at++) {
      const character = line[at] as string;
      if (character === '"') {
        at++;
        return value;
      }
      if (character === "\\" && at + 1 < line.length) value += line[++at];
      else value += character;
    }
    return undefined;
  }
}
