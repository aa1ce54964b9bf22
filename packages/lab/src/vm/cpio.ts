/** One entry of an initramfs. */
export interface CpioEntry {
  /** Relative, without a leading slash. */
  name: string;
  /** File type and permissions, such as 0o100755. */
  mode: number;
  content?: Uint8Array;
}

/** An archive of the "newc" form (kernel: Documentation/driver-api/early-userspace/buffer-format.rst). */
export function cpio(entries: readonly CpioEntry[]): Buffer {
  const parts: Buffer[] = [];
  let length = 0;
  const put = (bytes: Buffer): void => {
    parts.push(bytes);
    length += bytes.length;
    const pad = (4 - (length % 4)) % 4;
    parts.push(Buffer.alloc(pad));
    length += pad;
  };
  const hex = (value: number): string => value.toString(16).toUpperCase().padStart(8, "0");
  const all: CpioEntry[] = [...entries, { name: "TRAILER!!!", mode: 0 }];
  for (const [index, { name, mode, content }] of all.entries()) {
    const path = Buffer.from(`${name}\0`);
    const size = content?.length ?? 0;
    // inode, mode, uid, gid, links, mtime, size, device major and minor, special major and minor, name size, checksum
    const fields = [index + 1, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, path.length, 0];
    put(Buffer.concat([Buffer.from(`070701${fields.map(hex).join("")}`), path]));
    if (content) put(Buffer.from(content));
  }
  return Buffer.concat(parts);
}
