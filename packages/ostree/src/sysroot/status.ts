import { lookupValue } from "../gvariant/index.ts";
import { type Deployment, deploymentBaseName } from "./deployment.ts";
import type { Sysroot } from "./sysroot.ts";

/** What `ostree admin status` prints. */
export function statusText(sysroot: Sysroot): string {
  if (sysroot.deployments.length === 0) return "No deployments.\n";
  return sysroot.deployments.map((each) => deploymentText(sysroot, each)).join("");
}

function deploymentText(sysroot: Sysroot, deployment: Deployment): string {
  const { pending, rollback } = sysroot.neighbours();
  const { booted, stateroot, unlocked, pinned, origin } = deployment;
  let flags = "";
  if (deployment.finalizationLocked) flags = " (finalization locked)";
  else if (deployment.staged) flags = " (staged)";
  else if (deployment === pending) flags = " (pending)";
  else if (deployment === rollback) flags = " (rollback)";
  if (deployment.softRebootTarget) flags += " (soft-reboot)";
  const { version, sourceTitle } = metadataOf(sysroot, deployment);
  let text = `${booted ? "*" : " "} ${stateroot} ${deploymentBaseName(deployment)}${flags}\n`;
  if (version !== undefined) text += `    Version: ${version}\n`;
  if (unlocked !== "none") text += `    Unlocked: ${unlocked}\n`;
  if (pinned) text += "    Pinned: yes\n";
  const refspec = origin?.getString("origin", "refspec");
  if (origin === undefined) text += "    origin: none\n";
  else
    text +=
      refspec === undefined ? "    origin: <unknown origin type>\n" : `    origin refspec: ${refspec}\n`;
  if (sourceTitle !== undefined) text += `    \`- ${sourceTitle}\n`;
  return text;
}

/** What `ostree admin status --json` prints. */
export function statusJson(sysroot: Sysroot): string {
  const { pending, rollback } = sysroot.neighbours();
  const objects = sysroot.deployments.map((each) => {
    const { version, sourceTitle } = metadataOf(sysroot, each);
    const fields: [string, unknown][] = [
      ["checksum", each.checksum],
      ["stateroot", each.stateroot],
      ["refspec", each.origin?.getString("origin", "refspec") ?? null],
      ["serial", each.serial],
      ["index", each.index],
      ["booted", each.booted],
      ["pending", each === pending],
      ["rollback", each === rollback],
      ["finalization-locked", each.finalizationLocked],
      ["soft-reboot-target", each.softRebootTarget],
      ["staged", each.staged],
      ["pinned", each.pinned],
      ["unlocked", each.unlocked],
      ...(version === undefined ? [] : [["version", version] as [string, unknown]]),
      ...(sourceTitle === undefined ? [] : [["source-title", sourceTitle] as [string, unknown]]),
    ];
    const lines = fields.map(([key, value]) => `         "${key}": ${JSON.stringify(value)}`);
    return `{\n${lines.join(",\n")}\n      }`;
  });
  const list = objects.length === 0 ? "[\n\n   ]" : `[\n      ${objects.join(",")}\n   ]`;
  return `{\n   "deployments": ${list}\n}\n`;
}

function metadataOf(
  { repo }: Sysroot,
  { checksum }: Deployment,
): { readonly version: string | undefined; readonly sourceTitle: string | undefined } {
  const { metadata } = repo.readCommit(checksum);
  return {
    version: lookupValue(metadata, "version", "s"),
    sourceTitle: lookupValue(metadata, "ostree.source-title", "s"),
  };
}
