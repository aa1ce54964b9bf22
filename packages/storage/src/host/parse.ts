// A host's status read from JSON or YAML. Fields that are not known are passed over, and those that newer versions
// added take their defaults.

import { storageErrors } from "../errors.ts";
import type { ImageReference, ImageStatus } from "../image-status.ts";
import type { Host, HostBootloader, HostEntry, UsrOverlay } from "./schema.ts";
import { utcTimestamp } from "./timestamp.ts";

const MOST_BYTES = 4 << 20;

/** Throws `storage/host-invalid`. */
export async function parseHost(text: string): Promise<Host> {
  if (text.length > MOST_BYTES) throw refuse("", `has ${text.length} characters`);
  const value = text.trimStart().startsWith("{") ? parseJson(text) : await parseYaml(text);
  return hostFrom(new Node(value, "host"));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw refuse("", "is not JSON", cause);
  }
}

/** Every scalar stays the text that it is: a version `20231230.1` is no number. */
async function parseYaml(text: string): Promise<unknown> {
  const { defineScalarTag, FAILSAFE_SCHEMA, load } = await import("js-yaml");
  const remote = defineScalarTag("!ostreeRemote", {
    resolve: (ostreeRemote) => ({ ostreeRemote }),
    identify: () => false,
  });
  try {
    return load(text, { schema: FAILSAFE_SCHEMA.withTags(remote) });
  } catch (cause) {
    throw refuse("", "is not YAML", cause);
  }
}

function refuse(place: string, problem: string, cause?: unknown): Error {
  const what = place === "" ? "the status of a host" : place;
  return storageErrors.error("host-invalid", `${what} ${problem}`, cause === undefined ? {} : { cause });
}

/** A place in the document. */
class Node {
  readonly #value: unknown;
  readonly place: string;

  constructor(value: unknown, place: string) {
    this.#value = value;
    this.place = place;
  }

  get absent(): boolean {
    const value = this.#value;
    return value === undefined || value === null || value === "null" || value === "~" || value === "";
  }

  get isText(): boolean {
    return typeof this.#value === "string";
  }

  at(key: string): Node {
    const value = this.#value;
    if (typeof value !== "object" || value === null || Array.isArray(value))
      throw refuse(this.place, "is no mapping");
    const own = Object.hasOwn(value, key) ? (value as Record<string, unknown>)[key] : undefined;
    return new Node(own, `${this.place}.${key}`);
  }

  text(): string {
    if (typeof this.#value !== "string") throw refuse(this.place, "is no text");
    return this.#value;
  }

  textOr<T>(fallback: T): string | T {
    return this.absent ? fallback : this.text();
  }

  flag(fallback?: boolean): boolean {
    const value = this.#value;
    if (this.absent && fallback !== undefined) return fallback;
    if (value === true || value === "true") return true;
    if (value === false || value === "false") return false;
    throw refuse(this.place, "is neither true nor false");
  }

  number(): number {
    const number = Number(this.#value);
    if (this.absent || !Number.isSafeInteger(number) || number < 0) throw refuse(this.place, "is no number");
    return number;
  }

  word<T extends string>(words: readonly T[]): T {
    const found = words.find((each) => each === this.#value);
    if (found === undefined) throw refuse(this.place, `is none of ${words.join(", ")}`);
    return found;
  }

  list(): Node[] {
    if (this.absent) return [];
    if (!Array.isArray(this.#value)) throw refuse(this.place, "is no list");
    return this.#value.map((each, index) => new Node(each, `${this.place}[${index}]`));
  }

  texts(): Record<string, string> {
    if (typeof this.#value !== "object" || this.#value === null) throw refuse(this.place, "is no mapping");
    return Object.fromEntries(Object.keys(this.#value).map((key) => [key, this.at(key).text()]));
  }

  orNull<T>(read: (node: Node) => T): T | null {
    return this.absent ? null : read(this);
  }
}

function hostFrom(host: Node): Host {
  const metadata = host.at("metadata");
  const spec = host.at("spec");
  const status = host.at("status");
  const namespace = metadata.at("namespace");
  return {
    apiVersion: host.at("apiVersion").text(),
    kind: host.at("kind").text(),
    metadata: {
      name: metadata.at("name").textOr("host"),
      ...(metadata.at("annotations").absent ? {} : { annotations: metadata.at("annotations").texts() }),
      ...(metadata.at("labels").absent ? {} : { labels: metadata.at("labels").texts() }),
      ...(namespace.absent ? {} : { namespace: namespace.text() }),
    },
    spec: {
      image: spec.at("image").orNull(referenceFrom),
      bootOrder: spec.at("bootOrder").absent ? "default" : spec.at("bootOrder").word(["default", "rollback"]),
    },
    status: {
      staged: status.at("staged").orNull(entryFrom),
      booted: status.at("booted").orNull(entryFrom),
      rollback: status.at("rollback").orNull(entryFrom),
      otherDeployments: status.at("otherDeployments").list().map(entryFrom),
      rollbackQueued: status.at("rollbackQueued").flag(false),
      type: status.at("type").orNull((node) => node.word(["bootcHost"])),
      usrOverlay: status.at("usrOverlay").orNull(overlayFrom),
      readOnly: status.at("readOnly").flag(false),
    },
  };
}

function entryFrom(entry: Node): HostEntry {
  return {
    image: entry.at("image").orNull(imageFrom),
    cachedUpdate: entry.at("cachedUpdate").orNull(imageFrom),
    incompatible: entry.at("incompatible").flag(),
    pinned: entry.at("pinned").flag(),
    softRebootCapable: entry.at("softRebootCapable").flag(false),
    downloadOnly: entry.at("downloadOnly").flag(false),
    store: entry.at("store").orNull((node) => node.word(["ostreeContainer"])),
    ostree: entry.at("ostree").orNull((node) => ({
      stateroot: node.at("stateroot").text(),
      checksum: node.at("checksum").text(),
      deploySerial: node.at("deploySerial").number(),
    })),
    composefs: entry.at("composefs").orNull((node) => ({
      verity: node.at("verity").text(),
      bootType: node.at("bootType").word(["Bls", "Uki"]),
      bootloader: node.at("bootloader").word<HostBootloader>(["grub", "grub-cc", "systemd", "none"]),
      bootDigest: node.at("bootDigest").textOr(null),
      missingVerityAllowed: node.at("missingVerityAllowed").flag(false),
    })),
  };
}

function imageFrom(image: Node): ImageStatus {
  return {
    image: referenceFrom(image.at("image")),
    version: image.at("version").textOr(null),
    timestamp: image.at("timestamp").orNull((node) => {
      const time = utcTimestamp(node.text());
      if (time === undefined) throw refuse(node.place, "is no time");
      return time;
    }),
    imageDigest: image.at("imageDigest").text(),
    architecture: image.at("architecture").text(),
  };
}

function referenceFrom(reference: Node): ImageReference {
  const signature = reference.at("signature");
  return {
    image: reference.at("image").text(),
    transport: reference.at("transport").text(),
    ...(signature.absent
      ? {}
      : {
          signature: signature.isText
            ? signature.word<"insecure" | "containerPolicy">(["insecure", "containerPolicy"])
            : { ostreeRemote: signature.at("ostreeRemote").text() },
        }),
  };
}

function overlayFrom(overlay: Node): UsrOverlay {
  return {
    accessMode: overlay.at("accessMode").word(["readOnly", "readWrite"]),
    persistence: overlay.at("persistence").word(["transient", "persistent"]),
  };
}
