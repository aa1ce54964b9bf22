import { ostreeErrors } from "../errors.ts";

// Of most names all letters are ASCII, and to make a pattern of all letters that there are takes a millisecond.
const PLAIN_REF = /^\w[-.\w]*(?:\/\w[-.\w]*)*$/;
const REF = /^[\p{L}\p{N}_][-.\p{L}\p{N}_]*(?:\/[\p{L}\p{N}_][-.\p{L}\p{N}_]*)*$/u;
const ELEMENT = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Fragments of letters, digits, `_`, and after the first of them `-` and `.`, joined by slashes. */
export function isRefName(text: string): boolean {
  return PLAIN_REF.test(text) || REF.test(text);
}

/** Throws `ostree/ref-invalid`. */
export function checkRefName(text: string): string {
  if (isRefName(text)) return text;
  throw ostreeErrors.error("ref-invalid", `Invalid ref name ${text.slice(0, 200)}`, {
    context: { ref: text.slice(0, 200) },
  });
}

export function isRemoteName(text: string): boolean {
  return !text.includes("/") && isRefName(text);
}

/** Throws `ostree/ref-invalid`. */
export function checkRemoteName(text: string): string {
  if (isRemoteName(text)) return text;
  throw ostreeErrors.error("ref-invalid", `Invalid remote name ${text.slice(0, 200)}`);
}

/** Two or more names joined by dots, as D-Bus names interfaces; at most 255 characters. */
export function isCollectionId(text: string): boolean {
  const elements = text.split(".");
  return text.length <= 255 && elements.length >= 2 && elements.every((each) => ELEMENT.test(each));
}

/** Throws `ostree/ref-invalid`. */
export function checkCollectionId(text: string): string {
  if (isCollectionId(text)) return text;
  throw ostreeErrors.error("ref-invalid", `Invalid collection ID ${text.slice(0, 300)}`);
}

/** `REMOTE:REF` or `REF`. */
export interface Refspec {
  readonly remote: string | undefined;
  readonly ref: string;
}

/** Throws `ostree/ref-invalid`. */
export function parseRefspec(text: string): Refspec {
  const colon = text.indexOf(":");
  const remote = colon < 0 ? undefined : text.slice(0, colon);
  const ref = text.slice(colon + 1);
  if ((remote !== undefined && !isRemoteName(remote)) || !isRefName(ref)) {
    throw ostreeErrors.error("ref-invalid", `Invalid refspec ${text.slice(0, 200)}`, {
      context: { ref: text.slice(0, 200) },
    });
  }
  return { remote, ref };
}

export function printRefspec(refspec: Refspec): string {
  return refspec.remote === undefined ? refspec.ref : `${refspec.remote}:${refspec.ref}`;
}
