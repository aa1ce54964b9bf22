import type { File } from "@bootc-store/linux";

import { composefsErrors } from "../errors.ts";
import type { Repository } from "../repository/repository.ts";
import { readSplitstream, type Splitstream } from "../splitstream/reader.ts";
import type { SplitstreamWriter } from "../splitstream/writer.ts";
import { readObjectLink, writeObjectLink } from "./links.ts";

/** A stream of the repository, open. Dispose of it to close its file. */
export interface OpenStream extends Disposable {
  readonly name: string;
  /** The digest of the splitstream itself. */
  readonly id: string;
  readonly file: File;
  readonly tables: Splitstream;
}

/** The id of a stream, or `undefined` if there is none of that name. */
export function streamId(repository: Repository, name: string): string | undefined {
  return readObjectLink(repository, "streams", name);
}

/** Throws `composefs/stream-missing`, and what is wrong with it. */
export async function openStream(repository: Repository, name: string): Promise<OpenStream> {
  const id = streamId(repository, name);
  if (id === undefined) {
    throw composefsErrors.error("stream-missing", `there is no stream ${name}`, {
      context: { path: `streams/${name}` },
    });
  }
  return await openStreamObject(repository, name, id);
}

/** Opens a splitstream by its digest; `name` is for messages. */
export async function openStreamObject(
  repository: Repository,
  name: string,
  id: string,
): Promise<OpenStream> {
  const file = repository.objects.open(id);
  try {
    const tables = await readSplitstream(file, repository.limits);
    if (tables.algorithm !== repository.algorithm) {
      throw composefsErrors.error(
        "stream-invalid",
        `stream ${name} is of another algorithm than the repository`,
      );
    }
    return { name, id, file, tables, [Symbol.dispose]: () => file[Symbol.dispose]() };
  } catch (error) {
    file[Symbol.dispose]();
    throw error;
  }
}

/** Stores a stream and gives it its name: its objects are on the disk before, and it is before its name. */
export async function storeStream(
  repository: Repository,
  name: string,
  writer: SplitstreamWriter,
): Promise<string> {
  const { id } = repository.objects.put(await writer.finish());
  repository.flush();
  writeObjectLink(repository, "streams", name, id);
  return id;
}
