// The order of versions in the C library, by which ostree sorts its boot entries.

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
