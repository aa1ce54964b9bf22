// A host's status as text for programs: canonical JSON, and YAML as Rust's serde_yaml writes it.

import { canonicalJson } from "@bootc-store/core";

import type { Host } from "./schema.ts";

type Value =
  | string
  | number
  | boolean
  | null
  | { readonly [key: string]: Value | undefined }
  | readonly Value[];

/** Without what is printed only where it is there. */
function valueOf(host: Host): Value {
  const { otherDeployments, ...rest } = host.status;
  const { staged, booted, rollback, ...last } = rest;
  const others = otherDeployments.length > 0 ? { otherDeployments } : {};
  return { ...host, status: { staged, booted, rollback, ...others, ...last } } as unknown as Value;
}

/** JSON with sorted keys and without blanks or a line's end. */
export function printHostJson(host: Host): string {
  return canonicalJson(valueOf(host));
}

export function printHostYaml(host: Host): string {
  return yaml(valueOf(host), "").join("");
}

function yaml(value: Value, indent: string): string[] {
  return entriesOf(value).flatMap(([key, each]) => {
    if (typeof each !== "object" || each === null) return [`${indent}${key}: ${scalar(each)}\n`];
    if (Array.isArray(each)) {
      return [
        `${indent}${key}:\n`,
        ...each.flatMap((item: Value) => {
          const [first = "", ...others] = yaml(item, `${indent}  `);
          return [`${indent}- ${first.slice(indent.length + 2)}`, ...others];
        }),
      ];
    }
    // The one variant with a value that the schema has is written as a tag.
    if (key === "signature") {
      const [[name, inner] = ["", ""]] = entriesOf(each);
      return [`${indent}${key}: !${name} ${scalar(inner as string)}\n`];
    }
    return [`${indent}${key}:\n`, ...yaml(each, `${indent}  `)];
  });
}

function entriesOf(value: Value): [string, Value][] {
  return Object.entries(value as object).filter((entry): entry is [string, Value] => entry[1] !== undefined);
}

function scalar(value: string | number | boolean | null): string {
  if (typeof value !== "string") return String(value);
  // oxlint-disable-next-line no-control-regex -- these are the ones that have to be escaped
  if (/[\u0000-\u001f\u007f-\u009f\u2028\u2029\ufeff]/.test(value)) return JSON.stringify(value);
  const plain = value !== "" && !UNPLAIN.test(value) && !OTHER_TYPE.test(value);
  return plain ? value : `'${value.replaceAll("'", "''")}'`;
}

/** What a plain scalar cannot begin with, hold or end with. */
const UNPLAIN = /^[\s,[\]{}#&*!|>'"%@`]|^[-?:](?:\s|$)|^(?:---|\.\.\.)|:(?:\s|$)|\s#|\s$/;

/** What a plain scalar would be read as something else than a text for. */
const OTHER_TYPE =
  /^(?:~|null|Null|NULL|true|True|TRUE|false|False|FALSE|[-+]?(?:\d+|0x[0-9A-Fa-f]+|0o[0-7]+|0b[01]+)|[-+]?(?:\.\d+|\d+\.?\d*)(?:[eE][-+]?\d+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/;
