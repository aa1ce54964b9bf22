import type { Inspection } from "@bootc-store/backend";
import { type Finding, isStoreError, throwIfAborted } from "@bootc-store/core";

import type { StoreRoot } from "./ports/layer-source.ts";

/** The store at a glance. An index that cannot be read is a finding, and counts as empty. */
export async function inspectStore(
  { places, records }: StoreRoot,
  additional: number,
  signal: AbortSignal | undefined,
): Promise<Inspection> {
  places.assertOpen();
  throwIfAborted(signal);
  const findings: Finding[] = [];
  const count = async (index: string, read: () => Promise<number>): Promise<number> => {
    try {
      return await read();
    } catch (error) {
      if (!isStoreError(error, "containers-storage/json-invalid", "containers-storage/record-invalid"))
        throw error;
      findings.push({
        code: "containers-storage/index-invalid",
        severity: "error",
        subject: { backend: "containers-storage", kind: "index", id: index },
        message: error.message,
        repair: "none",
      });
      return 0;
    }
  };
  const counts = {
    images: await count("images.json", async () => (await records.images(signal)).records.length),
    layers: await count("layers.json", async () => (await records.layers(signal)).size),
    containers: await count("containers.json", async () => (await records.containers(signal)).length),
  };
  return {
    kind: "containers-storage",
    format: places.driver,
    readOnly: places.readOnly,
    counts,
    facts: [
      { name: "driver", value: places.driver },
      { name: "additional stores", value: String(additional) },
    ],
    findings,
  };
}
