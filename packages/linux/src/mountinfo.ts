import type { ByteString } from "@bootc-store/core";
import type { DeviceNumber } from "./calls/stat.ts";
import { linuxErrors } from "./errors.ts";

/** One mount as /proc/PID/mountinfo tells it (proc_pid_mountinfo(5)). Names are bytes with the escapes undone. */
export interface MountInfo {
  /** As in `FileStat.mountId`. */
  readonly id: number;
  readonly parent: number;
  readonly dev: DeviceNumber;
  /** The directory of the file system that is mounted. */
  readonly root: ByteString;
  /** Where, seen from the process's root. */
  readonly mountPoint: ByteString;
  /** Of the mount: `ro`, `nosuid`. */
  readonly options: readonly string[];
  /** `shared:N`, `master:N`, `propagate_from:N`, `unbindable`. */
  readonly propagation: readonly string[];
  readonly type: string;
  readonly source: ByteString;
  /** Of the file system. */
  readonly superOptions: readonly string[];
}

/** All mounts, in the kernel's order. Throws `linux/mountinfo-invalid`. */
export function parseMountInfo(text: ByteString): MountInfo[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map(parseLine);
}

function parseLine(line: string): MountInfo {
  const fields = line.split(" ");
  const dash = fields.indexOf("-", 6);
  const device = /^(\d+):(\d+)$/.exec(fields[2] ?? "");
  const [id = "", parent = "", , root = "", mountPoint = "", options = ""] = fields;
  const [type, source, superOptions] = dash < 0 ? [] : fields.slice(dash + 1);
  if (
    device === null ||
    !/^\d+$/.test(id) ||
    !/^\d+$/.test(parent) ||
    type === undefined ||
    source === undefined ||
    superOptions === undefined
  ) {
    throw linuxErrors.error("mountinfo-invalid", `not a line of mountinfo: "${line.slice(0, 200)}"`);
  }
  return {
    id: Number(id),
    parent: Number(parent),
    dev: { major: Number(device[1]), minor: Number(device[2]) },
    root: unescape(root),
    mountPoint: unescape(mountPoint),
    options: options.split(","),
    propagation: fields.slice(6, dash),
    type: unescape(type),
    source: unescape(source),
    superOptions: superOptions.split(","),
  };
}

/** The kernel writes space, tab, newline, backslash and some others as `\` and three octal digits. */
function unescape(text: string): ByteString {
  return text.replace(/\\([0-3][0-7]{2})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  ) as ByteString;
}
