// Streams by name: `cat`, and how one that is not there is told of.

import { isStoreError } from "@bootc-store/core";

import { ObjectStore } from "../../objects/store.ts";
import type { Repository } from "../../repository/repository.ts";
import { readPieces } from "../../splitstream/reader.ts";
import { readRef, readObjectLink } from "../../streams/links.ts";
import { openStreamObject, type OpenStream } from "../../streams/store.ts";
import { fail, Failure, messagesOf, within } from "./chain.ts";
import type { Command, Run } from "./run.ts";

const NOT_FOUND = "No such file or directory (os error 2)";

/** Opens a stream by name, or by `refs/` and a name. */
export async function openNamed(repository: Repository, name: string): Promise<OpenStream> {
  const entry = name.startsWith("refs/") ? readRef(repository, "streams", name.slice("refs/".length)) : name;
  const id =
    entry === undefined || entry.includes("/") ? undefined : readObjectLink(repository, "streams", entry);
  if (id === undefined || !repository.objects.has(id)) {
    throw fail(`Opening stream '${name}'`, `Opening ref 'streams/${name}'`, NOT_FOUND);
  }
  return await openObject(repository, name, id);
}

/** Opens a stream by its id. */
export async function openObject(repository: Repository, name: string, id: string): Promise<OpenStream> {
  checkObject(repository, id, [`Opening stream '${name}'`, `Opening object '${repository.algorithm}:${id}'`]);
  try {
    return await openStreamObject(repository, name, id);
  } catch (error) {
    if (!isStoreError(error)) throw error;
    throw new Failure([`Opening stream '${name}'`, "Creating new splitstream reader", ...messagesOf(error)], {
      cause: error,
    });
  }
}

/** Throws as cfsctl does where an object is missing. */
export function checkObject(repository: Repository, id: string, what: readonly string[]): void {
  if (repository.objects.has(id)) return;
  const path = ObjectStore.path(id);
  throw fail(
    ...what,
    `Opening object ${repository.algorithm}:${id}`,
    `Opening file '${path}' with verity verification`,
    `Opening file '${path}' in repository`,
    NOT_FOUND,
  );
}

export const cat: Command = async (run) => {
  await using repository = await run.open();
  const name = run.operand("NAME");
  await within(`Merging splitstream '${name}'`, async () => {
    using stream = await openNamed(repository, name);
    await writeStream(run, repository, stream);
  });
  return 0;
};

/** Prints all bytes of a stream. */
export async function writeStream(run: Run, repository: Repository, stream: OpenStream): Promise<void> {
  for await (const piece of readPieces(stream.file, stream.tables, repository.limits)) {
    if (piece.kind === "inline") {
      // It is a view of memory that is used again.
      await run.context.writeOut(Buffer.from(piece.bytes));
      continue;
    }
    checkObject(repository, piece.object, []);
    for await (const chunk of repository.objects.content(piece.object).read())
      await run.context.writeOut(chunk);
  }
}

/** Holds the shared lock, which opening took, until the program is ended. */
export const transaction: Command = async (run) => {
  await using _repository = await run.open();
  const { signal } = run.context;
  await new Promise<void>((resolve) => {
    if (signal.aborted) return resolve();
    const alive = setInterval(() => undefined, 2 ** 30);
    const end = (): void => {
      clearInterval(alive);
      resolve();
    };
    signal.addEventListener("abort", end, { once: true });
  });
  return 0;
};
