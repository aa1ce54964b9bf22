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
}

export interface InitOptions extends OpenOptions {
  /** `sha512` unless said otherwise, as bootc wants it. */
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
  readonly objects: ObjectStore;
  readonly secure: boolean;
  readonly limits: ComposefsLimits;
  readonly sync: SyncPolicy;
  readonly #readOnly: string | undefined;
  readonly #lock: Lock;
  readonly #life = new Lifetime("repository");

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
   * Makes a repository in an empty directory, or opens the one that is there if it is of the same kind; otherwise throws
   * `composefs/already-initialized`.
   */
  static async init(
    directory: Dir,
    options: InitOptions = {},
  ): Promise<{ repository: Repository; created: boolean }> {
    const algorithm = options.algorithm ?? "sha512";
    const existing = readMetaText(directory);
    if (existing === undefined)
      writeMeta(directory, freshMeta(algorithm, options.erofs), options.secure === true);
    else {
      const meta = parseMeta(existing);
      if (
        meta.algorithm !== algorithm ||
        (options.erofs !== undefined && meta.erofs.default !== options.erofs)
      ) {
        throw composefsErrors.error(
          "already-initialized",
          "there is a repository of another algorithm or image format already",
        );
      }
    }
    return { repository: await Repository.open(directory, options), created: existing === undefined };
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
  }

  /** Everything that was written so far is on the disk when it returns. Called before something is named. */
  flush(): void {
    if (this.sync !== "none") this.dir.syncFileSystem();
  }

  /**
   * Runs `work` with the repository's lock held exclusively: nobody else has it open meanwhile. Throws
   * `composefs/repository-locked` if somebody has.
   */
  async exclusively<T>(
    work: () => Promise<T>,
    options: Pick<OpenOptions, "lockTimeout" | "signal"> = {},
  ): Promise<T> {
    this.assertWritable();
    await changeLock(this.#lock, options);
    try {
      return await work();
    } finally {
      this.#lock.tryChange("shared");
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#life.end()) return;
    this.objects.close();
    this.#lock[Symbol.dispose]();
    this.dir[Symbol.dispose]();
  }
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

async function changeLock(lock: Lock, options: Pick<OpenOptions, "lockTimeout" | "signal">): Promise<void> {
  const end = Date.now() + (options.lockTimeout ?? 60_000);
  while (!lock.tryChange("exclusive")) {
    if (options.signal?.aborted === true)
      throw composefsErrors.error("repository-locked", "cancelled while waiting for the lock");
    if (Date.now() > end)
      throw composefsErrors.error("repository-locked", "another program has the repository open");
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
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

function upgradeOld(dir: Dir, options: OpenOptions): RepositoryMeta {
  const found = inferFromObjects(dir);
  if (options.old !== "upgrade" || found === undefined) {
    const why =
      found === undefined
        ? "no meta.json, and no objects to infer anything from"
        : "meta.json not found; this repository is of the old format";
    throw composefsErrors.error("metadata-missing", why, { context: { path: "meta.json" } });
  }
  const meta = freshMeta(found.algorithm);
  writeMeta(dir, meta, found.secure);
  return meta;
}

/** Written once, without a name first, and sealed if the repository is to be secure. */
function writeMeta(dir: Dir, meta: RepositoryMeta, secure: boolean): void {
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
  } catch (error) {
    // Somebody else was first; what is there is read anew.
    if (!isStoreError(error, "linux/exists")) throw error;
  }
}

function whyReadOnly(dir: Dir, meta: RepositoryMeta, options: OpenOptions): string | undefined {
  if (options.readOnly === true) return "it was opened for reading only";
  if (dir.info().readOnly) return "read-only file system";
  const unknown = unknownReadOnlyFeatures(meta);
  return unknown.length > 0 ? `it has features that allow reading only: ${unknown.join(", ")}` : undefined;
}
