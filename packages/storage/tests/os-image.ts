import type { Image } from "@bootc-store/backend";
import { utf8 } from "@bootc-store/core";
import type { TarEntryToWrite } from "@bootc-store/oci";
import { buildImage } from "@bootc-store/testkit";

const TIME = { sec: 1_700_000_000, nsec: 0 };
const dir = (name: string): TarEntryToWrite => ({
  entry: { type: "directory", name: utf8(name), mtime: TIME },
});
const file = (name: string, content: Uint8Array | string, mode = 0o644): TarEntryToWrite => {
  const bytes = Buffer.from(content);
  return { entry: { type: "file", name: utf8(name), size: bytes.length, mode, mtime: TIME }, content: bytes };
};
const link = (type: "symlink" | "hardlink", name: string, target: string): TarEntryToWrite => ({
  // A hard link says the same of its inode as the file does, and containers-storage takes it at its word.
  entry: {
    type,
    name: utf8(name),
    linkName: utf8(target),
    mtime: TIME,
    mode: type === "hardlink" ? 0o4755 : 0o777,
  },
});

/** An image in the shape of an operating system, of two layers; every content is another one. */
export function osImage(seed: number): Promise<Image> {
  const tools = Array.from({ length: 40 }, (_, index) =>
    file(`usr/bin/tool-${index}`, Buffer.alloc(5000 + index * 300, `${seed}-${index} `), 0o755),
  );
  return buildImage({
    layers: [
      [
        dir("boot/"),
        dir("etc/"),
        file("etc/os.conf", `seed=${seed}\n`),
        dir("sysroot/"),
        dir("usr/"),
        dir("usr/bin/"),
        ...tools,
        dir("usr/lib/"),
        file("usr/lib/os-release", "ID=test\n"),
      ],
      [
        dir("usr/"),
        dir("usr/bin/"),
        link("hardlink", "usr/bin/again", "usr/bin/tool-new"),
        file("usr/bin/.wh.tool-3", ""),
        link("symlink", "usr/bin/sh", "tool-0"),
        file("usr/bin/tool-new", Buffer.alloc(200_000, "new "), 0o4755),
        dir("usr/lib/"),
        file("usr/lib/os-release", `ID=test\nVERSION_ID=${seed}\n`),
      ].sort((a, b) => Number(a.entry.type === "hardlink") - Number(b.entry.type === "hardlink")),
    ],
    created: "2024-02-03T04:05:06Z",
    labels: { "containers.bootc": "1" },
  });
}
