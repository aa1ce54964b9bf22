import { declareCalls, lastErrno, libc } from "../ffi.ts";

const native = declareCalls<{
  ioctl(fd: number, request: number, argument: Uint8Array): number;
  ioctlInt(fd: number, request: number, argument: number): number;
}>({
  ioctl: libc("ioctl", "int, ulong, void *"),
  ioctlInt: libc("ioctl", "int, ulong, long"),
});

const LOOP_CLR_FD = 0x4c01;
const LOOP_CONFIGURE = 0x4c0a;
const LOOP_CTL_GET_FREE = 0x4c82;

export const LO_FLAGS = { readOnly: 1, autoclear: 4, partScan: 8, directIo: 16 } as const;

/** LOOP_CTL_GET_FREE on /dev/loop-control: the number of a device that is free now, or the negated errno. */
export function tryFreeLoop(control: number): number {
  const number = native.ioctlInt(control, LOOP_CTL_GET_FREE, 0);
  return number >= 0 ? number : -lastErrno();
}

export interface LoopConfig {
  readonly backing: number;
  readonly flags: number;
  readonly offset: number;
  readonly sizeLimit: number;
  readonly name: string;
}

/** LOOP_CONFIGURE: binds a device to a file in one step (kernel 5.8). Returns 0 or the negated errno; EBUSY: taken. */
export function tryConfigureLoop(device: number, config: LoopConfig): number {
  // struct loop_config: fd u32, block_size u32, struct loop_info64 (232 bytes) at 8, 64 bytes reserved.
  const request = Buffer.alloc(304);
  request.writeUInt32LE(config.backing, 0);
  request.writeBigUInt64LE(BigInt(config.offset), 8 + 24);
  request.writeBigUInt64LE(BigInt(config.sizeLimit), 8 + 32);
  request.writeUInt32LE(config.flags, 8 + 52);
  request.write(config.name.slice(0, 63), 8 + 56, "latin1");
  return native.ioctl(device, LOOP_CONFIGURE, request) === 0 ? 0 : -lastErrno();
}

/** LOOP_CLR_FD: unbinds a device, or, while it is in use, has it unbound when it no longer is. 0 or the negated errno. */
export function tryClearLoop(device: number): number {
  return native.ioctlInt(device, LOOP_CLR_FD, 0) === 0 ? 0 : -lastErrno();
}
