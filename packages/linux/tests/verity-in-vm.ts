// Runs in the virtual machine, whose kernel has fs-verity: enables, measures and computes, and prints what it found.
import { type ByteString, isStoreError, utf8 } from "@bootc-store/core";
import {
  computeVerity,
  Dir,
  enableVerity,
  hasAttribute,
  measureVerity,
  probe,
  verifyMeasuredVerity,
  type VerityAlgorithm,
} from "@bootc-store/linux";

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (isStoreError(error)) return error.code;
    throw error;
  }
  return "no error";
}

const name = (text: string): ByteString => utf8(text);
using dir = Dir.openHost(name(process.argv[2] ?? ""));
const files: unknown[] = [];
for (const algorithm of ["sha256", "sha512"] as const satisfies readonly VerityAlgorithm[]) {
  for (const size of [0, 1, 4096, 4097, 524_288, 524_289, 1_000_000]) {
    const content = Buffer.from(Uint8Array.from({ length: size }, (_, i) => i * 7 + Math.floor(i / 4096)));
    const path = name(`${algorithm}-${size}`);
    using temporary = dir.tempFile({ mode: 0o644 });
    temporary.file.write(content);
    const writable = codeOf(() => enableVerity(temporary.file, { algorithm }));
    const readable = temporary.closeForWriting();
    const before = measureVerity(readable).state;
    const first = enableVerity(readable, { algorithm });
    const again = enableVerity(readable, { algorithm });
    temporary.publish(path);
    using file = dir.openFile(path);
    const computed = computeVerity(content, { algorithm }).toString("hex");
    files.push({
      path,
      computed,
      writable,
      before,
      first,
      again,
      measured: measureVerity(file),
      attribute: hasAttribute(file.stat(), "verity"),
      verified: codeOf(() => verifyMeasuredVerity(file, algorithm, computed)),
      mismatch: codeOf(() => verifyMeasuredVerity(file, algorithm, "00")),
      write: codeOf(() => dir.openFile(path, { access: "write" })),
    });
  }
}
dir.atomicWrite(name("plain"), Buffer.from("x"));
using plain = dir.openFile(name("plain"));
const salted = { algorithm: "sha256", salt: Buffer.from("salt"), blockSize: 1024 } as const;
const saltedState = codeOf(() => enableVerity(plain, salted));
const found = measureVerity(plain);
console.log(
  JSON.stringify({
    files,
    notEnabled: codeOf(() => {
      dir.atomicWrite(name("other"), Buffer.from("x"));
      using other = dir.openFile(name("other"));
      verifyMeasuredVerity(other, "sha256", "00");
    }),
    salted: { state: saltedState, found, computed: computeVerity(Buffer.from("x"), salted).toString("hex") },
    verity: probe({ dir }).capabilities.find((capability) => capability.name === "verity")?.available,
  }),
);
