import { displayName, type ByteString, type StoreError } from "@bootc-store/core";
import { linuxErrors } from "./errors.ts";

/** One component that is a real name: not empty, `.` or `..`, without slash, NUL and non-bytes. */
// oxlint-disable-next-line no-control-regex -- NUL is what it must find
const SINGLE = /^(?!\.\.?$)[^\0/\u0100-\uffff]+$/;

const NAME_MAX = 255;

export function isSingleName(path: ByteString): boolean {
  return SINGLE.test(path);
}

/** Throws unless `name` is one component. For what must not be a path: new names, temporary names. */
export function checkName(name: ByteString): void {
  if (SINGLE.test(name)) {
    if (name.length > NAME_MAX) throw tooLong(name);
    return;
  }
  if (name.startsWith("/")) throw invalid("path-absolute", name, "starts with a slash");
  if (name.includes("/")) throw invalid("name-slash", name, "is a path, not a name");
  checkComponent(name, name);
}

export interface PathRules {
  /** Whether `..` may stand in the path; the resolution then keeps it inside. */
  readonly dotdot: boolean;
  /** Whether it may start with a slash, which then means the top of the directory. */
  readonly absolute: boolean;
}

const STRICT: PathRules = { dotdot: false, absolute: false };

/** Throws unless `path` is a relative path of real names; `rules` can allow `..` and a leading slash. */
export function checkPath(path: ByteString, rules: PathRules = STRICT): void {
  if (SINGLE.test(path)) {
    if (path.length > NAME_MAX) throw tooLong(path);
    return;
  }
  let rest: string = path;
  if (path.startsWith("/")) {
    if (!rules.absolute) throw invalid("path-absolute", path, "is absolute");
    rest = path.slice(1);
    if (rest === "") return;
  }
  for (const component of rest.split("/")) {
    if (component === ".." && rules.dotdot) continue;
    checkComponent(component as ByteString, path);
  }
}

function checkComponent(component: ByteString, whole: ByteString): void {
  if (component === "") throw invalid("name-empty", whole, "has an empty name in it");
  if (component === ".") throw invalid("name-dot", whole, "has `.` in it");
  if (component === "..") throw invalid("path-dotdot", whole, "has `..` in it");
  if (component.includes("\0")) throw invalid("name-nul", whole, "has a NUL byte in it");
  if (!SINGLE.test(component)) throw invalid("name-not-bytes", whole, "has characters that are not bytes");
  if (component.length > NAME_MAX) throw tooLong(whole);
}

function tooLong(whole: ByteString): StoreError {
  return invalid(
    "name-too-long",
    `${whole.slice(0, 64)}...` as ByteString,
    "has a name of more than 255 bytes",
  );
}

type NameProblem =
  | "name-empty"
  | "name-dot"
  | "name-slash"
  | "name-nul"
  | "name-not-bytes"
  | "name-too-long"
  | "path-absolute"
  | "path-dotdot";

function invalid(key: NameProblem, name: ByteString, problem: string): StoreError {
  const shown = /[^\0-\xff]/.test(name) ? name : displayName(name);
  return linuxErrors.error(key, `the name "${shown}" ${problem}`, { context: { path: shown } });
}
