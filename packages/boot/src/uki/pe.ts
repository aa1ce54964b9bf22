// Sections of a UKI, which is a PE image: kernel, initramfs, command line and the rest are sections of their own.
// Microsoft, "PE Format". Only the headers are read; a section's bytes are read when asked for.

import { byteString, textOf } from "@bootc-store/core";
import { any, bytesField, equals, field, struct, u16le, u32le } from "@bootc-store/core/codec";

import { bootErrors } from "../errors.ts";

/** Random access to a file that nobody vouches for. Reads fewer bytes only at the end. */
export interface ByteSource {
  readonly size: number;
  read(offset: number, size: number): Uint8Array;
}

export interface PeSection {
  readonly name: string;
  /** Where its bytes lie in the file. */
  readonly offset: number;
  /** Bytes that count: the size in memory where that is smaller than what the file holds, which is padded. */
  readonly size: number;
}

/** A UKI has a dozen sections; 96 is what Windows takes. */
const MOST_SECTIONS = 96;

/** More than any initramfs. */
const MOST_BYTES = 4 * 1024 ** 3;

const DOS_HEADER_SIZE = 64;
const PE_OFFSET_AT = 0x3c;

const coffHeader = struct("PE file header", 24, [
  field("signature", 0, u32le, equals(0x00004550), "PE and two NULs"),
  field("machine", 4, u16le, any, "kind of processor"),
  field("sections", 6, u16le, any, "number of sections"),
  field("timestamp", 8, u32le, any, "when it was linked"),
  field("symbols", 12, u32le, any, "offset of symbols, 0"),
  field("symbolCount", 16, u32le, any, "number of symbols, 0"),
  field("optionalHeaderSize", 20, u16le, any, "bytes before the section headers"),
  field("characteristics", 22, u16le, any, "flags"),
]);

const sectionHeader = struct("PE section header", 40, [
  field("name", 0, bytesField(8), any, "ends at the first NUL"),
  field("virtualSize", 8, u32le, any, "bytes in memory"),
  field("virtualAddress", 12, u32le, any, "address in memory"),
  field("rawSize", 16, u32le, any, "bytes in the file"),
  field("rawOffset", 20, u32le, any, "offset in the file"),
  field("relocations", 24, u32le, any, "offset of relocations"),
  field("lines", 28, u32le, any, "offset of line numbers"),
  field("relocationCount", 32, u16le, any, "number of relocations"),
  field("lineCount", 34, u16le, any, "number of line numbers"),
  field("characteristics", 36, u32le, any, "flags"),
]);

/** Sections in their order. Throws `boot/uki-invalid`. */
export function readPeSections(file: ByteSource): PeSection[] {
  const dos = exactly(file, 0, DOS_HEADER_SIZE, "DOS header");
  if (dos[0] !== 0x4d || dos[1] !== 0x5a) throw invalid("it does not begin with MZ");
  const start = new DataView(dos.buffer, dos.byteOffset).getUint32(PE_OFFSET_AT, true);
  const header = decode(() =>
    coffHeader.decode(exactly(file, start, coffHeader.size, "file header"), 0, start),
  );
  if (header.sections > MOST_SECTIONS) throw invalid(`it has ${header.sections} sections`);
  const table = start + coffHeader.size + header.optionalHeaderSize;
  const bytes = exactly(file, table, header.sections * sectionHeader.size, "section headers");
  const sections: PeSection[] = [];
  for (let index = 0; index < header.sections; index++) {
    const section = sectionHeader.decode(bytes, index * sectionHeader.size, table);
    const nul = section.name.indexOf(0);
    const name = byteString(nul < 0 ? section.name : section.name.subarray(0, nul));
    const size = section.virtualSize === 0 ? section.rawSize : Math.min(section.virtualSize, section.rawSize);
    if (section.rawSize > 0 && section.rawOffset + section.rawSize > file.size) {
      throw invalid(`section ${name} lies outside of the file`);
    }
    sections.push({ name, offset: section.rawOffset, size });
  }
  return sections;
}

/** A section's bytes, at most `limit`; `undefined` if there is none of that name. The first one counts. */
export function readUkiSection(file: ByteSource, name: string, limit = MOST_BYTES): Uint8Array | undefined {
  const section = readPeSections(file).find((each) => each.name === name);
  if (section === undefined) return undefined;
  if (section.size > limit)
    throw bootErrors.error("limit-exceeded", `section ${name} has ${section.size} bytes`);
  return exactly(file, section.offset, section.size, name);
}

/** A section as text, without NULs at its end: `.cmdline`, `.osrel`, `.uname`. */
export function readUkiText(file: ByteSource, name: string): string | undefined {
  const bytes = readUkiSection(file, name, 1 << 20);
  if (bytes === undefined) return undefined;
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end--;
  const text = textOf(byteString(bytes.subarray(0, end)));
  if (text === undefined) throw invalid(`section ${name} is not UTF-8 text`);
  return text;
}

function exactly(file: ByteSource, offset: number, size: number, what: string): Uint8Array {
  if (offset + size > file.size) throw invalid(`its ${what} lies outside of the file`);
  const bytes = file.read(offset, size);
  if (bytes.length !== size) throw invalid(`its ${what} could not be read whole`);
  return bytes;
}

function decode<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw bootErrors.error("uki-invalid", "this is no PE image", { cause: error });
  }
}

function invalid(problem: string): Error {
  return bootErrors.error("uki-invalid", `this is no PE image that can be read: ${problem}`);
}
