import type { CommandContext, Output } from "@bootc-store/backend/command";
import { type Finding, printable } from "@bootc-store/core";
import type { Command } from "@commander-js/extra-typings";

import type { RootReport } from "../detect/report.ts";
import { Environment } from "../environment.ts";
import { FORMATS, hostStatusText } from "./host-status.ts";
import { rootPath } from "./root.ts";

/** `status`: what a root holds. */
export function registerStatus(parent: Command, context: CommandContext): void {
  parent
    .command("status")
    .description("tell what a physical root holds: stores, deployments, boot entries, and what is damaged")
    .option("--json", "print the report as JSON")
    .option("-v, --verbose", "name everything in full")
    .option("--format <format>", `bootc's own status instead: ${FORMATS.join(", ")}`)
    .option("--format-version <version>", "version of that format: 0 or 1")
    .option(
      "--booted",
      "of bootc's status only the booted deployment and others, without staged and rollback",
    )
    .option(
      "--assume-booted <deployment>",
      "take STATEROOT/CHECKSUM.SERIAL, or a composefs id, for the booted deployment of a root that is only looked at",
    )
    .option("--esp <dir>", "where the EFI system partition is mounted, if not below the root")
    .action(async (options) => {
      const path = rootPath(parent, context);
      const output = context.output(options);
      if (options.format !== undefined || options.formatVersion !== undefined || options.booted === true) {
        await output.bytes(Buffer.from(await hostStatusText(context, path, options)));
        return;
      }
      const { detectRoot } = await import("../detect/index.ts");
      const report = await detectRoot(context.openDir(path), { signal: context.signal });
      output.value({ root: path, ...report });
      if (output.json) return;
      if (options.assumeBooted !== undefined || isBooted(context, path)) {
        await output.bytes(Buffer.from(await hostStatusText(context, path, options)));
        output.line();
      }
      printReport(output, path, report, options.verbose === true);
    });
}

function isBooted(context: CommandContext, path: string): boolean {
  if (path !== "/sysroot") return false;
  const environment = Environment.detect({ host: context.openDir("/"), env: context.env });
  return Environment.needsMountNamespace(environment);
}

function printReport(output: Output, path: string, report: RootReport, verbose: boolean): void {
  const id = (text: string): string => (verbose || text.length <= 20 ? text : `${text.slice(0, 16)}…`);
  output.line(`Physical root  ${printable(path)}${report.readOnly ? " (read-only)" : ""}`);
  output.line(`Booted by      ${bootedBy(report)}`);
  output.line(`bootc's root   ${bootcRoot(report)}`);
  output.line();
  printStores(output, report);
  printDeployments(output, report, id);
  printEntries(output, report, id);
  printImages(output, report, id);
  printFindings(output, report.findings);
}

function bootedBy({ bootBackend }: RootReport): string {
  if (bootBackend === "none") return "nothing: there are no deployments";
  if (bootBackend === "both")
    return "ostree or composefs: both have deployments, and the kernel command line decides";
  return bootBackend;
}

function bootcRoot({ bootcRoot: root }: RootReport): string {
  if (root.kind === "link")
    return `a link to ${printable(root.target ?? "")}${root.resolves === true ? "" : ", which leads nowhere"}`;
  if (root.kind === "directory") return "a directory";
  return root.kind === "absent" ? "not there" : "neither a directory nor a link";
}

function printStores(output: Output, { stores }: RootReport): void {
  const { ostree, composefs, containersStorage } = stores;
  const rows = [
    {
      store: "ostree",
      place: ostree?.path,
      format:
        ostree === null ? "" : `${ostree.mode ?? "unknown mode"}, version ${ostree.repoVersion ?? "unknown"}`,
      holds:
        ostree === null
          ? ""
          : [count(ostree.stateroots.length, "stateroot"), count(ostree.remotes.length, "remote")].join(", "),
    },
    {
      store: "composefs",
      place: composefs?.path,
      format: composefs === null ? "" : composefsFormat(composefs),
      holds:
        composefs === null
          ? ""
          : [
              count(composefs.images, "image"),
              count(composefs.streams, "stream"),
              count(composefs.tags.length, "tag"),
            ].join(", "),
    },
    {
      store: "containers-storage",
      place: containersStorage?.path,
      format: containersStorage === null ? "" : (containersStorage.driver ?? "not initialised"),
      holds:
        containersStorage === null
          ? ""
          : [count(containersStorage.images.length, "image"), count(containersStorage.layers, "layer")].join(
              ", ",
            ),
    },
  ];
  output.table(rows, [
    { title: "STORE", value: (row) => row.store },
    { title: "PLACE", value: (row) => row.place ?? "not there" },
    { title: "FORMAT", value: (row) => printable(row.format) },
    { title: "HOLDS", value: (row) => row.holds },
  ]);
}

function composefsFormat(composefs: NonNullable<RootReport["stores"]["composefs"]>): string {
  if (composefs.format === "empty") return "empty";
  if (composefs.format === "damaged") return "damaged";
  const images = composefs.erofsFormats.map((version) => `V${version}`).join("+");
  return `${composefs.algorithm ?? "unknown algorithm"}, EROFS ${images}${composefs.format === "old" ? ", old format" : ""}`;
}

function printDeployments(output: Output, { deployments }: RootReport, id: (text: string) => string): void {
  if (deployments.ostree.length > 0) {
    output.line();
    output.table(deployments.ostree, [
      { title: "OSTREE DEPLOYMENT", value: (row) => `${row.stateroot} ${id(row.checksum)}.${row.serial}` },
      { title: "ORIGIN", value: (row) => printable(row.imageReference ?? row.refspec ?? "unknown") },
      {
        title: "",
        value: (row) =>
          [row.pinned ? "pinned" : "", row.composefs ? "composefs" : ""].filter(Boolean).join(", "),
      },
    ]);
  }
  if (deployments.composefs.length > 0) {
    output.line();
    output.table(deployments.composefs, [
      { title: "COMPOSEFS DEPLOYMENT", value: (row) => id(row.id) },
      { title: "BOOT", value: (row) => printable(row.bootType ?? "unknown") },
      { title: "ORIGIN", value: (row) => printable(row.imageReference ?? "unknown") },
      { title: "", value: (row) => (row.image ? "" : "image missing") },
    ]);
  }
}

function printEntries(output: Output, { boot }: RootReport, id: (text: string) => string): void {
  const rows = [
    ...boot.entries.map((entry) => ({ ...entry, state: "" })),
    ...boot.stagedEntries.map((entry) => ({ ...entry, state: "staged" })),
  ];
  if (rows.length === 0) return;
  output.line();
  output.table(rows, [
    { title: "BOOT ENTRY", value: (row) => printable(row.file) },
    { title: "TITLE", value: (row) => printable(row.title ?? "") },
    { title: "BOOTS", value: (row) => printable(`${row.boots} ${id(row.target ?? "")}`.trim()) },
    { title: "", value: (row) => row.state },
  ]);
}

function printImages(output: Output, { stores }: RootReport, id: (text: string) => string): void {
  const images = stores.containersStorage?.images ?? [];
  if (images.length === 0) return;
  output.line();
  output.table(images, [
    { title: "CONTAINER IMAGE", value: (row) => printable(row.names.join(", ") || "unnamed") },
    { title: "ID", value: (row) => printable(id(row.id)) },
    { title: "CREATED", value: (row) => printable(row.created ?? "") },
  ]);
}

function printFindings(output: Output, findings: readonly Finding[]): void {
  if (findings.length === 0) return;
  output.line();
  output.table(findings, [
    { title: "FINDING", value: (finding) => finding.severity },
    { title: "CODE", value: (finding) => finding.code },
    { title: "", value: (finding) => printable(finding.message) },
  ]);
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
