// Which layers of an image are there already. A layer of ostree objects is the same wherever it comes from. A layer of
// files is not: what is kept of it and how it is labelled depends on the image it was imported with. So a commit of one
// is taken only where every image that has it was made under the same terms.

import { printDigest } from "@bootc-store/core";

import type { Checksum } from "../format/checksum.ts";
import { gvariant, lookupValue, variant, type Dict } from "../gvariant/index.ts";
import { HEADS } from "../repo/refs.ts";
import type { Repo } from "../repo/repo.ts";
import { commitReader } from "../selinux/policy.ts";
import { type StoredImage, wantedImages } from "./images.ts";
import type { PlacedLayer } from "./layout.ts";
import { allowsNonUsr } from "./policy.ts";
import { layerRef } from "./refs.ts";

const DETACHED = gvariant("a{sv}");
/** Detached metadata of a layer's commit that took the place of another one. */
const TERMS = "bootc-store.layer-terms";

/** Under which terms a layer of files became a commit. */
export interface LayerTerms {
  /** Whether names that ostree does not know were kept. */
  readonly nonUsr: boolean;
  /** Whether files may have labels that are not the layer's own. */
  readonly labelled: boolean;
}

export interface CachedLayer {
  readonly commit: Checksum;
  /** True if the layer's own ref is the commit's. */
  readonly own: boolean;
}

export class LayerCache {
  readonly #repo: Repo;
  readonly #images: readonly StoredImage[];
  readonly #terms = new Map<Checksum, Promise<LayerTerms>>();

  readonly #nothing: boolean;

  /** @param nothing finds none, so that every layer is stored again */
  constructor(repo: Repo, nothing = false) {
    this.#repo = repo;
    this.#nothing = nothing;
    this.#images = nothing ? [] : wantedImages(repo);
  }

  /** The commit of a layer by its blob, or by its content as another image has it. */
  find(layer: PlacedLayer): CachedLayer | undefined {
    if (this.#nothing) return undefined;
    const own = this.#commitOf(layerRef(blobOf(layer)));
    if (own !== undefined) return { commit: own, own: true };
    const diffId = printDigest(layer.diffId);
    for (const image of this.#images) {
      for (const stored of image.layers) {
        const commit = stored.diffId === diffId ? this.#commitOf(layerRef(stored.digest)) : undefined;
        if (commit !== undefined) return { commit, own: false };
      }
    }
    return undefined;
  }

  #commitOf(ref: string): Checksum | undefined {
    const commit = this.#repo.refs.read(HEADS, ref);
    return commit !== undefined && this.#repo.reader.has(commit, "commit") ? commit : undefined;
  }

  /** The same for a layer of files, with its terms. Only where it was made under the same rule for names. */
  async findDerived(
    layer: PlacedLayer,
    nonUsr: boolean,
  ): Promise<(CachedLayer & { readonly labelled: boolean }) | undefined> {
    const found = this.find(layer);
    if (found === undefined) return undefined;
    const terms = this.#recorded(found.commit) ?? (await this.#termsOf(layer, found.commit));
    return terms === undefined || terms.nonUsr !== nonUsr
      ? undefined
      : { ...found, labelled: terms.labelled };
  }

  #recorded(commit: Checksum): LayerTerms | undefined {
    const bytes = this.#repo.reader.readMetadataOptional(commit, "commitmeta");
    if (bytes === undefined || bytes.length === 0) return undefined;
    const text = lookupValue(DETACHED.decode(bytes, { format: `${commit}.commitmeta` }), TERMS, "s");
    const match = /^names=(all|known) labels=(policy|own)$/.exec(text ?? "");
    return match === null ? undefined : { nonUsr: match[1] === "all", labelled: match[2] === "policy" };
  }

  /** What the images that have the layer agree on; `undefined` where they do not, or there is none. */
  async #termsOf(layer: PlacedLayer, commit: Checksum): Promise<LayerTerms | undefined> {
    const owners = this.#images.filter((image) =>
      image.layers.some(({ digest }) => this.#commitOf(layerRef(digest)) === commit),
    );
    const all = await Promise.all(owners.map((owner) => this.#termsOfImage(owner)));
    const [first] = all;
    if (first === undefined || all.some(({ nonUsr }) => nonUsr !== first.nonUsr)) return undefined;
    return { nonUsr: first.nonUsr, labelled: all.some(({ labelled }) => labelled) };
  }

  async #termsOfImage({ commit, base }: StoredImage): Promise<LayerTerms> {
    const known = this.#terms.get(commit);
    if (known !== undefined) return await known;
    const terms = this.#readTerms(commit, base);
    this.#terms.set(commit, terms);
    return await terms;
  }

  async #readTerms(commit: Checksum, base: Checksum | undefined): Promise<LayerTerms> {
    const read = commitReader(this.#repo, commit);
    const config = (await read("usr/etc/selinux/config")) ?? (await read("etc/selinux/config"));
    return {
      nonUsr: base === undefined || (await allowsNonUsr(commitReader(this.#repo, base))),
      labelled: config !== undefined,
    };
  }
}

/** What is kept beside a layer's commit that took the place of another one, so that later imports know it. */
export function termsMetadata({ nonUsr, labelled }: LayerTerms): Dict {
  return [[TERMS, variant("s", `names=${nonUsr ? "all" : "known"} labels=${labelled ? "policy" : "own"}`)]];
}

/** Digest by which a layer's ref is named: of the blob, or of the tar where the blob is not known. */
export function blobOf(layer: PlacedLayer): string {
  return printDigest(layer.blob?.digest ?? layer.diffId);
}
