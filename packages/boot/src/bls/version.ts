// Comparing versions as the UAPI group's specification says, by which boot loaders order entries.
// https://uapi-group.org/specifications/specs/version_format_specification/

const SEPARATORS = ["~", "-", "^", "."] as const;

/** Negative, zero or positive. `~` is lowest, then the end, then `-`, `^`, `.`; digits compare as numbers. */
export function compareVersions(a: string, b: string): number {
  let left = a;
  let right = b;
  for (;;) {
    left = left.replace(/^[^A-Za-z0-9~\-^.]+/, "");
    right = right.replace(/^[^A-Za-z0-9~\-^.]+/, "");
    // A tilde is lower than the end of the version.
    if (left.startsWith("~") || right.startsWith("~")) {
      if (!left.startsWith("~")) return 1;
      if (!right.startsWith("~")) return -1;
      left = left.slice(1);
      right = right.slice(1);
      continue;
    }
    if (left === "" || right === "") return left === right ? 0 : left === "" ? -1 : 1;
    const separator = SEPARATORS.slice(1).find((each) => left.startsWith(each) || right.startsWith(each));
    if (separator !== undefined) {
      if (!left.startsWith(separator)) return 1;
      if (!right.startsWith(separator)) return -1;
      left = left.slice(1);
      right = right.slice(1);
      continue;
    }
    const numbers = /^[0-9]/.test(left) || /^[0-9]/.test(right);
    const [one = ""] = (numbers ? /^[0-9]*/ : /^[A-Za-z]*/).exec(left) ?? [];
    const [two = ""] = (numbers ? /^[0-9]*/ : /^[A-Za-z]*/).exec(right) ?? [];
    const order = numbers ? compareNumbers(one, two) : compareLetters(one, two);
    if (order !== 0) return order;
    left = left.slice(one.length);
    right = right.slice(two.length);
  }
}

/** Digits of any length, without turning them into numbers. No digits at all are lower than some. */
function compareNumbers(a: string, b: string): number {
  if (a === "" || b === "") return a.length - b.length;
  const one = a.replace(/^0+/, "");
  const two = b.replace(/^0+/, "");
  if (one.length !== two.length) return one.length - two.length;
  return one < two ? -1 : one > two ? 1 : 0;
}

/** Capitals before small letters, as in ASCII. */
function compareLetters(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
