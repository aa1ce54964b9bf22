import type { Content, ContentSource } from "@bootc-store/backend";
import type { ByteString } from "@bootc-store/core";

import { containersStorageErrors } from "../errors.ts";
import type { PlacedLayer } from "./image-source.ts";

/** Contents by layer and path. */
export function contentsOf(chain: readonly PlacedLayer[]): ContentSource {
  const roots = new Map(chain.map(({ root, record }) => [record.id, root]));
  return {
    openContent({ key }, size): Content {
      const slash = key.indexOf("/");
      const id = key.slice(0, slash);
      const path = key.slice(slash + 1) as ByteString;
      const root = roots.get(id);
      if (root === undefined) {
        throw containersStorageErrors.error("layer-not-found", `layer not known: ${id}`, {
          context: { layer: id },
        });
      }
      const dir = root.places.dir("content");
      const name = `${root.places.diffPath(id)}/${path}` as ByteString;
      return {
        size,
        file: { dir, name },
        async *read() {
          using file = dir.openFile(name);
          const found = file.stat().size;
          if (found !== size) {
            throw containersStorageErrors.error(
              "layer-content-mismatch",
              `"${path}" has ${found} of ${size} bytes`,
              {
                context: { path, layer: id },
              },
            );
          }
          for (let offset = 0; offset < size;) {
            const buffer = Buffer.allocUnsafeSlow(Math.min(1 << 20, size - offset));
            const count = file.readFull(buffer, offset);
            if (count < buffer.length) {
              throw containersStorageErrors.error("layer-content-mismatch", `"${path}" became shorter`, {
                context: { path, layer: id },
              });
            }
            yield buffer;
            offset += count;
          }
        },
      };
    },
  };
}
