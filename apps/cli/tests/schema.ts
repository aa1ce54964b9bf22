// The documented schemas, and whether a report keeps them.
import { readFileSync } from "node:fs";
import { join } from "node:path";

export interface Schema {
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Schema;
  readonly items?: Schema;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, Schema>>;
}

/** As much of JSON Schema as the documented schemas use. */
export function violations(schema: Schema, value: unknown, path: string, top: Schema): string[] {
  if (schema.$ref !== undefined) {
    const name = schema.$ref.replace("#/$defs/", "");
    return violations(top.$defs?.[name] ?? { enum: [] }, value, path, top);
  }
  if (schema.anyOf !== undefined) {
    const tries = schema.anyOf.map((each) => violations(each, value, path, top));
    return tries.some((each) => each.length === 0) ? [] : tries.flat();
  }
  if (schema.enum !== undefined && !schema.enum.includes(value))
    return [`${path}: ${JSON.stringify(value)} is none of the values`];
  const kind =
    value === null
      ? "null"
      : Array.isArray(value)
        ? "array"
        : Number.isInteger(value)
          ? "integer"
          : typeof value;
  const types = schema.type === undefined ? [kind] : [schema.type].flat();
  if (!types.includes(kind) && !(kind === "integer" && types.includes("number")))
    return [`${path}: is ${kind}`];
  if (Array.isArray(value))
    return value.flatMap((each, at) => violations(schema.items ?? {}, each, `${path}[${at}]`, top));
  if (kind !== "object") return [];
  const object = value as Record<string, unknown>;
  const missing = (schema.required ?? [])
    .filter((key) => !(key in object))
    .map((key) => `${path}.${key}: missing`);
  const rest = Object.entries(object).flatMap(([key, each]) => {
    const known = schema.properties?.[key];
    if (known !== undefined) return violations(known, each, `${path}.${key}`, top);
    return schema.additionalProperties === false ? [`${path}.${key}: unknown`] : [];
  });
  return [...missing, ...rest];
}

export function schemaOf(name: string): Schema {
  const path = join(import.meta.dirname, `../../../docs/schemas/${name}.json`);
  return JSON.parse(readFileSync(path, "utf8")) as Schema;
}
