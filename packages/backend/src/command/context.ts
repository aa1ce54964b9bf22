import type { Log } from "@bootc-store/core";
import type { Dir, Pool } from "@bootc-store/linux";

import type { ExactDocument, ImageTransportSource } from "@bootc-store/oci";

import type { ImageSource, LayerSource } from "../index.ts";
import type { Output } from "./output.ts";

/** What an app gives its commands. Libraries read no environment, so it is here. */
export interface CommandContext {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** Workers for bulk work. Made on first use, closed by the app. */
  pool(): Pool;
  /** Opens a directory that a person named. Paths are resolved against the working directory. */
  openDir(path: string): Dir;
  /** The same, made with its parents where it is not there. */
  ensureDir(path: string): Dir;
  /** The working directory. */
  readonly cwd: string;
  /** Opens an image by a reference as containers' tools write it, with the host's credentials, mirrors and policy. */
  openImage(reference: string, options?: OpenImageOptions): Promise<OpenedImage>;
  output(options: { readonly json?: boolean }): Output;
  /** Takes an exit code other than 0 for a command that ended as it should. */
  setExitCode(code: number): void;
}

/** How an image that a person named is to be got at. */
export interface OpenImageOptions {
  /** The only file to look for credentials in. */
  readonly authFile?: string | undefined;
  /** False takes any certificate of a registry, and none. */
  readonly tlsVerify?: boolean | undefined;
  /** The signature policy, instead of the host's. */
  readonly policy?: string | undefined;
  /** Does without a signature policy. */
  readonly insecurePolicy?: boolean | undefined;
}

/** An image that is open, and whether the host's policy lets it be used. */
export interface OpenedImage {
  /** To be disposed of. */
  readonly source: ImageTransportSource;
  /** Asked with each manifest before anything of it is fetched; throws if the image must not be used. */
  readonly allow?: (manifest: ExactDocument) => Promise<void>;
}

/** What a stand-in for another tool is given besides: its streams, and the other stores' ports. */
export interface DropInContext extends CommandContext {
  readonly argv: readonly string[];
  readonly stdin: AsyncIterable<Uint8Array>;
  writeOut(data: Uint8Array | string): Promise<void>;
  writeErr(data: Uint8Array | string): Promise<void>;
  /** Opens another store for a command that crosses stores; the app knows how. */
  openSource(
    transport: string,
    location: string,
  ): Promise<(ImageSource & LayerSource & AsyncDisposable) | undefined>;
}
