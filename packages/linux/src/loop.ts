import { type ByteString, Lifetime } from "@bootc-store/core";
import { LO_FLAGS, tryClearLoop, tryConfigureLoop, tryFreeLoop } from "./calls/loop.ts";
import type { Dir } from "./dir.ts";
import { EBUSY, ENXIO } from "./errno.ts";
import { failure } from "./failure.ts";
import type { File } from "./file.ts";

export interface LoopOptions {
  /** Default true. */
  readonly readOnly?: boolean;
  /** The device is unbound when its last user is gone, a mount included. Default true, so that nothing is left. */
  readonly autoclear?: boolean;
  /** Where in the file the device begins, and how many bytes it has; 0 is to the end. */
  readonly offset?: number;
  readonly sizeLimit?: number;
}

/** Others look for a free device as well; whoever configures it first has it. */
const ATTEMPTS = 64;

/** A loop device bound to a file. Disposing closes it, and unbinds it unless `autoclear` leaves that to the last user. */
export class LoopDevice implements Disposable {
  readonly number: number;
  /** The open block device. */
  readonly file: File;
  readonly #autoclear: boolean;
  readonly #lifetime = new Lifetime("loop device");

  private constructor(number: number, file: File, autoclear: boolean) {
    this.number = number;
    this.file = file;
    this.#autoclear = autoclear;
  }

  /** @param devices the host's `/dev`. */
  static attach(devices: Dir, backing: File, options: LoopOptions = {}): LoopDevice {
    const readOnly = options.readOnly ?? true;
    const autoclear = options.autoclear ?? true;
    using control = devices.openFile("loop-control" as ByteString, { access: "read-write", type: "any" });
    for (let attempt = 0; ; attempt++) {
      const number = tryFreeLoop(control.fd);
      if (number < 0) throw failure("ioctl LOOP_CTL_GET_FREE", -number, control.label);
      const name = `loop${number}` as ByteString;
      const file = devices.openFile(name, { access: readOnly ? "read" : "read-write", type: "any" });
      const result = tryConfigureLoop(file.fd, {
        backing: backing.fd,
        flags: (readOnly ? LO_FLAGS.readOnly : 0) | (autoclear ? LO_FLAGS.autoclear : 0),
        offset: options.offset ?? 0,
        sizeLimit: options.sizeLimit ?? 0,
        name: backing.label,
      });
      if (result === 0) return new LoopDevice(number, file, autoclear);
      file[Symbol.dispose]();
      if (result !== -EBUSY || attempt >= ATTEMPTS)
        throw failure("ioctl LOOP_CONFIGURE", -result, devices.labelOf(name));
    }
  }

  /** `/dev/loopN`, for what wants a path. */
  get path(): string {
    return `/dev/loop${this.number}`;
  }

  [Symbol.dispose](): void {
    if (!this.#lifetime.end()) return;
    try {
      if (!this.#autoclear) {
        const result = tryClearLoop(this.file.fd);
        if (result < 0 && result !== -ENXIO) throw failure("ioctl LOOP_CLR_FD", -result, this.file.label);
      }
    } finally {
      this.file[Symbol.dispose]();
    }
  }
}
