import { gvariant, printValue } from "../gvariant/index.ts";

/** The text of a value with the bytes of all its numbers turned round, as ostree shows what it has stored big endian. */
export function printSwapped(type: string, value: unknown): string {
  const codec = gvariant(type);
  const swapped = codec.decode(codec.encode(value), { byteOrder: "big" });
  return printValue(type, swapped);
}
