// What becomes of a pull while it runs: lines of a terminal that are drawn again and again, or JSON lines as bootc writes
// them to the descriptor of `--progress-fd`. bootc, crates/lib/src/progress_jsonl.rs.

import type { Output } from "@bootc-store/backend/command";
import { canonicalJson, printDigest, renderError } from "@bootc-store/core";
import { File } from "@bootc-store/linux";
import type { BlobContent, Descriptor, ImageTransportSource } from "@bootc-store/oci";

import { bytesText } from "../bytes-text.ts";
import { storageErrors } from "../errors.ts";
import type { PullProgress } from "../stages/pull.ts";
import type { PullPlan } from "../stages/pull-plan.ts";

export interface PullView {
  /** The first thing that can be said: what is going to be done. */
  start(plan: PullPlan): void;
  /** Bytes of a blob that were read. */
  read(blob: string, bytes: number): void;
  progress(event: PullProgress): void;
  /** Takes away what is to be seen only while it runs. */
  end(): void;
}

/** The source, with each chunk of its blobs told. */
export function counted(
  source: ImageTransportSource,
  onRead: (blob: string, bytes: number) => void,
): ImageTransportSource {
  return {
    readDocument: (options) => source.readDocument(options),
    readDocumentByDigest: (descriptor, options) => source.readDocumentByDigest(descriptor, options),
    async openBlob(descriptor, options) {
      const content = await source.openBlob(descriptor, options);
      return countedContent(content, descriptor, onRead);
    },
    ...(source.blobFile === undefined ? {} : { blobFile: (descriptor) => source.blobFile?.(descriptor) }),
    ...(source.readSignatures === undefined
      ? {}
      : {
          readSignatures: async (digest, options) => (await source.readSignatures?.(digest, options)) ?? [],
        }),
    [Symbol.asyncDispose]: () => source[Symbol.asyncDispose](),
  };
}

function countedContent(
  content: BlobContent,
  { digest }: Descriptor,
  onRead: (blob: string, bytes: number) => void,
): BlobContent {
  const blob = printDigest(digest);
  return {
    ...(content.size === undefined ? {} : { size: content.size }),
    ...(content.file === undefined ? {} : { file: content.file }),
    async *read(options) {
      for await (const chunk of content.read(options)) {
        onRead(blob, chunk.length);
        yield chunk;
      }
    },
  };
}

/** Which view a pull gets; none where nobody looks. */
export function pullView(output: Output, progressFd: number | undefined): PullView | undefined {
  if (progressFd !== undefined) return new JsonLines(progressFd, output);
  if (output.json) return undefined;
  return output.status === undefined ? new Notes(output) : new Terminal(output.status);
}

/** Throws `storage/argument-invalid`. */
export function parseProgressFd(text: string): number {
  const fd = Number(text);
  if (/^\d{1,6}$/.test(text) && fd >= 3) return fd;
  throw storageErrors.error("argument-invalid", `Cannot use fd ${text.slice(0, 40)} for progress JSON`);
}

interface LayerState {
  readonly blob: string;
  readonly diffId: string;
  readonly size: number;
  readonly fetched: boolean;
  read: number;
  done: boolean;
}

/** What is known of the layers so far. */
class Layers {
  readonly all: readonly LayerState[];
  readonly #byBlob: ReadonlyMap<string, LayerState>;
  readonly #byDiffId: ReadonlyMap<string, LayerState>;
  readonly total: number;

  constructor(plan: PullPlan) {
    this.all = plan.layers.map(({ blob, diffId, size, fetched }) => ({
      blob,
      diffId,
      size,
      fetched,
      read: 0,
      done: !fetched,
    }));
    this.#byBlob = new Map(this.all.map((layer) => [layer.blob, layer]));
    this.#byDiffId = new Map(this.all.map((layer) => [layer.diffId, layer]));
    this.total = plan.downloadBytes;
  }

  read(blob: string, bytes: number): void {
    const layer = this.#byBlob.get(blob);
    if (layer !== undefined) layer.read = Math.min(layer.size, layer.read + bytes);
  }

  /** A layer is whole in the store; what of it was read some other way counts too. */
  done(diffId: string): LayerState | undefined {
    const layer = this.#byDiffId.get(diffId);
    if (layer === undefined) return undefined;
    layer.done = true;
    layer.read = layer.size;
    return layer;
  }

  get bytes(): number {
    return this.all.reduce((sum, { fetched, read }) => sum + (fetched ? read : 0), 0);
  }

  get cached(): LayerState[] {
    return this.all.filter(({ fetched }) => !fetched);
  }
}

/** Where standard error is no terminal: a line for what begins and what ends. */
class Notes implements PullView {
  readonly #output: Output;

  constructor(output: Output) {
    this.#output = output;
  }

  start(plan: PullPlan): void {
    this.#output.note(planLine(plan));
  }

  read(): void {}

  progress({ task, type, id, total, how }: PullProgress): void {
    if (task === "stage" && type === "started") this.#output.note(`${id} …`);
    else if (task === "stage" && type === "done")
      this.#output.note(`${id} done: ${total ?? 0} layers${how === undefined ? "" : `, content ${how}`}`);
  }

  end(): void {}
}

export function planLine({ layers, downloadBytes }: PullPlan): string {
  const fetched = layers.filter((layer) => layer.fetched).length;
  if (fetched === 0) return `${layers.length} layers, all there already`;
  const rest = layers.length - fetched;
  return `${fetched} layers to read, ${bytesText(downloadBytes)}${rest === 0 ? "" : `; ${rest} there already`}`;
}

const REDRAW_MS = 100;
const MOST_LAYERS = 8;
const BAR = 24;

/** Layers side by side, the sum with its rate, and the stages. */
class Terminal implements PullView {
  readonly #show: (lines: readonly string[]) => void;
  readonly #stages = new Map<string, string>();
  readonly #began = performance.now();
  #layers: Layers | undefined;
  #drawn = 0;

  constructor(show: (lines: readonly string[]) => void) {
    this.#show = show;
  }

  start(plan: PullPlan): void {
    this.#layers = new Layers(plan);
    this.#draw(true);
  }

  read(blob: string, bytes: number): void {
    this.#layers?.read(blob, bytes);
    this.#draw(false);
  }

  progress({ task, type, id, how }: PullProgress): void {
    if (task === "layer") {
      if (type === "done") this.#layers?.done(id);
    } else this.#stages.set(id, type === "done" ? `done${how === undefined ? "" : `, content ${how}`}` : "…");
    this.#draw(true);
  }

  end(): void {
    this.#show([]);
  }

  #draw(now: boolean): void {
    const at = performance.now();
    if (!now && at - this.#drawn < REDRAW_MS) return;
    this.#drawn = at;
    const layers = this.#layers;
    if (layers === undefined) return;
    const active = layers.all.filter(({ done, read }) => !done && read > 0);
    const finished = layers.all.filter(({ fetched, done }) => fetched && done).length;
    const waiting = layers.all.filter(({ done, read }) => !done && read === 0).length;
    const seconds = Math.max(0.001, (at - this.#began) / 1000);
    this.#show([
      ...active
        .slice(0, MOST_LAYERS)
        .map(
          ({ blob, read, size }) =>
            `${blob.slice(7, 19)} ${bar(read, size)} ${bytesText(read)} of ${bytesText(size)}`,
        ),
      `layers: ${finished} done, ${active.length} under way, ${waiting} waiting, ${layers.cached.length} there already`,
      `${bar(layers.bytes, layers.total)} ${bytesText(layers.bytes)} of ${bytesText(layers.total)}, ${bytesText(layers.bytes / seconds)}/s`,
      ...[...this.#stages].map(([stage, state]) => `${stage} ${state}`),
    ]);
  }
}

function bar(done: number, total: number): string {
  const filled = total <= 0 ? BAR : Math.min(BAR, Math.round((done / total) * BAR));
  return `[${"=".repeat(filled)}${" ".repeat(BAR - filled)}]`;
}

const UPDATE_MS = 200;

/** One object a line, keys sorted. Updates may be left out, ends never are. */
class JsonLines implements PullView {
  readonly #file: File;
  readonly #output: Output;
  #layers: Layers | undefined;
  #manifest = "";
  #written = 0;
  #begun = false;
  #broken = false;

  constructor(fd: number, output: Output) {
    this.#output = output;
    this.#file = File.borrow(fd, `descriptor ${fd}`);
    if (this.#file.stat().type !== "fifo")
      throw storageErrors.error("argument-invalid", `Cannot use fd ${fd} for progress JSON: it is no pipe`);
  }

  start(plan: PullPlan): void {
    this.#layers = new Layers(plan);
    this.#manifest = plan.manifest;
    this.#bytes();
  }

  read(blob: string, bytes: number): void {
    this.#layers?.read(blob, bytes);
    if (performance.now() - this.#written >= UPDATE_MS) this.#bytes();
  }

  progress({ task, type, id, total, done }: PullProgress): void {
    if (task === "layer") {
      if (type !== "done") return;
      this.#layers?.done(id);
      this.#bytes();
    } else if (id !== "containers-storage") this.#steps(id, done, total ?? 0);
  }

  end(): void {}

  #bytes(): void {
    const layers = this.#layers;
    if (layers === undefined) return;
    const cachedBytes = layers.cached.reduce((sum, { size }) => sum + size, 0);
    this.#write({
      type: "ProgressBytes",
      task: "pulling",
      description: "Pulling Image",
      id: this.#manifest,
      bytesCached: cachedBytes,
      bytes: layers.bytes,
      bytesTotal: layers.total,
      stepsCached: layers.cached.length,
      steps: layers.all.filter(({ fetched, done }) => fetched && done).length,
      stepsTotal: layers.all.length - layers.cached.length,
      subtasks: layers.all
        .filter(({ fetched, read, done }) => fetched && read > 0 && !done)
        .map(({ blob, read, size }) => ({
          subtask: "layer",
          description: `Layer ${blob}`,
          id: blob,
          bytesCached: 0,
          bytes: read,
          bytesTotal: size,
        })),
    });
  }

  #steps(stage: string, steps: number, stepsTotal: number): void {
    this.#write({
      type: "ProgressSteps",
      task: "importing",
      description: `Importing into ${stage}`,
      id: stage,
      stepsCached: 0,
      steps,
      stepsTotal,
      subtasks: [],
    });
  }

  #write(event: object): void {
    if (this.#broken) return;
    this.#written = performance.now();
    try {
      if (!this.#begun) this.#line({ type: "Start", version: "0.1.0" });
      this.#begun = true;
      this.#line(event);
    } catch (error) {
      // Whoever reads it has gone; the pull goes on.
      this.#broken = true;
      this.#output.note(`Failed to write to jsonl: ${renderError(error)}`);
    }
  }

  #line(value: object): void {
    this.#file.write(Buffer.from(`${canonicalJson(value)}\n`));
  }
}
