import { utf8 } from "@bootc-store/core";
import type { Dir } from "@bootc-store/linux";
import { BOOTC_ROOT, BOOTC_ROOT_LINK_TARGET, STORAGE } from "@bootc-store/paths";

import { isRecord, type Probe, stringOf, stringsOf } from "./probe.ts";
import type { BootcRootReport, ContainerImageReport, ContainersStorageReport } from "./report.ts";

export function probeBootcRoot(probe: Probe): BootcRootReport {
  const path = utf8(BOOTC_ROOT);
  const found = probe.attempt(BOOTC_ROOT, undefined, () => probe.root.statOptional(path));
  if (found === undefined) return { kind: "absent" };
  const finding = (code: string, severity: "error" | "warning", message: string): void =>
    probe.add({
      code: `storage/${code}`,
      severity,
      subject: { kind: "link", id: BOOTC_ROOT, path: BOOTC_ROOT },
      message,
    });
  if (found.type === "directory") return { kind: "directory" };
  if (found.type !== "symlink") {
    finding("bootc-root-odd", "error", `${BOOTC_ROOT} is a ${found.type}`);
    return { kind: "other" };
  }
  const target = probe.attempt(BOOTC_ROOT, undefined, () => probe.root.readLink(path)) ?? "";
  const leads = probe.attempt(
    BOOTC_ROOT,
    undefined,
    () => probe.root.statOptional(path, { resolution: "beneath", follow: true }) ?? null,
  );
  const resolves = leads?.type === "directory";
  if (leads === null)
    finding("bootc-root-dangling", "error", `${BOOTC_ROOT} leads to ${target}, and nothing is there`);
  else if (leads !== undefined && !resolves)
    finding("bootc-root-odd", "error", `${BOOTC_ROOT} leads to a ${leads.type}`);
  if (target !== BOOTC_ROOT_LINK_TARGET) {
    finding(
      "bootc-root-foreign",
      "warning",
      `${BOOTC_ROOT} leads to ${target} instead of ${BOOTC_ROOT_LINK_TARGET}`,
    );
  }
  return { kind: "link", target, resolves };
}

export function probeContainersStorage(
  probe: Probe,
  bootcRoot: BootcRootReport,
): ContainersStorageReport | null {
  // A link that leads out of the root, or nowhere, was reported with the link.
  if (bootcRoot.kind !== "directory" && bootcRoot.resolves !== true) return null;
  using store = probe.attempt(STORAGE, "containers-storage", () =>
    probe.root.openDirOptional(utf8(STORAGE), { resolution: "beneath" }),
  );
  if (store === undefined) return null;
  const driver = probe
    .list(store, STORAGE, "containers-storage")
    .map(({ name }) => /^(.+)-images$/.exec(name)?.[1])
    .find((name) => name !== undefined);
  if (driver === undefined) return { path: STORAGE, initialised: false, driver: null, images: [], layers: 0 };
  const images = readRecords(probe, store, `${driver}-images/images.json`);
  const layers = readRecords(probe, store, `${driver}-layers/layers.json`);
  return {
    path: STORAGE,
    initialised: images !== undefined,
    driver,
    images: (images ?? []).map((record) => imageOf(probe, record)).filter((image) => image !== undefined),
    layers: layers?.length ?? 0,
  };
}

/** The records of a JSON file of the store; `undefined` if it is not there. */
function readRecords(probe: Probe, store: Dir, name: string): readonly unknown[] | undefined {
  const path = `${STORAGE}/${name}`;
  const value = probe.json(store, utf8(name), path, "containers-storage");
  // An empty store may hold `null` as well as an empty list.
  if (value === undefined) return undefined;
  if (value === null) return [];
  if (Array.isArray(value)) return value;
  invalid(probe, path, "is not a list");
  return [];
}

function imageOf(probe: Probe, record: unknown): ContainerImageReport | undefined {
  const id = isRecord(record) ? stringOf(record["id"]) : null;
  if (id === null || !isRecord(record)) {
    invalid(probe, `${STORAGE}/overlay-images/images.json`, "has a record without an id");
    return undefined;
  }
  return {
    id,
    names: stringsOf(record["names"]),
    digest: stringOf(record["digest"]),
    created: stringOf(record["created"]),
  };
}

function invalid(probe: Probe, path: string, what: string): void {
  probe.add({
    code: "storage/containers-storage-records-invalid",
    severity: "error",
    subject: { backend: "containers-storage", kind: "file", id: path, path },
    message: `${path} ${what}`,
  });
}
