// bootc's deployments on composefs, for reading: their state directories, the boot entries that count for which of them is what,
// and the record of a staged one. bootc, crates/lib/src/bootc_composefs/{state,status,boot}.rs.

import {
  BlsEntry,
  chainloaderOf,
  composefsDigestKargs,
  composefsKarg,
  type EntryReader,
  inBootOrder,
  KernelCmdline,
  parseGrubMenu,
} from "@bootc-store/boot";
import {
  byteString,
  type Digest,
  displayName,
  parseDigestOptional,
  textOf,
  throwIfAborted,
  utf8,
} from "@bootc-store/core";
import { KeyFile } from "@bootc-store/core/codec";
import type { Dir } from "@bootc-store/linux";
import {
  COMPOSEFS_ID,
  COMPOSEFS_STAGED_DEPLOYMENT,
  COMPOSEFS_STATE,
  COMPOSEFS_TRANSIENT_STATE,
  composefsImageInfo,
  composefsOrigin,
  GRUB_USER_CFG,
  LOADER_ENTRIES,
  LOADER_ENTRIES_STAGED,
} from "@bootc-store/paths";

import { composefsErrors } from "../errors.ts";

/** What a deployment's `.origin` says. */
export interface DeploymentOrigin {
  /** As it stands: `ostree-unverified-image:` and a reference. */
  readonly imageReference: string;
  readonly bootType: "bls" | "uki";
  /** SHA-256 over kernel and initramfs. */
  readonly bootDigest?: string;
  /** Older deployments have none. */
  readonly manifestDigest?: Digest;
}

/** A boot entry of a deployment. */
export interface DeploymentEntry {
  /** The file; of a menu, the menu. */
  readonly file: string;
  readonly kind: "bls" | "uki" | "menu";
  readonly title?: string;
  readonly version?: string;
}

export interface ComposefsDeployment {
  /** Id of the EROFS image, and the name of the state directory. */
  readonly verity: string;
  readonly origin: DeploymentOrigin;
  /** Text of the `.imginfo` that older deployments have: configuration and manifest as JSON. */
  readonly imageInfo?: string;
  readonly entry?: DeploymentEntry;
}

export interface ComposefsDeployments {
  readonly booted?: ComposefsDeployment;
  readonly staged?: ComposefsDeployment & { readonly finalizationLocked: boolean };
  readonly rollback?: ComposefsDeployment;
  /** Others that can be booted, in boot order. */
  readonly others: readonly ComposefsDeployment[];
  /** State directories that no entry boots. */
  readonly unreferenced: readonly ComposefsDeployment[];
  /** Ids that entries boot and that have no state directory or origin. */
  readonly missing: readonly string[];
  /** Whether the first entry boots another deployment than the booted one. */
  readonly rollbackQueued: boolean;
}

export interface ReadDeploymentsOptions {
  /** The physical root, with `state` in it. */
  readonly root: Dir;
  /** Where `loader/entries` and `grub2` are: the EFI system partition, or `/boot`. */
  readonly boot: Dir;
  /** Which boot loader reads the entries. */
  readonly reader: EntryReader;
  /** The host's `/run`, with the record of a staged deployment. */
  readonly run?: Dir;
  /** Id of the image that the system runs from. */
  readonly booted?: string;
  readonly signal?: AbortSignal;
}

const LIMIT = 1 << 20;

/** Throws `composefs/deployment-invalid` for origins, entries and records that cannot be understood. */
export function readDeployments(options: ReadDeploymentsOptions): ComposefsDeployments {
  const { root, boot, reader, run, booted, signal } = options;
  throwIfAborted(signal);
  const states = new Map(readStates(root, signal).map((each) => [each.verity, each]));
  const live = liveEntries(boot, reader);
  const waiting = entriesIn(boot, LOADER_ENTRIES_STAGED, reader);
  const staged = run === undefined ? undefined : readStagedRecord(run);
  const missing = [...live, ...waiting].map(({ verity }) => verity).filter((verity) => !states.has(verity));
  const find = (verity: string, among: readonly Found[]): ComposefsDeployment | undefined => {
    const state = states.get(verity);
    const entry = among.find((each) => each.verity === verity)?.entry;
    return state === undefined ? undefined : { ...state, ...(entry === undefined ? {} : { entry }) };
  };
  const known = [...live, ...waiting];
  const bootedOne = booted === undefined ? undefined : find(booted, known);
  const stagedOne = staged === undefined ? undefined : find(staged.verity, [...waiting, ...live]);
  const rest = [...new Set(live.map(({ verity }) => verity))]
    .filter((verity) => verity !== booted && verity !== staged?.verity)
    .flatMap((verity) => find(verity, live) ?? []);
  const rollback = booted === undefined ? undefined : rest.shift();
  const named = new Set([...known.map(({ verity }) => verity), booted, staged?.verity]);
  const first = live[0]?.verity;
  return {
    ...(bootedOne === undefined ? {} : { booted: bootedOne }),
    ...(stagedOne === undefined || staged === undefined
      ? {}
      : { staged: { ...stagedOne, finalizationLocked: staged.locked } }),
    ...(rollback === undefined ? {} : { rollback }),
    others: rest,
    unreferenced: [...states.values()].filter(({ verity }) => !named.has(verity)),
    missing: [...new Set(missing)],
    rollbackQueued: booted !== undefined && first !== undefined && first !== booted,
  };
}

function readStates(root: Dir, signal: AbortSignal | undefined): ComposefsDeployment[] {
  using deploy = root.openDirOptional(utf8(COMPOSEFS_STATE));
  if (deploy === undefined) return [];
  const found: ComposefsDeployment[] = [];
  for (const { name, type } of deploy.list()) {
    throwIfAborted(signal);
    if (type !== "directory" || !COMPOSEFS_ID.test(name)) continue;
    const origin = readText(root, composefsOrigin(name));
    if (origin === undefined) continue;
    const imageInfo = readText(root, composefsImageInfo(name));
    found.push({
      verity: name,
      origin: parseOrigin(origin, name),
      ...(imageInfo === undefined ? {} : { imageInfo }),
    });
  }
  return found;
}

function parseOrigin(text: string, verity: string): DeploymentOrigin {
  const invalid = (problem: string): Error => invalidFile(composefsOrigin(verity), problem);
  const file = KeyFile.parse(text);
  const imageReference = file.get("origin", "container-image-reference")?.trim();
  if (imageReference === undefined) throw invalid("it names no image");
  const bootType = file.get("boot", "boot_type")?.trim();
  if (bootType !== "bls" && bootType !== "uki") throw invalid(`boot_type is ${bootType ?? "not there"}`);
  const bootDigest = file.get("boot", "digest")?.trim();
  const manifest = file.get("image", "manifest_digest")?.trim();
  const manifestDigest = manifest === undefined ? undefined : parseDigestOptional(manifest);
  if (manifest !== undefined && manifestDigest === undefined)
    throw invalid("its manifest_digest is no digest");
  return {
    imageReference,
    bootType,
    ...(bootDigest === undefined ? {} : { bootDigest }),
    ...(manifestDigest === undefined ? {} : { manifestDigest }),
  };
}

interface Found {
  readonly verity: string;
  readonly entry: DeploymentEntry;
}

/** In boot order. */
function liveEntries(boot: Dir, reader: EntryReader): Found[] {
  if (reader === "grub") {
    const menu = readText(boot, GRUB_USER_CFG);
    if (menu !== undefined) return menuEntries(menu);
  }
  return entriesIn(boot, LOADER_ENTRIES, reader);
}

function menuEntries(text: string): Found[] {
  return parseGrubMenu(text).entries.flatMap((each) => {
    const verity = verityOfPath(chainloaderOf(each) ?? "") ?? /\(([0-9a-f]{128})\)/.exec(each.title)?.[1];
    return verity === undefined
      ? []
      : [{ verity, entry: { file: GRUB_USER_CFG, kind: "menu", title: each.title } as const }];
  });
}

function entriesIn(boot: Dir, path: string, reader: EntryReader): Found[] {
  using dir = boot.openDirOptional(utf8(path));
  if (dir === undefined) return [];
  const entries = dir
    .list()
    .filter(({ name, type }) => type === "regular" && name.endsWith(".conf"))
    .map(({ name }) => {
      const file = displayName(name);
      return { file, entry: BlsEntry.parse(readText(dir, name) ?? "") };
    });
  return inBootOrder(entries, reader).flatMap(({ file, entry }) => {
    const boots = entry.kind();
    const verity =
      boots.kind === "efi"
        ? verityOfPath(boots.path)
        : boots.kind === "linux"
          ? verityOfOptions(entry)
          : undefined;
    if (verity === undefined) return [];
    const { title, version } = entry;
    const kind = boots.kind === "efi" ? "uki" : "bls";
    return [
      {
        verity,
        entry: {
          file: `${path}/${file}`,
          kind,
          ...(title === undefined ? {} : { title }),
          ...(version === undefined ? {} : { version }),
        } as const,
      },
    ];
  });
}

/** A kernel's directory may be shared and then have the name of another deployment, so the arguments are what counts. */
function verityOfOptions(entry: BlsEntry): string | undefined {
  const line = KernelCmdline.parse(entry.getAll("options").join(" "));
  const named = [composefsKarg(line), ...composefsDigestKargs(line)].flatMap((each) => each?.digest ?? []);
  return named.find((digest) => COMPOSEFS_ID.test(digest));
}

/** A UKI has the id in its own name. */
function verityOfPath(path: string): string | undefined {
  return /(?:^|\/)bootc_composefs-([0-9a-f]{128})\.efi$/.exec(path.trim())?.[1];
}

function readStagedRecord(run: Dir): { verity: string; locked: boolean } | undefined {
  const path = `${COMPOSEFS_TRANSIENT_STATE}/${COMPOSEFS_STAGED_DEPLOYMENT}`;
  const text = readText(run, path);
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw invalidFile(path, "it is not JSON");
  }
  const { depl_id: verity, finalization_locked: locked } = (value ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof verity !== "string" || !COMPOSEFS_ID.test(verity))
    throw invalidFile(path, "it names no deployment");
  return { verity, locked: locked === true };
}

function readText(dir: Dir, path: string): string | undefined {
  const bytes = dir.readFileOptional(utf8(path), { limit: LIMIT });
  if (bytes === undefined) return undefined;
  const text = textOf(byteString(bytes));
  if (text === undefined) throw invalidFile(path, "it is not UTF-8 text");
  return text;
}

function invalidFile(path: string, problem: string): Error {
  return composefsErrors.error("deployment-invalid", `${path}: ${problem}`, { context: { path } });
}
