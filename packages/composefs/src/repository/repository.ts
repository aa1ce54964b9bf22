import { byteString, isStoreError, Lifetime, textOf, utf8 } from "@bootc-store/core";
import { type Dir, enableVerity, type Lock, measureVerity, type SyncPolicy } from "@bootc-store/linux";

import type { ComposefsAlgorithm } from "../algorithm.ts";
import { composefsErrors } from "../errors.ts";
import {
  type ErofsVersion,
  freshMeta,
  parseMeta,
  printMeta,
  type RepositoryMeta,
  unknownReadOnlyFeatures,
} from "../format/meta-json.ts";
import { COMPOSEFS_LIMITS, type ComposefsLimits } from "../limits.ts";
import { ObjectStore, type VerityPolicy } from "../objects/store.ts";
import { inferFromObjects } from "./infer.ts";

const META = utf8("meta.json");

export interface OpenOptions {
  /**
   * What to do with a repository of the old format, which has objects and no meta.json: describe it as cfsctl does
   * (`upgrade`), or refuse with `composefs/metadata-missing` (the default).
   */
  readonly old?: "upgrade" | "refuse";
  /** `require` refuses an insecure repository; `try` relaxes a secure one. By default the repository decides. */
  readonly verity?: VerityPolicy;
  /** Refuse any change, also where it could be made. */
  readonly readOnly?: boolean;
  /** Milliseconds to wait for somebody else's exclusive lock. */
  readonly lockTimeout?: number;
  readonly signal?: AbortSignal;
  readonly limits?: ComposefsLimits;
  /** When data is forced to the disk. By default before anything refers to it. */
  readonly sync?: SyncPolicy;
  /** Format of images that are made while it is open, instead of the repository's own. */
  readonly imageFormat?: ErofsVersion;
}

export interface InitOptions extends OpenOptions {
  /** Of a fresh repository `sha512` unless said otherwise, as bootc wants it. */
  readonly algorithm?: ComposefsAlgorithm;
  readonly erofs?: ErofsVersion;
  /** A secure repository demands fs-verity of every object. Default: not. */
  readonly secure?: boolean;
}

/**
 * A composefs repository, as composefs-rs 0.9 has it:
 *
 *     meta.json     what it is; it has fs-verity itself in a secure repository
 *     objects/XX/…  content, images and splitstreams, by fs-verity digest
 *     images/ID     links to objects that are EROFS images; images/refs/… names for them
 *     streams/NAME  links to objects that are splitstreams; streams/refs/… names for them
 *
 * While it is open a shared flock(2) is held on its directory, as by cfsctl; a collection takes it exclusively.
 */
export class Repository implements AsyncDisposable {
  readonly dir: Dir;
  readonly meta: RepositoryMeta;
  /** Formats in which images are made: the first is that of an image that is asked for without one. */
  readonly imageFormats: readonly [ErofsVersion, ...ErofsVersion[]];
  readonly objects: ObjectStore;
  readonly secure: boolean;
  readonly limits: ComposefsLimits;
  readonly sync: SyncPolicy;
  readonly #readOnly: string | undefined;
  readonly #lock: Lock;
  readonly #life = new Lifetime("repository");
  /** Writers of this very object, which its lock on the file does not keep from its own collection. */
  #writers = 0;
  #exclusive = false;
  #lockLost = false;

  private constructor(
    dir: Dir,
    lock: Lock,
    meta: RepositoryMeta,
    secure: boolean,
    readOnly: string | undefined,
    options: OpenOptions,
  ) {
    this.dir = dir;
    this.meta = meta;
    this.imageFormats =
      options.imageFormat === undefined
        ? [meta.erofs.default, ...meta.erofs.extra.filter((each) => each !== meta.erofs.default)]
        : [options.imageFormat];
    this.secure = secure;
    this.limits = options.limits ?? COMPOSEFS_LIMITS;
    this.sync = options.sync ?? "data-and-directories";
    this.objects = new ObjectStore(dir, meta.algorithm, options.verity ?? (secure ? "require" : "try"));
    this.#readOnly = readOnly;
    this.#lock = lock;
  }

  /**
   * Opens the repository in a directory. Throws `composefs/metadata-missing`, `composefs/metadata-invalid`,
   * `composefs/feature-unsupported`, `composefs/repository-locked`.
   */
  static async open(directory: Dir, options: OpenOptions = {}): Promise<Repository> {
    const dir = directory.duplicate();
    let lock: Lock | undefined;
    try {
      lock = await takeLock(dir, options);
      const text = readMetaText(dir);
      const meta = text === undefined ? upgradeOld(dir, options) : parseMeta(text);
      const secure = measureVerityOf(dir);
      if (options.verity === "require" && !secure) {
        throw composefsErrors.error(
          "verity-missing",
          "the repository is insecure: its meta.json has no fs-verity",
        );
      }
      return new Repository(dir, lock, meta, secure, whyReadOnly(dir, meta, options), options);
    } catch (error) {
      lock?.[Symbol.dispose]();
      dir[Symbol.dispose]();
      throw error;
    }
  }

  /**
   * Makes a repository in an empty directory, or opens the one that is there if it is of the kind that is asked for, whatever that leaves
   * open; otherwise throws `composefs/already-initialized`.
   */
  static async init(
    directory: Dir,
    options: InitOptions = {},
  ): Promise<{ repository: Repository; created: boolean }> {
    const found = await openExisting(directory, options);
    if (found !== undefined) return { repository: await matching(found, options), created: false };
    const meta = freshMeta(options.algorithm ?? "sha512", options.erofs);
    const created = writeMeta(directory, meta, options.secure === true);
    return { repository: await matching(await Repository.open(directory, options), options), created };
  }

  get algorithm(): ComposefsAlgorithm {
    return this.meta.algorithm;
  }

  get readOnly(): boolean {
    return this.#readOnly !== undefined;
  }

  /** Throws `composefs/not-writable`, and `core/use-after-dispose`. */
  assertWritable(): void {
    this.assertOpen();
    if (this.#readOnly !== undefined) {
      throw composefsErrors.error("not-writable", `Repository is not writable: ${this.#readOnly}`);
    }
  }

  assertOpen(): void {
    this.#life.assertOpen();
    if (this.#lockLost) {
      throw composefsErrors.error(
        "repository-locked",
        "another program took the lock; open the repository again",
      );
    }
  }

  /** Everything that was written so far is on the disk when it returns. Called before something is named. */
  flush(): void {
    if (this.sync !== "none") this.dir.syncFileSystem();
  }

  /** Runs what writes, so that no collection by the same object removes what is not referred to yet. */
  async writing<T>(work: () => Promise<T>): Promise<T> {
    // What runs within another writer goes on, since the collection waits for both.
    while (this.#exclusive) await pause();
    this.assertWritable();
    this.#writers++;
    try {
      return await work();
    } finally {
      this.#writers--;
    }
  }

  /**
   * Runs `work` with the repository's lock held exclusively: nobody else has it open or writes to it meanwhile. Throws
   * `composefs/repository-locked` if somebody has.
   */
  async exclusively<T>(
    work: () => Promise<T>,
    options: Pick<OpenOptions, "lockTimeout" | "signal"> = {},
  ): Promise<T> {
    this.assertWritable();
    const end = Date.now() + (options.lockTimeout ?? LOCK_TIMEOUT);
    while (this.#writers > 0 || this.#exclusive) {
      waitOn(end, options.signal, "something is being written to the repository");
      await pause();
    }
    this.#exclusive = true;
    try {
      await this.#change("exclusive", end, options.signal);
      return await work();
    } finally {
      // What `work` threw is what counts; a lock that cannot be had back is said by the next use.
      await this.#change("shared", Number.POSITIVE_INFINITY, undefined).catch(() => undefined);
      this.#exclusive = false;
    }
  }

  /** flock(2) gives the lock up before it takes the other, so in between somebody else may come and keep it. */
  async #change(mode: "exclusive" | "shared", end: number, signal: AbortSignal | undefined): Promise<void> {
    if (this.#lockLost) return;
    try {
      while (!this.#lock.tryChange(mode)) {
        waitOn(end, signal, "another program has the repository open");
        await pause();
      }
    } catch (error) {
      if (isStoreError(error, "linux/lock-held")) this.#lockLost = true;
      throw lockError(error);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#life.end()) return;
    this.objects.close();
    this.#lock[Symbol.dispose]();
    this.dir[Symbol.dispose]();
  }
}

/** `undefined` where there is none. One of the old format is no empty directory: it is upgraded or refused. */
async function openExisting(directory: Dir, options: InitOptions): Promise<Repository | undefined> {
  try {
    return await Repository.open(directory, options);
  } catch (error) {
    if (!isStoreError(error, "composefs/metadata-missing") || inferFromObjects(directory) !== undefined)
      throw error;
    return undefined;
  }
}

async function matching(repository: Repository, options: InitOptions): Promise<Repository> {
  try {
    requireKind(repository.meta, options);
    return repository;
  } catch (error) {
    await repository[Symbol.asyncDispose]();
    throw error;
  }
}

function requireKind(meta: RepositoryMeta, { algorithm, erofs }: InitOptions): void {
  const other =
    (algorithm !== undefined && meta.algorithm !== algorithm) ||
    (erofs !== undefined && meta.erofs.default !== erofs);
  if (!other) return;
  throw composefsErrors.error(
    "already-initialized",
    "there is a repository of another algorithm or image format already",
  );
}

async function takeLock(dir: Dir, options: OpenOptions): Promise<Lock> {
  try {
    return await dir.lock(undefined, {
      kind: "flock",
      mode: "shared",
      ...(options.lockTimeout === undefined ? {} : { timeout: options.lockTimeout }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
  } catch (error) {
    throw lockError(error);
  }
}

const LOCK_TIMEOUT = 60_000;

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 25));

function waitOn(end: number, signal: AbortSignal | undefined, why: string): void {
  if (signal?.aborted === true)
    throw composefsErrors.error("repository-locked", "cancelled while waiting for the lock");
  if (Date.now() > end) throw composefsErrors.error("repository-locked", why);
}

function lockError(error: unknown): unknown {
  if (!isStoreError(error, "linux/lock-timeout", "linux/lock-held")) return error;
  return composefsErrors.error("repository-locked", "another program has locked the repository", {
    cause: error,
  });
}

function readMetaText(dir: Dir): string | undefined {
  const bytes = dir.readFileOptional(META, { limit: COMPOSEFS_LIMITS.meta });
  if (bytes === undefined) return undefined;
  const text = textOf(byteString(bytes));
  if (text === undefined) throw composefsErrors.error("metadata-invalid", "meta.json is not UTF-8 text");
  return text;
}

/** A repository is secure if its meta.json itself has fs-verity, and by nothing else. */
function measureVerityOf(dir: Dir): boolean {
  using file = dir.openFileOptional(META);
  return file !== undefined && measureVerity(file).state === "enabled";
}

/** What a repository without meta.json is to be. Throws `composefs/metadata-missing`. */
function metaOfOld(dir: Dir, options: OpenOptions): { meta: RepositoryMeta; secure: boolean } {
  const found = inferFromObjects(dir);
  if (options.old !== "upgrade" || found === undefined) {
    const why =
      found === undefined
        ? "no meta.json, and no objects to infer anything from"
        : "meta.json not found; this repository is of the old format";
    throw composefsErrors.error("metadata-missing", why, { context: { path: "meta.json" } });
  }
  return { meta: freshMeta(found.algorithm), secure: found.secure };
}

function upgradeOld(dir: Dir, options: InitOptions): RepositoryMeta {
  const { meta, secure } = metaOfOld(dir, options);
  // One of another kind than is wanted is refused, and stays as it is.
  requireKind(meta, options);
  // Who may only read takes it for what it is, and leaves it as it is.
  if (whyReadOnly(dir, meta, options) === undefined) writeMeta(dir, meta, secure);
  return meta;
}

/** Written once, without a name first, and sealed if the repository is to be secure. False if somebody else was first. */
function writeMeta(dir: Dir, meta: RepositoryMeta, secure: boolean): boolean {
  using temporary = dir.tempFile({ mode: 0o644 });
  temporary.file.write(Buffer.from(printMeta(meta)));
  temporary.file.sync();
  if (secure) {
    try {
      enableVerity(temporary.closeForWriting(), { algorithm: meta.algorithm });
    } catch (error) {
      throw composefsErrors.error("verity-required", "Filesystem does not support fs-verity", {
        cause: error,
      });
    }
  }
  try {
    temporary.publish(META, { existing: "fail" });
    return true;
  } catch (error) {
    // What is there then is read anew.
    if (!isStoreError(error, "linux/exists")) throw error;
    return false;
  }
}

function whyReadOnly(dir: Dir, meta: RepositoryMeta, options: OpenOptions): string | undefined {
  if (options.readOnly === true) return "it was opened for reading only";
  if (dir.info().readOnly) return "read-only file system";
  const unknown = unknownReadOnlyFeatures(meta);
  return unknown.length > 0 ? `it has features that allow reading only: ${unknown.join(", ")}` : undefined;
}
