import { isStoreError } from "@bootc-store/core";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import { buildPe } from "../../tests/helpers/pe.ts";
import { byteSource, parseOsRelease, readPeSections, Uki } from "../index.ts";

const code = (wanted: string): unknown => expect.objectContaining({ code: wanted });
const IMAGE = buildPe([
  [".text", "code"],
  [".osrel", 'ID=lab\nPRETTY_NAME="Lab \\"OS\\""\n'],
  [".cmdline", "rw composefs=abc\n\0"],
  [".uname", "6.12.0"],
  [".linux", "kernel"],
  [".initrd", "initrd"],
  [".profile", "ID=second"],
  [".cmdline", "other"],
  [".splash", "only in the second profile"],
]);

describe("Uki", () => {
  test("gives texts and bytes of the base profile", async () => {
    const uki = await Uki.open(IMAGE);
    expect(uki.machine).toBe(0x8664);
    expect(uki.sections).toHaveLength(9);
    expect(await uki.commandLine()).toBe("rw composefs=abc");
    expect(await uki.uname()).toBe("6.12.0");
    expect(parseOsRelease((await uki.osRelease()) ?? "")).toEqual(
      new Map([
        ["ID", "lab"],
        ["PRETTY_NAME", 'Lab "OS"'],
      ]),
    );
    expect(Buffer.from((await uki.bytes(".linux")) ?? []).toString()).toBe("kernel");
    expect(await uki.bytes(".splash")).toBeUndefined();
    expect(uki.isAddon).toBe(false);
  });

  test("knows an add-on", async () => {
    expect((await Uki.open(buildPe([[".cmdline", "x"]]))).isAddon).toBe(true);
  });

  test("reads no more than headers and the section asked for", async () => {
    const source = byteSource(IMAGE);
    const ranges: number[] = [];
    const uki = await Uki.open({
      size: source.size,
      read: (offset, length) => (ranges.push(length), source.read(offset, length)),
    });
    await uki.uname();
    expect(Math.max(...ranges)).toBeLessThan(500);
  });

  test("refuses texts that are none", async () => {
    await expect((await Uki.open(buildPe([[".uname", "\xff\xfe"]]))).uname()).rejects.toThrow(
      code("boot/uki-invalid"),
    );
    await expect((await Uki.open(buildPe([[".uname", "x".repeat(2 << 20)]]))).uname()).rejects.toThrow(
      code("boot/uki-invalid"),
    );
  });

  test.each<[string, Uint8Array]>([
    ["nothing", new Uint8Array(0)],
    ["text", Buffer.from("#!/bin/sh\n".repeat(20))],
    ["a cut file", IMAGE.slice(0, 300)],
    ["too many sections", edited(0x80 + 6, 0xff)],
    ["a header outside of the file", edited(0x3e, 0x7f)],
    ["another magic", edited(0x80, 0)],
  ])("refuses %s", async (_, bytes) => {
    await expect(Uki.open(bytes)).rejects.toThrow(code("boot/pe-invalid"));
  });

  test("survives any change of bytes with an error of its own or a value within the file", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(700), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        async (edits) => {
          const bytes = IMAGE.slice();
          for (const [at, value] of edits) if (at < bytes.length) bytes[at] = value;
          try {
            const { sections } = await readPeSections(byteSource(bytes));
            for (const { offset, size } of sections)
              expect(size === 0 || offset + size <= bytes.length).toBe(true);
            const uki = await Uki.open(bytes);
            await Promise.all([uki.commandLine(), uki.osRelease(), uki.uname()]);
          } catch (error) {
            if (!isStoreError(error, "boot/pe-invalid", "boot/uki-invalid")) throw error;
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});

function edited(at: number, value: number): Uint8Array {
  const bytes = IMAGE.slice();
  bytes[at] = value;
  return bytes;
}
