import { type Command, succeed, type RunOptions, type RunResult } from "./exec.ts";
import { requireProgram } from "./host.ts";

/**
 * Runs a long command so that nothing of it outlives us and none of its mounts reach the machine: a mount and a
 * process namespace of its own, ended by the kernel when this process goes, killed or not.
 */
export async function contained(command: Command, options: RunOptions = {}): Promise<RunResult> {
  const setpriv = requireProgram("setpriv", "util-linux");
  const unshare = requireProgram("unshare", "util-linux");
  const wrapped: Command = [
    setpriv,
    "--pdeathsig",
    "KILL",
    "--",
    unshare,
    "--mount",
    "--propagation",
    "private",
    "--pid",
    "--fork",
    "--kill-child",
    "--mount-proc",
    "--",
    ...command,
  ];
  return await succeed(wrapped, options);
}
