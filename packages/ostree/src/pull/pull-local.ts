import { equalBytes, throwIfAborted } from "@bootc-store/core";

import { ostreeErrors } from "../errors.ts";
import { type Checksum, sha256 } from "../format/checksum.ts";
import { decodeCommit } from "../format/commit.ts";
import { decodeDirtree } from "../format/dirtree.ts";
import { decodeDirmeta } from "../format/file-info.ts";
import type { HashedType } from "../format/object-type.ts";
import { lookupValue } from "../gvariant/index.ts";
import type { Repo } from "../repo/repo.ts";
import { HEADS, type RefOwner } from "../repo/refs.ts";
import { clearPartial, markPartial, partialState } from "../repo/state.ts";
import type { Transaction } from "../repo/transaction.ts";
import { type ImportedFile, importFiles } from "./import-task.ts";

export interface PullLocalOptions {
  /** Refs or commits of the source. Default: all its refs. */
  readonly refs?: readonly string[];
  /** Sets refs of this remote instead of local ones. */
  readonly remote?: string;
  /** Parents to bring along; -1 for all. Default 0. */
  readonly depth?: number;
  /** Only commit objects. */
  readonly commitMetadataOnly?: boolean;
  /** Hashes everything instead of believing names. */
  readonly untrusted?: boolean;
  /** Refuses files that a bare-user-only repository could not hold. */
  readonly bareUserOnlyFiles?: boolean;
  /** False does not look whether a commit says that it belongs to the ref. */
  readonly verifyBindings?: boolean;
  readonly fsync?: boolean;
  /** Sync each object by itself. Default: the config's. */
  readonly perObjectFsync?: boolean;
  readonly signal?: AbortSignal;
}

export interface PullLocalResult {
  readonly metadata: number;
  readonly content: number;
  /** Bytes of contents that were written; links and clones do not count. */
  readonly contentBytesWritten: number;
  readonly linked: number;
  readonly cloned: number;
  readonly copied: number;
  readonly refs: ReadonlyMap<string, Checksum>;
}

const BATCH_FILES = 256;

/** Brings commits and all they need from another repository of this machine. */
export async function pullLocal(
  from: Repo,
  into: Repo,
  options: PullLocalOptions = {},
): Promise<PullLocalResult> {
  return await new LocalPull(from, into, options).run();
}

class LocalPull {
  readonly #from: Repo;
  readonly #into: Repo;
  readonly #options: PullLocalOptions;
  readonly #files = new Set<Checksum>();
  /** Contents that are to be brought, by the first digit of their checksums: so a batch needs few of the directories. */
  readonly #batches = new Map<string, Checksum[]>();
  readonly #running: Promise<ImportedFile[]>[] = [];
  readonly #trees = new Set<Checksum>();
  readonly #metas = new Set<Checksum>();
  readonly #commits = new Map<Checksum, number>();
  /** Commits that are complete when this pull ends. */
  readonly #completed: Checksum[] = [];
  readonly #counts = { metadata: 0, content: 0, contentBytesWritten: 0, linked: 0, cloned: 0, copied: 0 };

  constructor(from: Repo, into: Repo, options: PullLocalOptions) {
    this.#from = from;
    this.#into = into;
    this.#options = options;
  }

  async run(): Promise<PullLocalResult> {
    const { remote, signal, fsync, perObjectFsync } = this.#options;
    const refs = this.#wanted();
    await using transaction = await this.#into.begin({
      ...(signal === undefined ? {} : { signal }),
      ...(fsync === undefined ? {} : { fsync }),
      ...(perObjectFsync === undefined ? {} : { perObjectFsync }),
    });
    try {
      for (const [ref, commit] of refs) {
        if (ref !== commit && this.#options.verifyBindings !== false) this.#checkBinding(ref, commit);
        this.#addCommit(transaction, commit);
      }
      await this.#finishFiles(transaction);
    } finally {
      // Workers use descriptors of the transaction, so none may be left behind.
      await Promise.allSettled(this.#running);
    }
    const owner: RefOwner = remote === undefined ? HEADS : { kind: "remote", remote };
    for (const [ref, commit] of refs) if (ref !== commit) transaction.setRef(ref, commit, owner);
    await transaction.commit();
    for (const commit of this.#completed) clearPartial(this.#into.dir, commit);
    return { ...this.#counts, refs };
  }

  /** Refs and what they are; a commit that was asked for by its checksum has that as its name. */
  #wanted(): Map<string, Checksum> {
    const wanted = new Map<string, Checksum>();
    const { refs } = this.#options;
    if (refs === undefined || refs.length === 0) {
      for (const { owner, ref, checksum } of this.#from.refs.listAll()) {
        if (owner.kind === "mirror") continue;
        if (owner.kind === "remote") {
          throw ostreeErrors.error("ref-invalid", `Invalid ref name ${owner.remote}:${ref}`);
        }
        wanted.set(ref, checksum);
      }
      return wanted;
    }
    for (const name of refs) {
      const at = name.lastIndexOf("@");
      const [ref, pinned] = at < 0 ? [name, undefined] : [name.slice(0, at), name.slice(at + 1)];
      if (/^[0-9a-f]{64}$/.test(ref)) wanted.set(ref, ref);
      else {
        const checksum = pinned ?? this.#from.refs.read(HEADS, ref);
        if (checksum === undefined) {
          throw ostreeErrors.error("ref-not-found", `Refspec '${ref}' not found`, { context: { ref } });
        }
        wanted.set(ref, checksum);
      }
    }
    return wanted;
  }

  #checkBinding(ref: string, commit: Checksum): void {
    const bytes = this.#from.reader.readMetadata(commit, "commit");
    const bound = lookupValue(decodeCommit(bytes, `${commit}.commit`).metadata, "ostree.ref-binding", "as");
    if (bound === undefined || bound.includes(ref)) return;
    throw ostreeErrors.error(
      "ref-conflict",
      `Commit ${commit}: requested ref '${ref}' not found in bound refs (${bound.map((each) => `'${each}'`).join(", ")})`,
      { context: { ref, digest: commit } },
    );
  }

  #addCommit(transaction: Transaction, start: Checksum): void {
    let commit: Checksum | undefined = start;
    let left = this.#options.depth ?? 0;
    while (commit !== undefined) {
      throwIfAborted(this.#options.signal);
      const before = this.#commits.get(commit);
      if (before !== undefined && (before < 0 || (left >= 0 && before >= left))) return;
      this.#commits.set(commit, left);
      const bytes = this.#from.reader.readMetadataOptional(commit, "commit");
      if (bytes === undefined) {
        if (commit !== start) return;
        throw ostreeErrors.error("object-not-found", `No such metadata object ${commit}.commit`, {
          context: { digest: commit },
        });
      }
      const { tree, meta, parent } = decodeCommit(bytes, `${commit}.commit`);
      if (before === undefined) {
        const partial = partialState(this.#into.dir, commit) !== undefined;
        const complete = this.#into.reader.has(commit, "commit") && !partial;
        const only = this.#options.commitMetadataOnly === true;
        if (!complete && !only) {
          this.#addMeta(transaction, meta);
          this.#addTree(transaction, tree);
          if (partialState(this.#from.dir, commit) === undefined) this.#completed.push(commit);
        }
        if (!complete) {
          // Marked before it is there: from then on it counts as complete unless something says otherwise.
          markPartial(this.#into.dir, commit, "pull");
          this.#addMetadata(transaction, commit, "commit", bytes);
        }
        this.#addDetached(transaction, commit);
      }
      if (left === 0) return;
      if (left > 0) left--;
      commit = parent;
    }
  }

  #addTree(transaction: Transaction, start: Checksum): void {
    const stack = [start];
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      if (this.#trees.has(next)) continue;
      this.#trees.add(next);
      const bytes = this.#from.reader.readMetadata(next, "dirtree");
      const { files, dirs } = decodeDirtree(bytes, `${next}.dirtree`);
      this.#addMetadata(transaction, next, "dirtree", bytes);
      for (const file of files.values()) {
        if (this.#files.has(file)) continue;
        this.#files.add(file);
        this.#addFile(transaction, file);
      }
      for (const { tree, meta } of dirs.values()) {
        this.#addMeta(transaction, meta);
        stack.push(tree);
      }
    }
  }

  #addMeta(transaction: Transaction, checksum: Checksum): void {
    if (this.#metas.has(checksum)) return;
    this.#metas.add(checksum);
    const bytes = this.#from.reader.readMetadata(checksum, "dirmeta");
    decodeDirmeta(bytes, `${checksum}.dirmeta`);
    this.#addMetadata(transaction, checksum, "dirmeta", bytes);
  }

  #addMetadata(transaction: Transaction, checksum: Checksum, type: HashedType, bytes: Uint8Array): void {
    // Metadata is small and in memory, so its checksum costs next to nothing, trusted or not.
    const actual = sha256(bytes);
    if (actual !== checksum) {
      throw ostreeErrors.error(
        "object-checksum-mismatch",
        `Corrupted ${type} object; checksum expected='${checksum}' actual='${actual}'`,
        { context: { digest: checksum } },
      );
    }
    if (transaction.importMetadata(this.#from, checksum, type, bytes)) this.#counts.metadata++;
  }

  #addDetached(transaction: Transaction, commit: Checksum): void {
    const bytes = this.#from.reader.readMetadataOptional(commit, "commitmeta");
    if (bytes === undefined) return;
    const own = this.#into.reader.readMetadataOptional(commit, "commitmeta");
    if (own !== undefined && equalBytes(own, bytes)) return;
    transaction.writeDetachedBytes(commit, bytes);
    this.#counts.metadata++;
  }

  #addFile(transaction: Transaction, checksum: Checksum): void {
    const digit = checksum[0] as string;
    const batch = this.#batches.get(digit);
    if (batch === undefined) this.#batches.set(digit, [checksum]);
    else if (batch.push(checksum) >= BATCH_FILES) {
      this.#batches.delete(digit);
      this.#importBatch(transaction, batch);
    }
  }

  /** Gives a batch of contents to a worker, which goes on while trees are being walked. */
  #importBatch(transaction: Transaction, checksums: readonly Checksum[]): void {
    const { signal } = this.#options;
    const running = this.#into.pool.run(
      importFiles,
      {
        from: this.#from.places(),
        into: transaction.places,
        checksums,
        trusted: this.#options.untrusted !== true,
        link: true,
        bareUserOnlyFiles: this.#options.bareUserOnlyFiles ?? false,
      },
      signal === undefined ? {} : { signal },
    );
    running.catch(() => {});
    this.#running.push(running);
  }

  async #finishFiles(transaction: Transaction): Promise<void> {
    const rest = [...this.#batches.values()].flat().sort();
    for (let at = 0; at < rest.length; at += BATCH_FILES)
      this.#importBatch(transaction, rest.slice(at, at + BATCH_FILES));
    for (const running of this.#running) {
      for (const { how, size, storedSize } of await running) {
        if (how === "reused") continue;
        this.#counts.content++;
        this.#counts[how]++;
        if (how === "copied") this.#counts.contentBytesWritten += size;
        transaction.countImported(storedSize);
      }
    }
  }
}
