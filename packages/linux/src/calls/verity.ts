import {
  resolveParams,
  VERITY_ALGORITHMS,
  verityAlgorithmOf,
  type VerityAlgorithm,
  type VerityParams,
} from "../digest/verity/params.ts";
import { EEXIST, ENODATA, ENOTTY, EOPNOTSUPP, ETXTBSY } from "../errno.ts";
import { linuxErrors } from "../errors.ts";
import { failure, failureAs } from "../failure.ts";
import { addressOf, declareCalls, lastErrno, libc } from "../ffi.ts";
import type { File } from "../file.ts";

const native = declareCalls<{ ioctl(fd: number, request: number, argument: Uint8Array): number }>({
  ioctl: libc("ioctl", "int, ulong, void *"),
});

const FS_IOC_ENABLE_VERITY = 0x4080_6685;
const FS_IOC_MEASURE_VERITY = 0xc004_6686;

/** What the kernel says about a file. `unsupported`: this kernel or file system has no fs-verity. */
export type VerityMeasurement =
  | { readonly state: "enabled"; readonly algorithm: VerityAlgorithm; readonly digest: string }
  | { readonly state: "disabled" }
  | { readonly state: "unsupported" };

/** Asks the kernel for a file's fs-verity digest (FS_IOC_MEASURE_VERITY); hexadecimal. */
export function measureVerity(file: File): VerityMeasurement {
  const room = Buffer.alloc(4 + 64);
  room.writeUInt16LE(64, 2);
  if (native.ioctl(file.fd, FS_IOC_MEASURE_VERITY, room) !== 0) {
    const errno = lastErrno();
    if (errno === ENODATA) return { state: "disabled" };
    if (errno === ENOTTY || errno === EOPNOTSUPP) return { state: "unsupported" };
    throw failure("ioctl FS_IOC_MEASURE_VERITY", errno, file.label);
  }
  const algorithm = verityAlgorithmOf(room.readUInt16LE(0));
  if (algorithm === undefined) {
    throw linuxErrors.error(
      "verity-parameters",
      `${file.label}: an fs-verity algorithm that is not known here`,
      {
        context: { path: file.label, algorithm: room.readUInt16LE(0) },
      },
    );
  }
  return { state: "enabled", algorithm, digest: room.toString("hex", 4, 4 + room.readUInt16LE(2)) };
}

/** Somebody who forks may hold a writable copy of the descriptor for a moment. */
const BUSY_RETRIES = 5;
const BUSY_WAIT_MS = 2;

/**
 * Switches fs-verity on for good (FS_IOC_ENABLE_VERITY): the file becomes read-only and the kernel checks every read.
 * `existed`: it was on already, by whatever parameters; measure to know. The descriptor must be open for reading only,
 * and no writable one may exist anywhere: `linux/busy`. A file system without it: `linux/call-unsupported`.
 */
export function enableVerity(file: File, params: VerityParams): "enabled" | "existed" {
  const { algorithm, blockSize, salt } = resolveParams(params);
  const argument = Buffer.alloc(128);
  argument.writeUInt32LE(1, 0);
  argument.writeUInt32LE(VERITY_ALGORITHMS[algorithm].number, 4);
  argument.writeUInt32LE(blockSize, 8);
  argument.writeUInt32LE(salt.length, 12);
  const saltBytes = Buffer.from(salt);
  if (salt.length > 0) argument.writeBigUInt64LE(addressOf(saltBytes), 16);
  for (let attempt = 0; ; attempt++) {
    if (native.ioctl(file.fd, FS_IOC_ENABLE_VERITY, argument) === 0) return "enabled";
    const errno = lastErrno();
    if (errno === EEXIST) return "existed";
    if (errno === ETXTBSY && attempt < BUSY_RETRIES) {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, BUSY_WAIT_MS);
      continue;
    }
    if (errno === ENOTTY || errno === EOPNOTSUPP) {
      throw failureAs(
        "call-unsupported",
        "ioctl FS_IOC_ENABLE_VERITY",
        errno,
        file.label,
        "no fs-verity here",
      );
    }
    throw failure("ioctl FS_IOC_ENABLE_VERITY", errno, file.label);
  }
}

/** Throws unless the kernel measures exactly this digest (hexadecimal) of the file. */
export function verifyMeasuredVerity(file: File, algorithm: VerityAlgorithm, digest: string): void {
  const found = measureVerity(file);
  if (found.state === "enabled") {
    if (found.algorithm === algorithm && found.digest === digest) return;
    throw linuxErrors.error("verity-mismatch", `${file.label}: the kernel measures ${found.digest}`, {
      context: { path: file.label, digest, actual: found.digest, algorithm: found.algorithm },
    });
  }
  const key = found.state === "disabled" ? "verity-not-enabled" : "call-unsupported";
  throw linuxErrors.error(key, `${file.label}: no fs-verity digest to be had (${found.state})`, {
    context: { path: file.label, digest },
  });
}
