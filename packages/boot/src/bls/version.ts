<<<<<<< HEAD
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
=======
// Two orders of version strings: the one of the UAPI group's Version Format Specification, by which systemd-boot and
// bootc sort, and the one of glibc's strverscmp, by which ostree sorts.

/**
 * Compares by the Version Format Specification (systemd's `strverscmp_improved`): negative if `a` is older. `~` is
 * lower than the end, then `-`, `^`, `.`, digits by their number, letters; other characters only separate.
 */
export function compareVersions(a: string, b: string): number {
  let [left, right] = [a, b];
  for (;;) {
    left = left.replace(SEPARATORS, "");
    right = right.replace(SEPARATORS, "");
    for (const mark of ["~", "", "-", "^", "."]) {
      const [inLeft, inRight] =
        mark === "" ? [left === "", right === ""] : [left.startsWith(mark), right.startsWith(mark)];
      if (!inLeft && !inRight) continue;
      if (inLeft !== inRight) return inLeft ? -1 : 1;
      if (mark === "") return 0;
      left = left.slice(1);
      right = right.slice(1);
      if (mark === "~") break;
    }
    const digits = DIGITS.test(left) || DIGITS.test(right);
    const run = digits ? /^[0-9]*/ : /^[A-Za-z]*/;
    const ours = run.exec(left)?.[0] ?? "";
    const theirs = run.exec(right)?.[0] ?? "";
    const order = digits ? compareNumbers(ours, theirs) : compareText(ours, theirs);
    if (order !== 0) return order;
    left = left.slice(ours.length);
    right = right.slice(theirs.length);
  }
}

const SEPARATORS = /^[^A-Za-z0-9~\-^.]+/;
const DIGITS = /^[0-9]/;

/** Runs of digits of any length; no digits at all are lower than any. */
function compareNumbers(a: string, b: string): number {
  if ((a === "") !== (b === "")) return a === "" ? -1 : 1;
  const [left, right] = [a.replace(/^0+/, ""), b.replace(/^0+/, "")];
  return left.length - right.length || compareText(left, right);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/**
 * Compares as strverscmp(3): the first difference decides, but where it is in a run of digits the runs are
 * compared as numbers, and runs that begin with zeros as fractions, so that `000` < `00` < `01` < `0` < `1`.
 */
export function compareStrverscmp(a: string, b: string): number {
  let at = 0;
  while (at < a.length && a[at] === b[at]) at++;
  if (at === a.length && at === b.length) return 0;
  let start = at;
  while (start > 0 && isDigit(a[start - 1])) start--;
  const common = a.slice(start, at);
  const plain = codeAt(a, at) - codeAt(b, at);
  const fraction = common === "" ? a[at] === "0" || b[at] === "0" : common.startsWith("0");
  if (!fraction) {
    if (!isDigit(a[at]) && !isDigit(b[at])) return plain;
    if (common === "" && !(isDigit(a[at]) && isDigit(b[at]))) return plain;
    const [left, right] = [digitsFrom(a, at), digitsFrom(b, at)];
    return left !== right ? left - right : plain;
  }
  // In a run of zeros a further digit makes the fraction smaller than anything else does.
  if (/^0+$/.test(common) && isDigit(a[at]) !== isDigit(b[at])) return isDigit(a[at]) ? -1 : 1;
  return plain;
}

function isDigit(character: string | undefined): boolean {
  return character !== undefined && character >= "0" && character <= "9";
}

function digitsFrom(text: string, from: number): number {
  let at = from;
  while (isDigit(text[at])) at++;
  return at - from;
}

function codeAt(text: string, at: number): number {
  return at < text.length ? text.charCodeAt(at) : 0;
}
>>>>>>> de921f2 (boot: entries, menus, command lines and unified kernel images)
