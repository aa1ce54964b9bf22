import { utf8 } from "@bootc-store/core";
import { KeyFile } from "@bootc-store/core/codec";
import type { Dir } from "@bootc-store/linux";
import {
  LAYOUT,
  ORIGIN,
  OSTREE_DEPLOY,
  OSTREE_REPO,
  ostreeDeploymentDir,
  parseOstreeDeploymentName,
} from "@bootc-store/paths";

import { type Probe, shown } from "./probe.ts";
import type { OstreeDeploymentReport, OstreeReport } from "./report.ts";

const MODES = new Set(["bare", "bare-user", "bare-user-only", "bare-split-xattrs", "archive", "archive-z2"]);

export function probeOstree(probe: Probe, stateroots: readonly string[]): OstreeReport | null {
  using repo = probe.dir(OSTREE_REPO, "ostree");
  if (repo === undefined) return null;
  const path = LAYOUT.ostreeRepoConfig.path;
  const text = probe.text(repo, utf8("config"), path, "ostree");
  const config = text === undefined ? undefined : probe.attempt(path, "ostree", () => KeyFile.parse(text));
  if (text === undefined) {
    probe.add({
      code: "storage/ostree-config-missing",
      severity: "error",
      subject: { backend: "ostree", kind: "repo", id: OSTREE_REPO, path },
      message: `${OSTREE_REPO} has no config, so it is no repository`,
    });
  }
  const mode = config?.get("core", "mode") ?? null;
  const version =
    config === undefined
      ? undefined
      : probe.attempt(path, "ostree", () => config.getInteger("core", "repo_version"));
  if (config !== undefined && (mode === null || !MODES.has(mode) || version !== 1)) {
    probe.add({
      code: "storage/ostree-config-odd",
      severity: "error",
      subject: { backend: "ostree", kind: "repo", id: OSTREE_REPO, path },
      message: `${path} says mode "${mode ?? ""}" and version "${version ?? ""}"`,
      expected: "a known mode and version 1",
    });
  }
  if (probe.root.statOptional(utf8(`${OSTREE_REPO}/objects`))?.type !== "directory") {
    probe.add({
      code: "storage/ostree-objects-missing",
      severity: "error",
      subject: { backend: "ostree", kind: "repo", id: OSTREE_REPO, path: `${OSTREE_REPO}/objects` },
      message: `${OSTREE_REPO} has no objects directory`,
    });
  }
  const remotes = (config?.groups() ?? [])
    .map((group) => /^remote "(.*)"$/.exec(group)?.[1])
    .filter((name) => name !== undefined);
  return { path: OSTREE_REPO, mode, repoVersion: version ?? null, stateroots, remotes };
}

/** Stateroots with their deployments. */
export function probeOstreeDeployments(probe: Probe): {
  stateroots: string[];
  deployments: OstreeDeploymentReport[];
} {
  const stateroots: string[] = [];
  const deployments: OstreeDeploymentReport[] = [];
  using deploy = probe.dir(OSTREE_DEPLOY, "ostree");
  for (const entry of probe.list(deploy, OSTREE_DEPLOY, "ostree")) {
    if (entry.type !== "directory") {
      odd(probe, `${OSTREE_DEPLOY}/${shown(entry.name)}`, `is a ${entry.type} among the stateroots`);
      continue;
    }
    const stateroot = shown(entry.name);
    stateroots.push(stateroot);
    const path = `${OSTREE_DEPLOY}/${stateroot}/deploy`;
    using dir = probe.attempt(path, "ostree", () => deploy?.openDirOptional(utf8(`${entry.name}/deploy`)));
    if (dir !== undefined) deployments.push(...probeStateroot(probe, dir, stateroot, path));
  }
  return { stateroots, deployments };
}

function probeStateroot(probe: Probe, dir: Dir, stateroot: string, path: string): OstreeDeploymentReport[] {
  const entries = probe.list(dir, path, "ostree");
  const names = new Set<string>(entries.map((entry) => entry.name));
  const found: OstreeDeploymentReport[] = [];
  for (const entry of entries) {
    const name = shown(entry.name);
    const deployment = parseOstreeDeploymentName(name);
    if (deployment === undefined) {
      // An origin lies beside its deployment; a backup or lock that ostree made is none of ours to judge.
      const owner = /^(.*)\.origin$/.exec(name)?.[1];
      if (owner !== undefined && parseOstreeDeploymentName(owner) !== undefined && !names.has(owner)) {
        odd(probe, `${path}/${name}`, "is an origin without its deployment");
      }
      continue;
    }
    if (entry.type !== "directory") {
      odd(probe, `${path}/${name}`, `is a ${entry.type} where a deployment belongs`);
      continue;
    }
    const origin = probeOrigin(probe, dir, name, path);
    found.push({
      stateroot,
      ...deployment,
      ...origin,
      composefs: hasComposefs(probe, stateroot, deployment),
    });
  }
  return found;
}

function hasComposefs(
  probe: Probe,
  stateroot: string,
  { checksum, serial }: { checksum: string; serial: number },
): boolean {
  const path = `${ostreeDeploymentDir(stateroot, checksum, serial)}/.ostree.cfs`;
  return probe.attempt(path, "ostree", () => probe.root.statOptional(utf8(path))) !== undefined;
}

function probeOrigin(
  probe: Probe,
  dir: Dir,
  name: string,
  path: string,
): Pick<OstreeDeploymentReport, "imageReference" | "refspec" | "pinned"> {
  const place = `${path}/${name}.origin`;
  const text = probe.text(dir, utf8(`${name}.origin`), place, "ostree");
  if (text === undefined) odd(probe, `${path}/${name}`, "is a deployment without an origin");
  const origin = text === undefined ? undefined : probe.attempt(place, "ostree", () => KeyFile.parse(text));
  const { containerImageReference, refspec } = ORIGIN;
  return {
    imageReference: origin?.get(containerImageReference.group, containerImageReference.key) ?? null,
    refspec: origin?.get(refspec.group, refspec.key) ?? null,
    pinned:
      (origin !== undefined &&
        probe.attempt(place, "ostree", () => origin.getBoolean("libostree-transient", "pinned"))) === true,
  };
}

function odd(probe: Probe, path: string, what: string): void {
  probe.add({
    code: "storage/ostree-deployment-odd",
    severity: "warning",
    subject: { backend: "ostree", kind: "deployment", id: path, path },
    message: `${path} ${what}`,
  });
}
