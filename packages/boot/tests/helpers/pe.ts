/** A PE32+ executable of these sections, aligned to 512 bytes in the file, as `ukify` lays one out. */
export function buildPe(sections: readonly (readonly [name: string, content: string])[]): Uint8Array {
  const peOffset = 0x80;
  const optionalSize = 0xf0;
  const tableAt = peOffset + 24 + optionalSize;
  const align = (value: number, to: number): number => Math.ceil(value / to) * to;
  let at = align(tableAt + sections.length * 40, 512);
  let address = 0x1000;
  const placed = sections.map(([name, content]) => {
    const bytes = Buffer.from(content, "latin1");
    const place = { name, bytes, offset: at, address, rawSize: align(bytes.length, 512) };
    at += place.rawSize;
    address += align(bytes.length, 0x1000);
    return place;
  });
  const file = Buffer.alloc(at);
  file.write("MZ", 0, "latin1");
  file.writeUInt32LE(peOffset, 0x3c);
  file.write("PE\0\0", peOffset, "latin1");
  file.writeUInt16LE(0x8664, peOffset + 4);
  file.writeUInt16LE(sections.length, peOffset + 6);
  file.writeUInt16LE(optionalSize, peOffset + 20);
  file.writeUInt16LE(0x20b, peOffset + 24);
  for (const [index, { name, bytes, offset, address: virtual, rawSize }] of placed.entries()) {
    const row = tableAt + index * 40;
    file.write(name, row, "latin1");
    file.writeUInt32LE(bytes.length, row + 8);
    file.writeUInt32LE(virtual, row + 12);
    file.writeUInt32LE(rawSize, row + 16);
    file.writeUInt32LE(offset, row + 20);
    bytes.copy(file, offset);
  }
  return new Uint8Array(file);
}
