// Looking at a root that nobody vouches for. Whatever cannot be read becomes a finding, and the looking goes on.

import {
  type BackendKind,
  byteString,
  type ByteString,
  displayName,
  type Finding,
  renderError,
  StoreError,
  textOf,
  utf8,
} from "@bootc-store/core";
import type { Dir, DirEntry } from "@bootc-store/linux";

/** Nothing that describes a store is larger; a guard against a file made to fill memory. */
const MOST_BYTES = 64 << 20;

/** More names than this are counted, not listed. */
const MOST_ENTRIES = 1_000_000;

export class Probe {
  readonly findings: Finding[] = [];
  readonly root: Dir;

  constructor(root: Dir) {
    this.root = root;
  }

  add(finding: Omit<Finding, "repair"> & Partial<Pick<Finding, "repair">>): void {
    this.findings.push({ repair: "none", ...finding });
  }

  /** The result of `work`, or `undefined` and a finding if it throws an error of ours. */
  attempt<T>(path: string, backend: BackendKind | undefined, work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof StoreError) || error.kind === "bug") throw error;
      this.add({
        code: "storage/place-unreadable",
        severity: "error",
        subject: { ...(backend === undefined ? {} : { backend }), kind: "place", id: path, path },
        message: renderError(error),
      });
      return undefined;
    }
  }

  /** A directory below the root; `undefined`, with a finding if something else is there. */
  dir(path: string, backend: BackendKind | undefined, options: { follow?: boolean } = {}): Dir | undefined {
    return this.attempt(path, backend, () =>
      this.root.openDirOptional(utf8(path), { resolution: options.follow === true ? "inRoot" : "strict" }),
    );
  }

  list(dir: Dir | undefined, path: string, backend: BackendKind | undefined): DirEntry[] {
    if (dir === undefined) return [];
    return this.attempt(path, backend, () => dir.list({ limit: MOST_ENTRIES })) ?? [];
  }

  /** Text of a file below `dir`; a file that is no UTF-8 is a finding. `path` is for messages. */
  text(dir: Dir, name: ByteString, path: string, backend: BackendKind | undefined): string | undefined {
    const bytes = this.attempt(path, backend, () => dir.readFileOptional(name, { limit: MOST_BYTES }));
    if (bytes === undefined) return undefined;
    const text = textOf(byteString(bytes));
    if (text === undefined) {
      this.add({
        code: "storage/text-invalid",
        severity: "error",
        subject: { ...(backend === undefined ? {} : { backend }), kind: "file", id: path, path },
        message: `${path} is not UTF-8 text`,
      });
    }
    return text;
  }

  /** A JSON document below `dir`. */
  json(dir: Dir, name: ByteString, path: string, backend: BackendKind): unknown {
    const text = this.text(dir, name, path, backend);
    if (text === undefined) return undefined;
    try {
      return JSON.parse(text) as unknown;
    } catch (error) {
      this.add({
        code: "storage/json-invalid",
        severity: "error",
        subject: { backend, kind: "file", id: path, path },
        message: `${path} is not JSON: ${renderError(error)}`,
      });
      return undefined;
    }
  }
}

export function shown(name: ByteString): string {
  return displayName(name);
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function stringOf(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

export function stringsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((each) => typeof each === "string") : [];
}
