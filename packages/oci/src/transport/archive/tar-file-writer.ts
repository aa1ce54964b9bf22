// A tar that is being written: members one after another, a header once its content's size is known. The file has no
// name until it is whole.

import type { ByteString } from "@bootc-store/core";
import type { Dir, File, SyncPolicy, TempFile } from "@bootc-store/linux";

import { BLOCK } from "../../tar/header.ts";
import { encodeTarEntry, TAR_END, tarPadding } from "../../tar/writer.ts";

export class TarFileWriter implements Disposable {
  readonly #temporary: TempFile;
  readonly #file: File;
  #at = 0;
  /** Members are written one at a time. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(dir: Dir) {
    this.#temporary = dir.tempFile();
    this.#file = this.#temporary.file;
  }

  /** Adds a member; after an error nothing of it is in the archive. Returns its size. */
  async add(name: ByteString, chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<number> {
    const turn = this.#last.then(() => this.#add(name, chunks));
    this.#last = turn.catch(() => undefined);
    return await turn;
  }

  async #add(name: ByteString, chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<number> {
    const start = this.#at + BLOCK;
    let size = 0;
    for await (const chunk of chunks) {
      this.#file.write(chunk, start + size);
      size += chunk.length;
    }
    // Names are short and sizes within what ustar has, but for contents of 8 GiB, whose size GNU's form can say.
    this.#file.write(encodeTarEntry({ type: "file", name, size, mode: 0o644 }, { format: "gnu" }), this.#at);
    this.#file.write(tarPadding(size), start + size);
    this.#at = start + size + tarPadding(size).length;
    return size;
  }

  /** Ends the tar and gives it its name, in place of a file that has it. */
  publish(name: ByteString, sync: SyncPolicy): void {
    this.#file.truncate(this.#at);
    this.#file.write(TAR_END, this.#at);
    this.#file.setMode(0o644);
    this.#temporary.publish(name, { existing: "replace", sync });
  }

  [Symbol.dispose](): void {
    this.#temporary[Symbol.dispose]();
  }
}
