import { spawnSync } from "node:child_process";
import {
  installPeers,
  installVirtualMachine,
  isPeerName,
  LabError,
  openLab,
  peerNames,
  peerStatus,
} from "@bootc-store/lab";
import { Command } from "@commander-js/extra-typings";
import { table } from "../output/table.ts";
import { cacheOption, log, print } from "./options.ts";

export function peersCommand(): Command {
  const peers = new Command("peers")
    .description("the real tools beside which ours are shown")
    .enablePositionalOptions();
  peers
    .command("install")
    .description("put the real tools into the cache (some minutes the first time)")
    .addOption(cacheOption())
    .option("--no-vm", "without the virtual machine whose kernel has fs-verity")
    .action(async ({ cache, vm }) => {
      print(versions(await installPeers({ cache, log })));
      if (!vm) return;
      if (process.arch !== "x64") print(`virtual machine: none on ${process.arch}`);
      else print(`virtual machine: kernel ${(await installVirtualMachine({ cache, log })).release}`);
    });
  peers
    .command("list")
    .description("which peers are here, and why others are not")
    .addOption(cacheOption())
    .option("--json", "as JSON")
    .action(({ cache, json }) => {
      const status = peerStatus(cache);
      if (json === true) print(JSON.stringify(status, null, 2));
      else
        print(
          table(
            ["peer", "here", ""],
            status.map((one) => [one.name, one.available ? "yes" : "no", one.available ? "" : one.reason]),
          ),
        );
    });
  peers
    .command("versions")
    .description("versions of the peers that are here")
    .addOption(cacheOption())
    .action(({ cache }) => {
      print(versions(peerStatus(cache)));
    });
  peers
    .command("run")
    .description("run a peer; it sees scratch directories and /tmp at the same paths")
    .argument("<tool>", `one of ${peerNames.join(", ")}`)
    .argument("[args...]", "its arguments, after --")
    .addOption(cacheOption())
    .passThroughOptions()
    .action((tool, args, { cache }) => {
      if (!isPeerName(tool))
        throw new LabError("lab/bad-argument", `no peer is called ${tool}`, {
          hint: `the peers are ${peerNames.join(", ")}`,
        });
      const lab = openLab({ cache });
      const cwd = process.cwd();
      const own = args[0] === "--" ? args.slice(1) : args;
      const [program, ...rest] = lab.peer(tool).command(own, isVisible(cwd) ? cwd : lab.directory);
      const done = spawnSync(program, rest, { stdio: "inherit" });
      if (done.error) throw done.error;
      process.exitCode = done.status ?? 128;
    });
  return peers;
}

/** Working directories that exist for peers too. */
const isVisible = (path: string): boolean => path === "/tmp" || path.startsWith("/tmp/");

function versions(status: ReturnType<typeof peerStatus>): string {
  return table(
    ["peer", "version", "package"],
    status.map((one) =>
      one.available ? [one.name, one.version, one.package] : [one.name, "-", `not here: ${one.reason}`],
    ),
  );
}
