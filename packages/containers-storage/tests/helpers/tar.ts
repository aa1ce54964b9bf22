// Tars made by hand, so that they can hold what no good program writes.

export interface TarInit {
  readonly name: string;
  readonly type?: string;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly mtime?: number;
  readonly link?: string;
  readonly content?: string | Uint8Array;
  readonly device?: readonly [major: number, minor: number];
  readonly pax?: Readonly<Record<string, string>>;
}

export function tar(entries: readonly TarInit[], options: { readonly end?: number } = {}): Buffer {
  return Buffer.concat([...entries.flatMap(entryBlocks), Buffer.alloc(options.end ?? 1024)]);
}

function entryBlocks(entry: TarInit): Buffer[] {
  const content = Buffer.from(entry.content ?? "");
  const blocks: Buffer[] = [];
  if (entry.pax !== undefined) {
    const records = Object.entries(entry.pax).map(([key, value]) => paxRecord(key, value));
    const body = Buffer.from(records.join(""), "latin1");
    blocks.push(header({ name: "pax", type: "x" }, body.length), padded(body));
  }
  blocks.push(header(entry, content.length), padded(content));
  return blocks;
}

function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return `${length}${rest}`;
}

function header(entry: TarInit, size: number): Buffer {
  const block = Buffer.alloc(512);
  const octal = (value: number, at: number, width: number): void => {
    block.write(`${value.toString(8).padStart(width - 1, "0")}\0`, at, "latin1");
  };
  block.write(entry.name, 0, 100, "latin1");
  octal(entry.mode ?? 0o644, 100, 8);
  octal(entry.uid ?? 0, 108, 8);
  octal(entry.gid ?? 0, 116, 8);
  octal(size, 124, 12);
  octal(entry.mtime ?? 1_700_000_000, 136, 12);
  block.write(" ".repeat(8), 148, "latin1");
  block.write(entry.type ?? "0", 156, "latin1");
  block.write(entry.link ?? "", 157, 100, "latin1");
  block.write("ustar\u000000", 257, "latin1");
  octal(entry.device?.[0] ?? 0, 329, 8);
  octal(entry.device?.[1] ?? 0, 337, 8);
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]);
}
