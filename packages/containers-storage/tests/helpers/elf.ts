// A program without a C library, made by hand: it writes a text to standard output and ends with 0.

import { machine } from "node:os";

const BASE = 0x400000;
const HEADERS = 64 + 56;

/** An ELF executable for this machine; `undefined` where we cannot make one. */
export function helloProgram(text: string): Buffer | undefined {
  const message = Buffer.from(text);
  const code = (at: number): Buffer | undefined =>
    machine() === "x86_64"
      ? x64(at, message.length)
      : machine() === "aarch64"
        ? arm64(at, message.length)
        : undefined;
  const size = code(0)?.length;
  if (size === undefined) return undefined;
  const entry = BASE + HEADERS;
  const body = Buffer.concat([code(entry + size) as Buffer, message]);
  const head = Buffer.alloc(HEADERS);
  head.write("\x7fELF\x02\x01\x01", 0, "latin1");
  head.writeUInt16LE(2, 16); // an executable
  head.writeUInt16LE(machine() === "x86_64" ? 62 : 183, 18);
  head.writeUInt32LE(1, 20);
  head.writeBigUInt64LE(BigInt(entry), 24);
  head.writeBigUInt64LE(64n, 32); // program headers
  head.writeUInt16LE(64, 52);
  head.writeUInt16LE(56, 54);
  head.writeUInt16LE(1, 56);
  head.writeUInt32LE(1, 64); // to be loaded
  head.writeUInt32LE(5, 68); // read, execute
  head.writeBigUInt64LE(BigInt(BASE), 80);
  head.writeBigUInt64LE(BigInt(BASE), 88);
  head.writeBigUInt64LE(BigInt(HEADERS + body.length), 96);
  head.writeBigUInt64LE(BigInt(HEADERS + body.length), 104);
  head.writeBigUInt64LE(0x1000n, 112);
  return Buffer.concat([head, body]);
}

/** write(1, text, length); exit(0) */
function x64(text: number, length: number): Buffer {
  const code = Buffer.from("b801000000bf01000000be00000000ba000000000f05b83c00000031ff0f05", "hex");
  code.writeUInt32LE(text, 11);
  code.writeUInt32LE(length, 16);
  return code;
}

function arm64(text: number, length: number): Buffer {
  const move = (register: number, value: number): number[] => [
    0xd2800000 | ((value & 0xffff) << 5) | register,
    0xf2a00000 | (((value >>> 16) & 0xffff) << 5) | register,
  ];
  const words = [
    ...move(0, 1),
    ...move(1, text),
    ...move(2, length),
    ...move(8, 64),
    0xd4000001,
    ...move(0, 0),
    ...move(8, 93),
    0xd4000001,
  ];
  const code = Buffer.alloc(words.length * 4);
  for (const [at, word] of words.entries()) code.writeUInt32LE(word >>> 0, at * 4);
  return code;
}
