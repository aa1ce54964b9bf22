import { writeSync } from "node:fs";

const DESCRIPTORS = { stdout: 1, stderr: 2 } as const;
const streams: { stdout?: NodeJS.WriteStream; stderr?: NodeJS.WriteStream } = {};

/**
 * Writes all of it. Node's own streams write to files, pipes and terminals at once too, but to make one takes as long as
 * many a command does; so they are made only where a descriptor has to be waited for.
 */
export async function write(to: keyof typeof DESCRIPTORS, data: Uint8Array | string): Promise<void> {
  let rest: Uint8Array = typeof data === "string" ? Buffer.from(data) : data;
  if (streams[to] === undefined) {
    const left = writeAtOnce(DESCRIPTORS[to], rest);
    if (left === undefined) return;
    rest = left;
  }
  const stream = (streams[to] ??= to === "stdout" ? standardOutput() : process.stderr);
  if (stream.write(rest)) return;
  await new Promise<void>((resolve) => stream.once("drain", resolve));
}

/** What could not be written because the other side has set the descriptor so that one does not wait for it. */
function writeAtOnce(fd: number, data: Uint8Array): Uint8Array | undefined {
  let done = 0;
  try {
    while (done < data.length) done += writeSync(fd, data, done);
    return undefined;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EAGAIN") return data.subarray(done);
    throw endIfClosed(fd, error as NodeJS.ErrnoException);
  }
}

let prepared = false;

/** `process.stdout`, made to end the program when nobody reads it any more. */
export function standardOutput(): NodeJS.WriteStream {
  if (!prepared) {
    prepared = true;
    process.stdout.on("error", (error: NodeJS.ErrnoException) => {
      throw endIfClosed(1, error);
    });
  }
  return process.stdout;
}

function endIfClosed(fd: number, error: NodeJS.ErrnoException): Error {
  // Whoever read the output has seen enough.
  if (fd === 1 && error.code === "EPIPE") process.exit(0);
  return error;
}
