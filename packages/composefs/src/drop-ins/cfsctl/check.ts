// `fsck`: findings and counts in cfsctl's words.

import { utf8 } from "@bootc-store/core";

import type { Looked, RepositoryFinding } from "../../maintenance/verify.ts";
import { verifyRepository } from "../../maintenance/verify.ts";
import { ObjectStore } from "../../objects/store.ts";
import type { Repository } from "../../repository/repository.ts";
import { fail } from "./chain.ts";
import { objectIdProblem } from "./values.ts";
import type { Command, Run } from "./run.ts";

/** What `--json` prints. */
export interface Report {
  ok: boolean;
  has_metadata: true;
  objects_checked: number;
  objects_corrupted: number;
  streams_checked: number;
  streams_corrupted: number;
  images_checked: number;
  images_corrupted: number;
  broken_links: number;
  missing_objects: number;
  errors: string[];
}

export const fsck: Command = async (run) => {
  await using repository = await run.open();
  const report = await checkRepository(run, repository, run.flag("metadata-only"));
  if (run.flag("json")) {
    await run.printJson(report);
    return 0;
  }
  await run.print(reportText(report));
  if (!report.ok) throw fail("repository integrity check failed");
  return 0;
};

export async function checkRepository(
  run: Run,
  repository: Repository,
  metadataOnly: boolean,
): Promise<Report> {
  const looked: Looked = { objects: 0, streams: 0, images: 0 };
  const report: Report = {
    ok: true,
    has_metadata: true,
    objects_checked: 0,
    objects_corrupted: 0,
    streams_checked: 0,
    streams_corrupted: 0,
    images_checked: 0,
    images_corrupted: 0,
    broken_links: 0,
    missing_objects: 0,
    errors: [],
  };
  const depth = metadataOnly ? "references" : "content";
  const found = verifyRepository(
    repository,
    run.context.pool(),
    { depth, signal: run.context.signal },
    looked,
  );
  for await (const finding of found) {
    // cfsctl does not see that links were swapped, or that one is gone that nothing but its name tells of.
    if (!UNSEEN.has(finding.code)) add(report, repository, finding, metadataOnly);
  }
  report.objects_checked = metadataOnly ? 0 : looked.objects;
  report.streams_checked = looked.streams;
  report.images_checked = looked.images;
  report.ok = report.errors.length === 0;
  return report;
}

const UNSEEN: ReadonlySet<string> = new Set(["composefs/link-mismatch", "composefs/link-missing"]);

export function reportText(report: Report): string {
  const part = (name: string, checked: number, corrupted: number): string =>
    `${name}: ${checked - corrupted}/${checked} ok\n`;
  return [
    "meta.json: ok\n",
    part("objects", report.objects_checked, report.objects_corrupted),
    part("streams", report.streams_checked, report.streams_corrupted),
    part("images", report.images_checked, report.images_corrupted),
    report.broken_links === 0 ? "" : `broken symlinks: ${report.broken_links}\n`,
    report.missing_objects === 0 ? "" : `missing objects: ${report.missing_objects}\n`,
    report.ok ? "status: ok\n" : `status: ${report.errors.length} error(s)\n`,
    ...report.errors.map((each) => `  - ${each}\n`),
  ].join("");
}

function add(
  report: Report,
  repository: Repository,
  finding: RepositoryFinding,
  metadataOnly: boolean,
): void {
  const { id, kind, path = "" } = finding.subject;
  const say = (text: string): void => void report.errors.push(`fsck: ${text}`);
  const corrupted = kind === "stream" ? "streams_corrupted" : "images_corrupted";
  switch (finding.code) {
    case "composefs/object-digest-mismatch":
      report.objects_corrupted++;
      return say(`object-digest-mismatch: ${path}: measured ${finding.actual ?? ""}`);
    case "composefs/object-name-invalid":
      // Upper-case digits are digits there.
      if (metadataOnly || objectIdProblem(id, repository.algorithm) === undefined) return;
      report.objects_corrupted++;
      return say(`object-invalid-name: ${path}: ${objectIdProblem(id, repository.algorithm) ?? ""}`);
    case "composefs/object-verity-missing":
      if (metadataOnly) return;
      report.objects_corrupted++;
      return say(`object-verity-missing: ${path}`);
    case "composefs/object-unreadable":
      if (metadataOnly) return;
      report.objects_corrupted++;
      return say(`object-verity-failed: ${path}: Computing verity digest in userspace`);
    case "composefs/entry-not-link":
      report[corrupted]++;
      return say(`entry-not-symlink: ${path}`);
    case "composefs/entry-invalid":
    case "composefs/link-broken":
      report[corrupted]++;
      report.broken_links++;
      return say(`broken-symlink: ${path}`);
    case "composefs/object-missing": {
      report.missing_objects++;
      const by = finding.wantedBy ?? "";
      if (by.startsWith("images/")) return say(`image-missing-object: ${by}: ${id}`);
      if (finding.wantedAs === undefined) return say(`missing-object-ref: ${by}: ${id}`);
      return say(`missing-named-ref: ${by}: ref ${finding.wantedAs}: ${id}`);
    }
    case "composefs/stream-invalid":
      report.streams_corrupted++;
      return say(`stream-open-failed: ${path}: Opening stream '${id}'`);
    case "composefs/image-invalid":
      report.images_corrupted++;
      return say(`image-invalid: ${path}: Invalid image: ${imageProblem(repository, id) ?? finding.message}`);
    case "composefs/ref-not-link":
      return say(`unexpected-file-type: ${path}: RegularFile`);
    case "composefs/ref-broken":
      report.broken_links++;
      return say(`broken-symlink: ${path}`);
    default:
      return say(`${finding.code}: ${path}: ${finding.message}`);
  }
}

const HEADER = { offset: 0, magic: 0xd078629a, name: "composefs" };
const SUPER = { offset: 1024, magic: 0xe0f5e1e2, name: "EROFS" };
const SUPER_SIZE = 128;
const HEADER_SIZE = 32;

/** What cfsctl has against an image; `undefined` where it has nothing. */
export function imageProblem(repository: Repository, id: string): string | undefined {
  using file = repository.dir.openFile(utf8(ObjectStore.path(id)));
  const head = Buffer.alloc(SUPER.offset + SUPER_SIZE);
  return headProblem(head.subarray(0, file.readFull(head, 0)));
}

/** The same, of an image's first bytes. */
export function headProblem(head: Buffer): string | undefined {
  const size = head.length;
  if (size < HEADER_SIZE) return "cannot parse header";
  if (size < SUPER.offset + SUPER_SIZE) return "image too small for superblock";
  const hex = (value: number): string => `0x${value.toString(16).padStart(8, "0")}`;
  for (const { offset, magic, name } of [HEADER, SUPER]) {
    const found = head.readUInt32LE(offset);
    if (found !== magic) return `bad ${name} magic: expected ${hex(magic)}, got ${hex(found)}`;
  }
  return undefined;
}
